"""The router: the process that workers' browsers talk to, and that outlives the kernel.

It serves the task's page, holds the workers' sockets, writes down what they send before it acknowledges it, and passes
it on to the operator over one authenticated WebSocket. ``python -m mephisto_nb.router --help`` says how it is started;
this package imports nothing at this level, so that asking costs nothing.

Here stand the program and what all rooms share: its life (`server`), its parts (`core`), its settings (`config`), its
decisions (`rules`), JSON (`codec`), how intricate it is (`shape`), and timers (`deadlines`). ``openapi.json`` describes
all routes and packets. The rooms: `http` for connections, answers and pages; `intake` for what comes in with a request;
`inbox` for the database; `operator` for the kernel's link; `workers` for the browsers' routes and sockets.
"""
