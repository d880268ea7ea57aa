"""Money, times and counts in words, as the still displays and the text in a terminal have them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from mephisto_nb.errors import MephistoError
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money, digits_of
from mephisto_nb.model.money import count as count

#: What an absent number is shown as.
UNKNOWN = "\u2013"
#: A number and its unit; of a length of time, both of them.
_FIGURE = re.compile(r"\d (?:s|min|h|d|%)(?!\w)(?: \d+ (?:s|min|h)(?!\w))?")


def money(value: float | None, currency: str = DEFAULT_CURRENCY) -> str:
    """Write an amount that need not be exact, as what an hour of work earns, in whole cents.

    >>> money(1234.567), money(6, "GBP")
    ('$1,234.57', '£6.00')
    """
    return UNKNOWN if value is None else str(Money.nearest(round(value, digits_of(currency)), currency))


def price(value: float | None, currency: str) -> str:
    """Write a price, or a sum of prices: cents, and parts of them where there are such.

    >>> price(0.005, "USD")
    '$0.0050'
    """
    return UNKNOWN if value is None else str(Money.nearest(value, currency))


def duration(seconds: float | None) -> str:
    """Write a length of time as somebody would say it.

    >>> duration(4_380)
    '1 h 13 min'
    """
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return "under 1 s" if 0 < seconds < 1 else f"{round(seconds)} s"
    if seconds < 300:
        return _pair(seconds, 60, "min", 1, "s")
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    if seconds < 36 * 3600:
        return _pair(seconds, 3600, "h", 60, "min")
    return _pair(seconds, 86400, "d", 3600, "h")


def ago(seconds: float) -> str:
    """Say how long ago something was.

    >>> ago(20 * 60)
    '20 min ago'
    """
    return f"{duration(seconds)} ago"


def _pair(seconds: float, large: int, large_name: str, small: int, small_name: str) -> str:
    whole, rest = divmod(round(seconds / small) * small, large)
    first = f"{whole:,} {large_name}"
    return f"{first} {rest // small} {small_name}" if rest else first


def number(value: float | None) -> str:
    """Write a number, whole unless it is below ten."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}".removesuffix(".0") if abs(value) < 10 else f"{value:,.0f}"


def moment(epoch_seconds: float) -> str:
    """Write a moment, in UTC: a notebook is read elsewhere than where it ran."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def tied(text: str) -> str:
    r"""Keep figures together with their units, so that no line breaks between them.

    >>> tied("3 h 38 min, 20 % of 5 units").split(" ")
    ['3\xa0h\xa038\xa0min,', '20\xa0%', 'of', '5', 'units']
    """
    return _FIGURE.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def error_words(error: Exception) -> str:
    """Say what went wrong, to somebody who pressed a button."""
    return str(error) if isinstance(error, MephistoError) else f"{type(error).__name__}: {error}"


def plain(text: object) -> str:
    """Make control characters visible, and take away those that turn text around."""
    return "".join(map(_plain_mark, str(text)))


def _plain_mark(mark: str) -> str:
    if mark < " " and mark not in "\t\n":
        return chr(0x2400 + ord(mark))
    return (
        "\ufffd" if "\x7f" <= mark <= "\x9f" or "\u202a" <= mark <= "\u202e" or "\u2066" <= mark <= "\u2069" else mark
    )
