"""Prolific: how it is asked, what it answers, and what it signs.

`api` is the way in; `transport` sends requests and decides what may be sent again, `objects` are the answers, and
`signing` verifies hooks and addresses.
"""
