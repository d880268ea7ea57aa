"""Pages of workers, shown in a notebook before anything is launched."""
