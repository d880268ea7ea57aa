"""Pictures of all that the displays can show, to be looked at."""
