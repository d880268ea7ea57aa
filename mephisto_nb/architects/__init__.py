"""Where routers live."""
