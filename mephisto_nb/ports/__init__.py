"""The ports: what plugins are asked for, and when."""
