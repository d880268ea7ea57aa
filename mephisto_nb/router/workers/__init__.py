"""The workers' side: the routes and sockets of their browsers, who is connected, and who waits for an agent.

What speaks the protocol of the browser packages belongs here.
"""
