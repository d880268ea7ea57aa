"""What Mephisto 1.x has paid, as payments of today: it noted bonuses alone, and its crowds paid what it approved."""

from __future__ import annotations

from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.records import Payment, Unit
from mephisto_nb.model.states import UNIT_PAYABLE, PaymentKind, PaymentStatus, UnitStatus

#: Units whose workers 1.x has paid, and of what status a unit is that its crowd may have paid without it.
PAID = UNIT_PAYABLE - {UnitStatus.COMPLETED}
LEFT_OPEN = (
    "answered, and not decided on in 1.x: a crowd may have approved and paid them by itself (MTurk does after "
    "auto_approve_delay); look there before you approve them here, which pays them again"
)


def pays(review: JSONObject) -> bool:
    """Tell whether 1.x paid an answer with this decision."""
    return review["after"] in PAID and review["before"] not in PAID


def make_reward(unit: Unit, run_id: str, came_at: float, paid_at: float | None) -> Payment:
    """Make the payment of a unit's own pay; `paid_at` is None where 1.x does not say when it was approved."""
    about: dict[str, Any] = {"worker_id": str(unit.worker_id), "unit_id": unit.unit_id, "sent_at": paid_at}
    return _sent(
        f"{unit.unit_id}-reward",
        f"{run_id}:1.x:reward:{unit.unit_id}",
        kind=PaymentKind.REWARD,
        amount=unit.pay_amount,
        reason="your answer; paid by Mephisto 1.x",
        created_at=came_at if paid_at is None else paid_at,
        task_run_id=run_id,
        **about,
    )


def make_bonus(review: JSONObject, run_id: str, at: float, **about: Any) -> Payment:
    """Make the payment of a bonus, which 1.x notes when it has been sent."""
    return _sent(
        key=f"{run_id}:1.x:{review['review_id']}",
        kind=PaymentKind.BONUS,
        amount=float(review["bonus"]),
        reason="a bonus for your work; paid by Mephisto 1.x",
        created_at=at,
        sent_at=at,
        task_run_id=run_id,
        **about,
    )


def _sent(payment_id: str, key: str, **fields: Any) -> Payment:
    return Payment(payment_id=payment_id, key=key, status=PaymentStatus.SENT, **fields)
