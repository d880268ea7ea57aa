"""Gates: what stands between a worker and the work, and what is looked at in each answer."""
