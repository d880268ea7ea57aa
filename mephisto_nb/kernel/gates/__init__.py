"""Gates at work: their settings, rows and judges, and the task that runs what takes time."""
