"""Whole runs while things break, from seeds that reproduce them."""
