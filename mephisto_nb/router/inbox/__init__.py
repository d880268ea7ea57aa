"""The disk: the database of one run, the thread that writes it, and each change that may be made to it.

What talks to SQLite belongs here, and nothing else does.
"""
