"""HTTP as such: the connections and their bounds, what an answer looks like, and the pages and files that are read.

What knows no worker, agent or operator belongs here.
"""
