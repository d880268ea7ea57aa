"""What comes in with a request, until it is handed to the inbox: its body, its files, and the room that they take.

Whatever reads, bounds or counts what strangers send belongs here.
"""
