"""How runs look in a notebook and in a terminal."""
