"""Runs that are offered to a crowd which sends people by itself."""
