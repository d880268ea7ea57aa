"""What a run is like now, in numbers that are cheap to ask for: see `watch.RunWatch`."""
