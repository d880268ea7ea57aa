"""What runs in the kernel: the engine of each run, and those who work for it."""
