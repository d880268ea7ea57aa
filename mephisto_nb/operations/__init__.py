"""The operator and those who work for it."""
