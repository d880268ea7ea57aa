"""Configuration: composed, typed, checked; the registry of plugins; the user's own file."""
