"""What a step of a run may do to people: pay them, grant and revoke qualifications, block them.

Whoever arrives after the step is committed is held against it, in every run. Each leaves a row in the event log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mephisto_nb.model.changes import AddPayment, ChangePayment, SetBlocked, SetGrant
from mephisto_nb.model.money import dollars
from mephisto_nb.model.records import Payment
from mephisto_nb.model.states import PaymentKind, PaymentStatus

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def pay(
    step: Step,
    worker_id: str,
    kind: PaymentKind,
    amount: float,
    reason: str,
    *,
    key: str,
    unit_id: str | None = None,
    who: str = "operator",
) -> Payment:
    """Owe a worker money, in US dollars; once for each `key`, whoever asks again.

    The key is known in this run alone. Of a key that was known before, the earlier payment stands, not the one that
    is given back.
    """
    key = f"{step.state.task_run_id}:{key}"
    if kind is not PaymentKind.REWARD:  # a unit's own pay is counted by unit
        step.state.payments.setdefault(key, amount)
    payment = Payment(
        payment_id=step.new_id(),
        key=key,
        worker_id=worker_id,
        kind=kind,
        amount=amount,
        reason=reason,
        created_at=step.now,
        task_run_id=step.state.task_run_id,
        unit_id=unit_id,
    )
    step.note(AddPayment(payment))
    detail = {"amount": amount, "kind": kind.value, "key": key, "unit_id": unit_id}
    step.log("worker", worker_id, None, None, f"is owed {dollars(amount)}: {reason}", who, detail)
    return payment


def cancel(step: Step, payment_id: str, key: str) -> None:
    """Owe a payment no longer, whose key stays known."""
    step.note(ChangePayment(payment_id, PaymentStatus.OWED, PaymentStatus.CANCELLED))
    known = f"{step.state.task_run_id}:{key}"
    if known in step.state.payments:
        step.state.payments[known] = 0.0


def is_paid(step: Step, key: str) -> bool:
    """Tell whether a worker is owed something under this key, or was."""
    return f"{step.state.task_run_id}:{key}" in step.state.payments


def grant(step: Step, worker_id: str, qualification_name: str, value: int, why: str, who: str = "operator") -> None:
    """Grant a worker a qualification, or change its value; the qualification is made if it is new."""
    step.note(SetGrant(worker_id, qualification_name, value))
    detail = {"qualification": qualification_name, "value": value}
    step.log("worker", worker_id, None, "granted", why, who, detail)


def revoke(step: Step, worker_id: str, qualification_name: str, why: str, who: str = "operator") -> None:
    """Take a grant back, if there is one."""
    step.note(SetGrant(worker_id, qualification_name, None))
    step.log("worker", worker_id, "granted", None, why, who, {"qualification": qualification_name})


def block(step: Step, worker_id: str, why: str, who: str = "operator") -> None:
    """Offer a worker nothing any more, in any run."""
    step.note(SetBlocked(worker_id, True))
    step.log("worker", worker_id, None, "blocked", why, who)


def unblock(step: Step, worker_id: str, why: str, who: str = "operator") -> None:
    """Offer a worker work again."""
    step.note(SetBlocked(worker_id, False))
    step.log("worker", worker_id, "blocked", None, why, who)
