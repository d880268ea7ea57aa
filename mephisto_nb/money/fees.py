"""What a crowd takes on top of what people are paid, and the taxes on that.

Stands alone because it is the one place that asks a provider for it: budgets, dashboards, previews and forecasts go by
what is said here. Where a crowd sets its fees itself, and differs from account to account, a provider will be able to
say more.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mephisto_nb.config.registry import get_crowd_provider_from_type
from mephisto_nb.errors import ConfigError, UnknownTypeError
from mephisto_nb.model.money import Money
from mephisto_nb.ports.crowd_provider import CrowdProvider


@dataclass(frozen=True, slots=True)
class FeeRate:
    """A crowd's fees, as a share of what people are paid, and taxes on them as a share of the fees.

    Each lies between `low` and `high`; `source` says who says so.
    """

    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    tax_low: Decimal = Decimal(0)
    tax_high: Decimal = Decimal(0)
    source: str = "the provider"

    @property
    def point(self) -> Decimal:
        """The rate that is taken for the likeliest: the middle."""
        return (self.low + self.high) / 2

    @property
    def tax_point(self) -> Decimal:
        """The tax that is taken for the likeliest: the middle."""
        return (self.tax_low + self.tax_high) / 2

    @property
    def most(self) -> Decimal:
        """What comes on top of an amount at most, fees and taxes together, as a share of it."""
        return self.high * (1 + self.tax_high)


def fee_rate_of(provider: CrowdProvider[Any] | type[CrowdProvider[Any]]) -> FeeRate:
    """Return what a crowd takes: its `FEE_RATE`, without taxes on it."""
    rate = provider.FEE_RATE
    return FeeRate(rate, rate, source=f"the provider {provider.PROVIDER_TYPE!r}")


def crowd_fees(provider_type: str) -> FeeRate:
    """Return what the crowd of this name takes; of one that is no longer registered nobody knows, and it is nothing."""
    try:
        return fee_rate_of(get_crowd_provider_from_type(provider_type))
    except UnknownTypeError:
        return FeeRate(source="nobody")


def with_fees(amount: Money, fees: FeeRate) -> Money:
    """Return an amount with the crowd's fees and taxes on it, at most."""
    return amount + amount.share(fees.most)


def read_rate(given: object, name: str) -> tuple[Decimal, Decimal]:
    """Return a rate that somebody gives, or the two that it lies between.

    Raises
    ------
    ConfigError
        It is no share from 0 to 2; `name` says what it was given as.

    Examples
    --------
    >>> read_rate((0.25, 0.4), "fee_rate")
    (Decimal('0.25'), Decimal('0.4'))
    """
    parts = list(given) if isinstance(given, tuple | list) else [given, given]
    try:
        low, high = (Decimal(str(part)) for part in parts)
    except (ArithmeticError, ValueError) as error:
        raise ConfigError(
            f"{name} cannot be {given!r}. Give a share such as 0.3, or two that it lies between."
        ) from error
    if not 0 <= low <= high <= 2:
        raise ConfigError(
            f"{name} cannot be {given!r}. Give a share from 0 to 2, such as 0.3 for 30 %; the lower first."
        )
    return low, high
