"""Task code that runs beside workers: what it hears and says."""
