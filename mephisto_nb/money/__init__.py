"""What is owed, paid, may be spent and will be: the ledger, asking crowds to pay, budgets, forecasts, reconciliation.

Whatever costs money passes through here. What a crowd is asked for is noted before it is asked, and nothing of which
nobody heard is asked for again by itself; what may be spent is decided by `rules.budget` before anything is posted.
Amounts are `Money`; only simulated counts, times and rates are floats. What one answer is paid is decided elsewhere
(`rules`, `review`).
"""
