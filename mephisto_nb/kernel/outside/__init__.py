"""A run and the world outside: what comes in by its address from others than workers, and how that is reached."""
