"""The router: the process that workers' browsers talk to, and that outlives the kernel.

It serves the task's page, holds the workers' sockets, writes down what they send before it says so, and
passes it on to the operator over one authenticated WebSocket. ``python -m mephisto_nb.router --help`` tells
how it is started; this package imports nothing at this level, so that asking costs nothing.
"""
