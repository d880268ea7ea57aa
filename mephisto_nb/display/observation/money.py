"""What a run costs so far, what it will cost, and what an hour of its work earns. US dollars throughout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.registry import get_crowd_provider_from_type
from mephisto_nb.display.dashboard.statistics import RunningMedian
from mephisto_nb.errors import UnknownTypeError
from mephisto_nb.model.states import UNIT_PAYABLE, UnitStatus

#: How many units of a status are paid how much.
Pay = Mapping[tuple[UnitStatus, float], int]

_COMMITTED = (UnitStatus.ASSIGNED,)
_TO_COME = (UnitStatus.CREATED, UnitStatus.LAUNCHED)


def describe_money(
    pay: Pay, reward: float, fee_rate: float, hourly: RunningMedian, minimum: float, extra: float = 0.0
) -> JSONObject:
    """Say what the run costs so far, what is committed and what is still to come, each with the crowd's fees.

    Spent is what the run costs so far, whether it was paid out already or is owed, or will be once it is approved: what
    units earn that were answered and not rejected, and what workers get beside that. Committed is what those will that
    somebody is working on, to come what those will that nobody has yet: the total is what the run costs if all units
    are answered and none is rejected. Units that a generator has not given yet are in none of these.

    `units` and `beside` are what is spent without fees: the pay of units, and bonuses and the like.

    Parameters
    ----------
    pay
        How many units of a status are paid how much.
    reward
        What a unit earns that is made now.
    fee_rate
        What the crowd takes on top, as a share of the pay.
    hourly
        What the answers earned their workers by the hour; `per_hour` is the median, `below` of `timed` answers are
        under the minimum.
    minimum
        What it should be; 0: anything. Unpaid work (no reward) is below no minimum.
    extra
        What workers are owed, or were sent, beside their units' pay: bonuses, and the like.
    """
    per_hour, units = hourly.value, _sum(pay, UNIT_PAYABLE)
    paid = {
        "spent": round(units + extra, 6),
        "committed": _sum(pay, _COMMITTED),
        "to_come": _sum(pay, _TO_COME),
    }
    fees = {name: round(amount * fee_rate, 6) for name, amount in paid.items()}
    with_fees = {name: round(amount + fees[name], 6) for name, amount in paid.items()}
    return {
        "currency": "USD",
        "reward": reward,
        "fee_rate": fee_rate,
        **with_fees,
        "total": round(math.fsum(with_fees.values()), 6),
        "fees": fees,
        "units": units,
        "beside": round(extra, 6),
        "per_hour": per_hour,
        "minimum_per_hour": minimum,
        "timed": len(hourly),
        "below": hourly.count_below(minimum) if reward else 0,
        "below_minimum": bool(reward and minimum and per_hour is not None and 0 < per_hour < minimum),
    }


def describe_unpaid(counts: Mapping[UnitStatus, int]) -> str:
    """Say which units cost nothing, and that soft-rejected ones do; nothing where there are none of these."""
    free = [
        f"{counts[status]:,} {status.value}" for status in (UnitStatus.REJECTED, UnitStatus.EXPIRED) if counts[status]
    ]
    several = sum(counts[status] for status in (UnitStatus.REJECTED, UnitStatus.EXPIRED)) > 1
    words = [f"{' and '.join(free)} unit{'s cost' if several else ' costs'} nothing"] if free else []
    if counts[UnitStatus.SOFT_REJECTED]:
        words.append("soft-rejected ones are paid" if free else "soft-rejected units are paid")
    return "; ".join(words)


def fee_rate_of(provider_type: str) -> float:
    """Give what a crowd takes on top of the pay, as a share of it."""
    try:
        return get_crowd_provider_from_type(provider_type).FEE_RATE
    except UnknownTypeError:
        return 0.0  # of a run long past, whose crowd is known no longer


def _sum(pay: Pay, statuses: Iterable[UnitStatus]) -> float:
    wanted = frozenset(statuses)
    return round(math.fsum(amount * count for (status, amount), count in pay.items() if status in wanted), 6)
