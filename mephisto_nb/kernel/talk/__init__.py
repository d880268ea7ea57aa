"""Task code that runs beside workers: `task_code` runs it, `agents` are whom it talks with, `talk` what is said."""
