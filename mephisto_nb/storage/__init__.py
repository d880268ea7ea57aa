"""Storage on SQLite and PostgreSQL: `SQLDatabase`, which holds four parts, and what they share.

A part is one class with its SQL in the same file: `runs`, `people`, `reviews`, `messages`. `apply` writes the steps of
runs, whatever part they are about; `tables` is the schema, and `migrations` its history.
"""
