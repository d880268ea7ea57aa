"""Money, and numbers of things, in words.

Stands alone because every amount on a page, in a frame or in a message is written the same.
"""

from __future__ import annotations

import math


def dollars(amount: float) -> str:
    """Write an amount of US dollars: cents, and parts of them where a price has such.

    >>> dollars(1234.5), dollars(0.005)
    ('$1,234.50', '$0.0050')
    """
    cents = f"{amount:,.2f}"
    return f"${cents}" if math.isclose(float(cents.replace(",", "")), amount, abs_tol=1e-9) else f"${amount:,.4f}"


def count(value: int, one: str, many: str = "") -> str:
    """Say how many.

    >>> count(1, "unit"), count(3, "person", "people")
    ('1 unit', '3 people')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"
