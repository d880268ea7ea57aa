"""Simulated workers and contracts, for those who rehearse a task or write a plugin."""
