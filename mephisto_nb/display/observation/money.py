"""What a run has cost, will cost, and what its workers earn by the hour. US dollars throughout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from mephisto_nb._typing import JSONObject
from mephisto_nb.data_model.states import UNIT_PAYABLE, UnitStatus

#: How many units of a status are paid how much.
Pay = Mapping[tuple[UnitStatus, float], int]

_COMMITTED = (UnitStatus.ASSIGNED,)
_TO_COME = (UnitStatus.CREATED, UnitStatus.LAUNCHED)


def describe_money(
    pay: Pay, reward: float, fee_rate: float, per_hour: float | None, minimum: float, extra: float = 0.0
) -> JSONObject:
    """Say what is spent, committed and still to come, each with the crowd's fees.

    Spent is what units earn that were answered and not rejected, and what workers get beside that. Committed is what
    those will that somebody is working on, to come what those will that nobody has yet. Units that a generator has not
    given yet are in none of these.

    Parameters
    ----------
    pay
        How many units of a status are paid how much.
    reward
        What a unit earns that is made now.
    fee_rate
        What the crowd takes on top, as a share of the pay.
    per_hour
        What half of all answers earned their workers by the hour, at least; None where there are none yet.
    minimum
        What it should be; 0: anything. Unpaid work (no reward) is below no minimum.
    extra
        What workers are owed, or were sent, beside their units' pay: bonuses, and the like.
    """
    paid = {
        "spent": round(_sum(pay, UNIT_PAYABLE) + extra, 6),
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
        "per_hour": per_hour,
        "minimum_per_hour": minimum,
        "below_minimum": bool(reward and minimum and per_hour is not None and 0 < per_hour < minimum),
    }


def _sum(pay: Pay, statuses: Iterable[UnitStatus]) -> float:
    wanted = frozenset(statuses)
    return round(math.fsum(amount * count for (status, amount), count in pay.items() if status in wanted), 6)
