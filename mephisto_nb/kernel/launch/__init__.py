"""How a run is built: `plan` refuses what cannot work, `starter` makes the parts, each complete, and starts them."""
