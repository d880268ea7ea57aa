"""What is owed and paid, over all runs: the ledger, and asking crowds for what they pay.

Whatever costs money passes through here. What a crowd is asked for is noted before it is asked, and nothing of which
nobody heard is asked for again by itself.
"""
