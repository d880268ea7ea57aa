"""Gates at work: where their rows come from, who judges, and the worker that does what takes time."""
