"""What a step of a run does to people."""

from __future__ import annotations

from mephisto_nb.model.changes import AddPayment, SetBlocked, SetGrant
from mephisto_nb.model.money import Money
from mephisto_nb.model.states import PaymentKind, PaymentStatus
from mephisto_nb.rules.people import block, grant, pay, revoke
from tests.rules.rehearsal import Rehearsal


def test_what_is_owed_has_a_key_of_its_run_and_a_row_in_the_log() -> None:
    run = Rehearsal(1)
    ann = run.take("ann")
    step = run.step()
    pay(
        step,
        ann.worker_id,
        PaymentKind.WAITING,
        Money.of(0.5),
        "You waited 5 minutes.",
        key="waited",
        unit_id=ann.unit_id,
    )
    (change,) = step.changes.changes
    assert isinstance(change, AddPayment)
    assert change.payment.key == f"{run.state.task_run_id}:waited"
    assert (change.payment.status, change.payment.created_at) == (PaymentStatus.OWED, step.now)
    (event,) = step.changes.events
    assert (event.subject, event.subject_id) == ("worker", ann.worker_id)
    assert event.why == "is owed $0.50: You waited 5 minutes."


def test_grants_and_blocks_are_changes_with_rows_in_the_log() -> None:
    run = Rehearsal(1)
    ann, run.now = run.take("ann").worker_id, 7.0
    step = run.step()
    grant(step, ann, "careful", 3, "passed the test")
    revoke(step, ann, "quick", "failed the test")
    block(step, ann, "failed too often")
    granted = SetGrant(ann, "careful", 3, at=7.0)  # by the run's clock, whatever the machine's says when it is stored
    assert step.changes.changes == [granted, SetGrant(ann, "quick", None), SetBlocked(ann, True)]
    rows = [(event.before, event.after, event.why) for event in step.changes.events]
    assert rows == [
        (None, "granted", "passed the test"),
        ("granted", None, "failed the test"),
        (None, "blocked", "failed too often"),
    ]
