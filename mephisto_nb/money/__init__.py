"""What is spent, may be spent and will be: the budget and the forecast; what they decide by is in `rules.budget`.

All that asks a database what is owed and paid belongs here. What one answer is paid is decided elsewhere (`rules`,
`review`). Amounts are `Money`; only simulated counts, times and rates are floats.
"""
