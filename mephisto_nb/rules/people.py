"""Rules about people: what a step of a run may do to them, what acts on them change, and who would qualify.

Whoever arrives after a step is committed is held against it, in every run. Each change leaves a row in the event log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConflictError
from mephisto_nb.model.changes import AddPayment, ChangePayment, SetBlocked, SetGrant
from mephisto_nb.model.money import Money
from mephisto_nb.model.people import (
    OF_BLOCKS,
    OF_GRANTS,
    UNMADE,
    Act,
    ActKind,
    ActOutcome,
    Met,
    WorkerChange,
    WorkerKey,
)
from mephisto_nb.model.qualifications import Comparator, Requirement
from mephisto_nb.model.records import Event, KnownPayment, Payment, Qualification, WorkerFacts
from mephisto_nb.model.states import PaymentKind, PaymentStatus

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def pay(
    step: Step,
    worker_id: str,
    kind: PaymentKind,
    amount: Money,
    reason: str,
    *,
    key: str,
    unit_id: str | None = None,
    visit_id: str | None = None,
    who: str = "operator",
) -> Payment:
    """Owe a worker money; once for each `key`, whoever asks again.

    The key is known in this run alone. Of a key that was known before, the earlier payment stands, not the one that
    is given back.
    """
    key = f"{step.state.task_run_id}:{key}"
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
        visit_id=visit_id,
    )
    step.state.payments.setdefault(key, known_of(payment))
    step.note(AddPayment(payment))
    detail = {"amount": float(amount), "currency": amount.currency, "kind": kind.value, "key": key, "unit_id": unit_id}
    if visit_id is not None:
        detail["visit_id"] = visit_id
    step.log("worker", worker_id, None, None, f"is owed {amount}: {reason}", who, detail)
    return payment


def known_of(payment: Payment) -> KnownPayment:
    """Return what is to be known of a payment to add it up."""
    about = (payment.status, payment.fees, payment.unit_id, payment.visit_id, payment.asked_at)
    return KnownPayment(payment.payment_id, payment.kind, payment.amount, *about)


def cancel(step: Step, payment_id: str, key: str) -> None:
    """Owe a payment no longer, whose key stays known."""
    step.note(ChangePayment(payment_id, PaymentStatus.OWED, PaymentStatus.CANCELLED))
    known = f"{step.state.task_run_id}:{key}"
    if known in step.state.payments:
        step.state.payments[known] = replace(step.state.payments[known], status=PaymentStatus.CANCELLED)


def is_paid(step: Step, key: str) -> bool:
    """Return whether a worker is owed something under this key, or was."""
    return f"{step.state.task_run_id}:{key}" in step.state.payments


def grant(step: Step, worker_id: str, qualification_name: str, value: int, why: str, who: str = "operator") -> None:
    """Grant a worker a qualification, or change its value; the qualification is made if it is new."""
    step.note(SetGrant(worker_id, qualification_name, value, at=step.now))
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


#: How many of the workers that stand in the way are named.
_NAMED = 3
_OPPOSITE = {ActKind.GRANT: ActKind.REVOKE, ActKind.REVOKE: ActKind.GRANT}
_OPPOSITE |= {ActKind.BLOCK: ActKind.UNBLOCK, ActKind.UNBLOCK: ActKind.BLOCK}
_OPPOSITE |= {ActKind.CREATE: ActKind.DELETE, ActKind.DELETE: ActKind.CREATE}


def weigh(act: Act, met: Met, at: float, new_id: Callable[[], str]) -> ActOutcome:
    """Say what an act changes of what it meets.

    Raises
    ------
    ConflictError
        It undoes another one, and somebody has changed the same things since.
    """
    if act.undoes is not None:
        _check_untouched(act.undoes, met)
    now = _qualification_after(act, met.qualification, new_id)
    outcome = ActOutcome(act, new_id(), at, was=met.qualification, now=now)
    wanted = zip(act.workers, act.values, strict=True)
    if act.kind is ActKind.DELETE:
        wanted = ((worker, None) for worker in met.values)  # type: ignore[assignment]
    changes, unchanged = [], 0
    for worker, after in wanted:
        before = met.values.get(worker, 0 if act.kind in OF_BLOCKS else None)
        if before == after and act.kind not in (ActKind.NOTE, ActKind.WITHDRAW):
            unchanged += 1
            continue
        is_new = worker not in met.worker_ids
        worker_id = new_id() if is_new else met.worker_ids[worker]
        changes.append(WorkerChange(worker, worker_id, before, after, is_new))
    return replace(outcome, changes=tuple(changes), unchanged=unchanged)


def _qualification_after(act: Act, was: Qualification | None, new_id: Callable[[], str]) -> Qualification | None:
    if act.kind is ActKind.DELETE:
        return None
    if act.kind is ActKind.DESCRIBE and was is not None:
        return replace(was, description=act.text)
    makes = act.kind is ActKind.CREATE or (act.kind is ActKind.GRANT and act.workers)
    if was is not None or not makes:
        return was
    if act.undoes is not None and act.undoes.was is not None:
        return act.undoes.was  # under its old id
    return Qualification(new_id(), act.qualification_name, act.text if act.kind is ActKind.CREATE else "")


_NOUN = {
    ActKind.CREATE: "making of it",
    ActKind.DESCRIBE: "new description",
    ActKind.DELETE: "deletion",
    ActKind.REVOKE: "revocation",
    ActKind.UNBLOCK: "unblocking",
}


def undo_of(outcome: ActOutcome, who: str | None = None) -> Act:
    """Return the act that takes another one back, in the name of `who` (None: of whoever did that one).

    Workers and qualifications that a grant made stay.
    """
    act, changes = outcome.act, outcome.changes
    kind = _OPPOSITE.get(act.kind, act.kind)
    undo = Act(
        kind=kind,
        qualification_name=act.qualification_name,
        workers=tuple(change.worker for change in changes),
        values=tuple(change.before for change in changes),
        why=f"undid the {_NOUN.get(act.kind, act.kind)}",
        who=act.who if who is None else who,
        undoes=outcome,
    )
    if act.kind is ActKind.NOTE:
        return replace(undo, kind=ActKind.WITHDRAW)
    if act.kind in (ActKind.DELETE, ActKind.DESCRIBE) and outcome.was is not None:
        return replace(undo, text=outcome.was.description)
    return undo


def _check_untouched(undone: ActOutcome, met: Met) -> None:
    what = f"The last act ({undone.act.kind}) cannot be undone"
    if undone.act.kind in OF_GRANTS | {ActKind.DESCRIBE} and met.qualification != undone.now:
        raise ConflictError(f"{what}: {undone.act.qualification_name!r} was changed, made or deleted since.")
    if undone.act.kind is ActKind.CREATE:
        left = {change.worker for change in undone.changes}
        others = [worker for worker in met.values if worker not in left]
        if others:
            raise ConflictError(f"{what}: {_named(others)} hold {undone.act.qualification_name!r} by now.")
    if undone.act.kind in OF_GRANTS | OF_BLOCKS:
        default = 0 if undone.act.kind in OF_BLOCKS else None
        touched = [one.worker for one in undone.changes if met.values.get(one.worker, default) != one.after]
        if touched:
            raise ConflictError(f"{what}: somebody has changed the same of {_named(touched)} since. See the history.")


def _named(workers: list[WorkerKey]) -> str:
    names = ", ".join(repr(worker.worker_name) for worker in islice(workers, _NAMED))
    return names if len(workers) <= _NAMED else f"{names} and {len(workers) - _NAMED:,} more"


def events_of(outcome: ActOutcome) -> list[Event]:
    """Return the rows that the event log gets of an act: one a worker, and one where the qualification changes."""
    act, events = outcome.act, []
    unmade = {change.worker_id for change in act.undoes.changes if change.is_new} if act.undoes else set()
    if outcome.was != outcome.now:
        events.append(_event_of_qualification(outcome))
    for change in outcome.changes:
        before, after = _STATES[act.kind](change)
        detail: JSONObject = {"act": outcome.act_id}
        if act.kind in OF_GRANTS:
            detail |= {"qualification": act.qualification_name, "value": change.after, "was": change.before}
        elif act.kind is ActKind.NOTE:
            detail["text"] = act.text
        elif act.kind is ActKind.WITHDRAW and act.undoes is not None:
            detail["withdraws"] = act.undoes.act_id
        if change.worker_id in unmade:
            detail[UNMADE] = True
        events.append(Event(outcome.at, "worker", change.worker_id, before, after, act.why, act.who, detail))
    return events


def _event_of_qualification(outcome: ActOutcome) -> Event:
    act, known = outcome.act, outcome.now or outcome.was
    after = "deleted" if outcome.now is None else "created" if outcome.was is None else "described"
    detail: JSONObject = {"act": outcome.act_id, "qualification": act.qualification_name}
    detail |= {"description": outcome.now.description if outcome.now else None}
    detail |= {"was": outcome.was.description if outcome.was else None}
    identity = known.qualification_id if known else ""
    return Event(outcome.at, "qualification", identity, None, after, act.why, act.who, detail)


def _granted(change: WorkerChange) -> tuple[str | None, str | None]:
    before = None if change.before is None else "granted"
    return before, None if change.after is None else "granted"


def _blocked(change: WorkerChange) -> tuple[str | None, str | None]:
    return "blocked" if change.before else None, "blocked" if change.after else None


_STATES: dict[ActKind, Callable[[WorkerChange], tuple[str | None, str | None]]] = {
    **dict.fromkeys(OF_GRANTS, _granted),
    **dict.fromkeys(OF_BLOCKS, _blocked),
    ActKind.NOTE: lambda change: (None, "noted"),
    ActKind.WITHDRAW: lambda change: ("noted", None),
}


C = Comparator

#: How a requirement reads, and how it fails.
_WORDS = {
    C.GREATER_THAN: "more than {value}",
    C.GREATER_THAN_OR_EQUAL_TO: "{value} or more",
    C.LESS_THAN: "less than {value}",
    C.LESS_THAN_OR_EQUAL_TO: "{value} or less",
    C.EQUAL_TO: "{value}",
    C.NOT_EQUAL_TO: "anything but {value}",
    C.IN: "one of {value}",
    C.NOT_IN: "none of {value}",
}


def why_not(requirements: Sequence[Requirement], facts: WorkerFacts) -> str | None:
    """Say why a worker would not be let in, in words for the researcher; None: they would be.

    The first reason counts, in the order in which an arriving worker is checked: a block, then the requirements.
    """
    if facts.worker is not None and facts.worker.blocked:
        return "is blocked"
    provider = facts.worker.provider_type if facts.worker is not None else ""
    for requirement in requirements:
        if requirement.applies_to(provider) and not requirement.is_met_by(facts.grants):
            return _unmet(requirement, facts.grants.get(requirement.qualification_name))
    return None


def _unmet(requirement: Requirement, granted: int | None) -> str:
    name = requirement.qualification_name
    if granted is None:
        return f"does not have {name!r}"
    if requirement.comparator is C.DOES_NOT_EXIST:
        return f"has {name!r}, which must not be"
    return f"{name!r} is {granted}, and has to be {describe_value(requirement)}"


def describe_value(requirement: Requirement) -> str:
    """Say which values a requirement asks for."""
    value = requirement.value
    listed = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return _WORDS[requirement.comparator].format(value=listed)
