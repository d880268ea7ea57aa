"""Reviewing: decisions on answers, what they cost, and what helps to make them."""
