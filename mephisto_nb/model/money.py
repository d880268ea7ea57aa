"""Money: exact amounts with their currency, as they are read, added up and written; and numbers of things, in words.

An amount is a whole number of thousandths of its currency's smallest unit: of a cent, of a penny, of a yen. Prices of
single answers are below a cent at times; no sum of any of them is ever rounded. Floats are for pages and frames alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import total_ordering
from numbers import Real

from mephisto_nb.errors import ConfigError

#: The currency of what does not name one, as of all that was stored before amounts had any.
DEFAULT_CURRENCY = "USD"
#: How many digits of these are behind the point (ISO 4217); of all others, two.
_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_SYMBOLS = {"USD": "$", "GBP": "£", "EUR": "€"}
_CODES = {symbol: code for code, symbol in _SYMBOLS.items()}
_CODE = re.compile(r"[A-Z]{3}")
_NAMED = r"\s*([A-Za-z]{3}|[$£€])?\s*"
_WRITTEN = re.compile(rf"{_NAMED}([-+]?[0-9][0-9_,]*(?:\.[0-9]*)?|[-+]?\.[0-9]+){_NAMED}")
_GROUPED = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
#: No amount is larger, in the currency's own unit: what is was never meant, and no database could hold the sums.
LARGEST_AMOUNT = 1_000_000_000
_PARTS = 1000
#: How far from a whole thousandth a float may be that was computed.
_FLOAT_ERROR = Decimal("0.0001")


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of one currency.

    Parameters
    ----------
    thousandths
        How many thousandths of the currency's smallest unit it is.
    currency
        Its ISO 4217 code.

    Examples
    --------
    >>> Money.of("0.15") + Money.of(1)
    Money('1.15', 'USD')
    >>> str(Money.of("0.005") * 3), str(Money.of("7.5", "GBP"))
    ('$0.0150', '£7.50')
    """

    thousandths: int
    currency: str = DEFAULT_CURRENCY

    @classmethod
    def of(cls, value: object, currency: str = DEFAULT_CURRENCY, name: str = "the amount") -> Money:
        """Read an amount as people write it: a number in the currency's own unit, as 0.15 for 15 cents; or `Money`.

        Text may name the currency (``30 GBP``, ``GBP 30``, ``£30``), and have commas between thousands. A float is
        taken for what it is written as, or was computed from: ``0.1 * 3`` is 0.3. `name` says in an error what it is
        the amount of.

        Raises
        ------
        ConfigError
            It is no number; it is not finite, or too large; it has more digits than can be paid out exactly; or it
            is of another currency.
        """
        if isinstance(value, Money):
            if value.currency != currency:
                raise ConfigError(
                    f"{name} is in {value.currency}, but here {currency} is paid. Give an amount of that."
                )
            return value
        own, value = split_amount(value, name) if isinstance(value, str) else ("", value)
        if own and own != currency:
            raise ConfigError(f"{name} is in {own}, but here {currency} is paid. Give an amount of that.")
        number = _read(value)
        if number is None or not number.is_finite():
            raise ConfigError(f"{name} cannot be {value!r}. Give a number of {currency}, such as 0.15.")
        if abs(number) > LARGEST_AMOUNT:
            raise ConfigError(f"{name} cannot be {value!r}: no amount is above {LARGEST_AMOUNT:,} {currency}.")
        places = digits_of(currency) + 3
        parts = number.scaleb(places)
        whole = parts.to_integral_value(ROUND_HALF_UP)
        if abs(parts - whole) > (_FLOAT_ERROR if isinstance(value, float) else 0):
            raise ConfigError(
                f"{name} cannot be {value!r}: amounts of {currency} have at most {places} decimal places. Round it."
            )
        return cls(int(whole), currency)

    @classmethod
    def of_units(cls, units: int, currency: str = DEFAULT_CURRENCY) -> Money:
        """Return so many of the currency's smallest units, as crowds count: cents, pence."""
        return cls(units * _PARTS, currency)

    @classmethod
    def nearest(cls, value: float, currency: str = DEFAULT_CURRENCY) -> Money:
        """Return the amount that is nearest to a number in the currency's own unit: of old records and of estimates.

        What people write is read by `of`, which refuses what it would have to round.
        """
        return cls(round(value * 10 ** (digits_of(currency) + 3)), currency)

    @property
    def units(self) -> int:
        """How many of the currency's smallest units it is; raises `ValueError` if it is not a whole number of them."""
        units, rest = divmod(self.thousandths, _PARTS)
        if rest:
            raise ValueError(f"{self} is not a whole number of the smallest unit of {self.currency}")
        return units

    @property
    def is_whole(self) -> bool:
        """Whether it can be paid out as it is: it is a whole number of the currency's smallest unit."""
        return self.thousandths % _PARTS == 0

    @property
    def decimal(self) -> Decimal:
        """The amount in the currency's own unit, exactly."""
        return Decimal(self.thousandths).scaleb(-digits_of(self.currency) - 3)

    def rounded_up(self) -> Money:
        """Return the least amount that can be paid out, and is no less."""
        return Money(-(-self.thousandths // _PARTS) * _PARTS, self.currency)

    def share(self, rate: Decimal | int | str) -> Money:
        """Return such a part of it, rounded to a thousandth of the smallest unit, as 0.2 is for 20 %."""
        part = (self.thousandths * Decimal(rate)).to_integral_value(ROUND_HALF_UP)
        return Money(int(part), self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.thousandths + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.thousandths - self._same(other), self.currency)

    def __mul__(self, times: int) -> Money:
        if not isinstance(times, int):
            return NotImplemented  # a part of it would have to be rounded: see `share`
        return Money(self.thousandths * times, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return Money(-self.thousandths, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.thousandths < self._same(other)

    def __bool__(self) -> bool:
        return self.thousandths != 0

    def __float__(self) -> float:
        """Return the amount in the currency's own unit, to be shown or put in a frame."""
        parts: int = 10 ** (digits_of(self.currency) + 3)
        return self.thousandths / parts  # as near as a float can be

    def __hash__(self) -> int:
        return hash(self.thousandths)  # quicker than that of both fields: units are counted by it

    def __str__(self) -> str:
        """Write the amount: whole smallest units, and parts of them where a price has such."""
        digits = digits_of(self.currency) + (0 if self.is_whole else 2)
        exact = abs(self.decimal)
        if round(exact, digits) != exact:
            digits = digits_of(self.currency) + 3
        sign, symbol = "-" if self.thousandths < 0 else "", _SYMBOLS.get(self.currency)
        written = f"{exact:,.{digits}f}"
        return f"{sign}{symbol}{written}" if symbol else f"{sign}{written} {self.currency}"

    def __repr__(self) -> str:
        return f"Money('{self.decimal.normalize():f}', '{self.currency}')"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} are of two currencies, and cannot be set against each other")
        return other.thousandths


def split_amount(text: str, name: str = "the amount") -> tuple[str, str]:
    """Return the code of the currency that a text names, or '', and what else is in it, without commas.

    Raises
    ------
    ConfigError
        It has a comma where none can be; `name` says what it is the amount of.

    Examples
    --------
    >>> split_amount("30 GBP"), split_amount("£1,000.50"), split_amount("0.15")
    (('GBP', '30'), ('GBP', '1000.50'), ('', '0.15'))
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return "", text
    before, number, after = found.groups(default="")
    codes = {_CODES.get(one, one.upper()) for one in (before, after) if one}
    if "," in number:
        if not _GROUPED.fullmatch(number):
            raise ConfigError(
                f"{name} is {text!r}. Write decimals with a point, and commas between thousands: 1,000.50."
            )
        number = number.replace(",", "")
    return (codes.pop(), number) if len(codes) == 1 else ("", text if codes else number)


def _read(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal | str):
        return None
    try:
        return Decimal(value) if isinstance(value, int | Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        return None


def digits_of(currency: str) -> int:
    """Return how many digits the smallest unit of a currency is behind the point: 2 for cents."""
    return _DIGITS.get(currency, 2)


def check_currency(code: object, name: str) -> str:
    """Return a currency's code; raise `ConfigError` for what is none, where `name` says what it was given as."""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise ConfigError(f"{name} is {code!r}. Give a currency's code of three capital letters, such as USD or GBP.")
    return code


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Return the sum of amounts of one currency; raise `ValueError` for one of another."""
    return sum(amounts, Money(0, currency))


def totals(amounts: Iterable[Money]) -> dict[str, Money]:
    """Return sums by currency, in the order of the codes; of nothing, nothing."""
    found: dict[str, Money] = {}
    for amount in amounts:
        found[amount.currency] = found.get(amount.currency, Money(0, amount.currency)) + amount
    return dict(sorted(found.items()))


def apportion(amount: Money, weights: Sequence[Money]) -> list[Money]:
    """Split an amount in proportion to others, so that the parts add up to it, by the largest remainders.

    >>> [str(part) for part in apportion(Money.of("1.00"), [Money.of(1), Money.of(1), Money.of(1)])]
    ['$0.33334', '$0.33333', '$0.33333']
    """
    whole = sum(one.thousandths for one in weights)
    if not weights or not whole:
        return [Money(0, amount.currency) if place else amount for place in range(len(weights))]
    exact = [divmod(amount.thousandths * one.thousandths, whole) for one in weights]
    left = amount.thousandths - sum(part for part, _ in exact)
    order = sorted(range(len(exact)), key=lambda place: -exact[place][1])
    more = set(order[:left])
    return [Money(part + (place in more), amount.currency) for place, (part, _) in enumerate(exact)]


@dataclass(frozen=True, slots=True)
class Sums:
    """Amounts added up, each currency for itself, in the order of the codes; nothing is zero there.

    Examples
    --------
    >>> sums = Sums.of([Money.of("0.5"), Money.of(2, "GBP"), Money.of(1)])
    >>> str(sums), sums.amounts
    ('£2.00 and $1.50', (Money('2', 'GBP'), Money('1.5', 'USD')))
    """

    amounts: tuple[Money, ...] = ()

    @classmethod
    def of(cls, amounts: Iterable[Money]) -> Sums:
        """Add amounts up; of one that is nothing, nothing is kept, not even its currency."""
        return cls(tuple(amount for amount in totals(amounts).values() if amount))

    def share(self, rate: Decimal | int | str) -> Sums:
        """Return such a part of each sum, as `Money.share` does."""
        return Sums.of(amount.share(rate) for amount in self.amounts)

    def __add__(self, other: Sums) -> Sums:
        return Sums.of((*self.amounts, *other.amounts))

    def __bool__(self) -> bool:
        return bool(self.amounts)

    def __repr__(self) -> str:
        return f"<Sums: {self}>"

    def __str__(self) -> str:
        """Write each sum; of nothing, "nothing"."""
        *others, last = map(str, self.amounts or ("nothing",))
        return f"{', '.join(others)} and {last}" if others else last


def count(value: int, one: str, many: str = "") -> str:
    """Say how many.

    >>> count(1, "unit"), count(3, "person", "people")
    ('1 unit', '3 people')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"
