"""Gates: what stands between a worker and the work, and what is looked at in each answer.

What a gate is says `_base`. Each gate is a file beside it and a line in `table`. `state` is what one run knows of its
gates; `steps` and `verdicts` are the rules that all of them have in common.
"""
