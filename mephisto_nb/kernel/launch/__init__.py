"""How a run is started, taken up again and resumed."""
