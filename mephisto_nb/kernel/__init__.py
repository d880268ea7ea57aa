"""What drives task runs in the kernel: the engine of each run, and those who work for it.

`task_launcher`, `worker_pool` and `client_io_handler` have the duties that they had in Mephisto 1.x; `engine` decides,
one step after the other; `writer` stores; `run_tasks` owns the tasks. `launch` builds a run, `gates` looks at workers'
answers, and `talk/` runs code beside workers.
"""
