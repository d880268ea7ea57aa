"""Stands before the real httptools on the path, for routers that have to do without it."""

raise ImportError("httptools is left out here")
