"""HTTP as such: the connections and their bounds, what an answer looks like, and the pages and files that are read.

Whatever bounds a connection, shapes an answer, or serves a page or a file belongs here.
"""
