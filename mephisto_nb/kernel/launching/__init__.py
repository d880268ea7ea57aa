"""What a launch needs beside the starting itself: what it was called with, the run's secret, and leave to spend."""
