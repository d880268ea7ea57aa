"""What every adapter has to do, as test classes to subclass: a stranger's plugin is tested as ours are."""
