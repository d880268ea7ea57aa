"""How runs, people and reviews look in a notebook and in a terminal: live where a kernel is, still everywhere else.

What is shown is computed in `dashboard` and the models of panels; what a button does stands in `actions`; `widgets` has
the front end and the server that answers it. Nothing here changes a run but by calling its methods.
"""
