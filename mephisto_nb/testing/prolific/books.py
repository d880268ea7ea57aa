"""What the stand-in has, holds back and has paid: whole numbers of the smallest unit, and nothing forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True, slots=True)
class StandInPrice:
    """An amount that a participant gets, and what comes on top of it."""

    amount: int = 0
    fees: int = 0
    vat: int = 0

    @property
    def total(self) -> int:
        """What it takes from the balance."""
        return self.amount + self.fees + self.vat

    def __add__(self, other: StandInPrice) -> StandInPrice:
        return StandInPrice(self.amount + other.amount, self.fees + other.fees, self.vat + other.vat)

    def __mul__(self, times: int) -> StandInPrice:
        return StandInPrice(self.amount * times, self.fees * times, self.vat * times)


@dataclass(frozen=True, slots=True)
class StandInPayment:
    """One payment that was made. `kind` is ``reward``, ``partial``, ``screen_out`` or ``bonus``."""

    at: float
    kind: str
    study_id: str
    submission_id: str
    participant_id: str
    price: StandInPrice


@dataclass(slots=True)
class StandInAccount:
    """The money of one workspace; `locked` is a part of `total` that is kept for studies and for bonuses on the way."""

    currency: str
    total: int = 0
    locked_by: dict[str, int] = field(default_factory=dict)
    locked: int = 0

    @property
    def available(self) -> int:
        """What may be spent."""
        return self.total - self.locked

    def lock(self, what: str, amount: int) -> None:
        """Keep so much for a study or a bonus, instead of what was kept for it before."""
        self.locked += amount - self.locked_by.pop(what, 0)
        if amount:
            self.locked_by[what] = amount


class StandInBooks:
    """The accounts of all workspaces, and every payment.

    Parameters
    ----------
    fees_percentage, vat_percentage
        What is taken on top of each amount, and on top of those fees. Each payment is rounded by itself, halves up.

    Examples
    --------
    >>> books = StandInBooks(Decimal("33.3"), Decimal(20))
    >>> books.price(150), books.price(150).total
    (StandInPrice(amount=150, fees=50, vat=10), 210)
    """

    def __init__(self, fees_percentage: Decimal, vat_percentage: Decimal) -> None:
        self.fees_percentage, self.vat_percentage = fees_percentage, vat_percentage
        self.accounts: dict[str, StandInAccount] = {}
        self.payments: list[StandInPayment] = []
        self._by_submission: dict[str, list[StandInPayment]] = {}
        self._by_study: dict[str, list[StandInPayment]] = {}

    def price(self, amount: int) -> StandInPrice:
        """Return what it costs to pay somebody so much."""
        fees = _part(amount, self.fees_percentage)
        return StandInPrice(amount, fees, _part(fees, self.vat_percentage))

    def split(self, total: int) -> StandInPrice:
        """Return how much of a balance could be paid to people, and what of it would be fees and tax."""
        rate = self.fees_percentage / 100
        amount = int(Decimal(total) / (1 + rate + rate * self.vat_percentage / 100))
        fees = min(_part(amount, self.fees_percentage), total - amount)
        return StandInPrice(amount, fees, total - amount - fees)

    def pay(self, account: StandInAccount, payment: StandInPayment) -> None:
        """Take a payment from an account."""
        account.total -= payment.price.total
        self.payments.append(payment)
        self._by_submission.setdefault(payment.submission_id, []).append(payment)
        self._by_study.setdefault(payment.study_id, []).append(payment)

    def of_submission(self, submission_id: str) -> tuple[StandInPayment, ...]:
        """Return all that was paid for a submission."""
        return tuple(self._by_submission.get(submission_id, ()))

    def of_study(self, study_id: str) -> tuple[StandInPayment, ...]:
        """Return all that was paid in a study."""
        return tuple(self._by_study.get(study_id, ()))

    def paid(self, *kinds: str, study_id: str | None = None, participant_id: str | None = None) -> StandInPrice:
        """Return the sum of payments: of these kinds (none: of all), in a study, to a participant."""
        found = self.payments if study_id is None else self.of_study(study_id)
        return sum_of(
            one.price
            for one in found
            if (not kinds or one.kind in kinds) and participant_id in (None, one.participant_id)
        )

    def problems(self) -> list[str]:
        """Return what does not add up; nothing ever should."""
        return [
            f"workspace {name}: {account.available} available of {account.total}, {account.locked} locked"
            for name, account in self.accounts.items()
            if account.locked != sum(account.locked_by.values()) or min(account.locked_by.values(), default=0) < 0
        ]


def sum_of(prices: Iterator[StandInPrice]) -> StandInPrice:
    """Return the sum of prices."""
    return sum(prices, StandInPrice())


def _part(amount: int, percentage: Decimal) -> int:
    return int((amount * percentage / 100).quantize(Decimal(1), ROUND_HALF_UP))
