"""The operator's side: the socket that the kernel connects to, its frames, and what is sent over it.

What speaks the protocol between router and kernel belongs here.
"""
