"""The state machines of units, of agents and of payments: each is one table.

The strings are Mephisto's. A change that its table does not hold raises `TransitionError`, and the
database applies the same rule once more with ``UPDATE ... WHERE id = ? AND status = ?``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from mephisto_nb.errors import TransitionError


class UnitStatus(StrEnum):
    """Where a unit of work stands."""

    CREATED = "created"
    LAUNCHED = "launched"
    ASSIGNED = "assigned"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SOFT_REJECTED = "soft_rejected"
    EXPIRED = "expired"


class AgentStatus(StrEnum):
    """Where one worker stands with one unit."""

    NONE = "none"
    ACCEPTED = "accepted"
    ONBOARDING = "onboarding"
    WAITING = "waiting"
    IN_TASK = "in task"
    COMPLETED = "completed"
    APPROVED = "approved"
    REJECTED = "rejected"
    SOFT_REJECTED = "soft_rejected"
    DISCONNECT = "disconnect"
    TIMEOUT = "timeout"
    PARTNER_DISCONNECT = "partner disconnect"
    RETURNED = "returned"
    EXPIRED = "expired"


class PaymentKind(StrEnum):
    """What is paid: a unit's own pay, which is owed from its approval on, and all that comes beside it."""

    REWARD = "reward"
    BONUS = "bonus"
    WAITING = "waiting"
    #: Part of a visit's reward, where the visit as a whole is not paid.
    COMPENSATION = "compensation"


#: Payments of answers themselves, or of visits; all others come beside.
PAYMENT_OF_WORK = frozenset({PaymentKind.REWARD, PaymentKind.COMPENSATION})


class PaymentStatus(StrEnum):
    """Where a payment stands between being intended and being seen in the crowd's own books."""

    #: It is intended, and nobody has paid it.
    OWED = "owed"
    #: The crowd is being asked; or it was, and nobody knows yet what came of it.
    SENDING = "sending"
    #: The crowd took it, or somebody has marked it as paid.
    SENT = "sent"
    #: It was seen in the crowd's own books.
    CONFIRMED = "confirmed"
    #: The crowd refused it for good.
    FAILED = "failed"
    #: It is owed no longer.
    CANCELLED = "cancelled"


class Gate(StrEnum):
    """A way in which workers are looked at, as the database calls it; what each is stands in `rules.gates`."""

    ONBOARDING = "onboarding"
    SCREENING = "screening"
    GOLD = "gold"
    ATTENTION = "attention"
    TIME = "time"


U, A, P = UnitStatus, AgentStatus, PaymentStatus

#: Work that was sent before its sender could know that its time was over is taken all the same:
#: hence ways lead from EXPIRED to COMPLETED here, and from every way of leaving to COMPLETED below.
UNIT_TRANSITIONS: Mapping[UnitStatus, frozenset[UnitStatus]] = {
    U.CREATED: frozenset({U.LAUNCHED, U.EXPIRED}),
    U.LAUNCHED: frozenset({U.ASSIGNED, U.EXPIRED, U.CREATED}),
    U.ASSIGNED: frozenset({U.COMPLETED, U.LAUNCHED, U.EXPIRED}),
    U.COMPLETED: frozenset({U.ACCEPTED, U.REJECTED, U.SOFT_REJECTED}),
    U.ACCEPTED: frozenset({U.SOFT_REJECTED}),
    U.REJECTED: frozenset({U.ACCEPTED, U.SOFT_REJECTED}),
    U.SOFT_REJECTED: frozenset({U.ACCEPTED}),
    U.EXPIRED: frozenset({U.CREATED, U.COMPLETED}),
}

_LEAVING = frozenset({A.DISCONNECT, A.TIMEOUT, A.RETURNED, A.EXPIRED})
_REVIEWED = frozenset({A.APPROVED, A.REJECTED, A.SOFT_REJECTED})

AGENT_TRANSITIONS: Mapping[AgentStatus, frozenset[AgentStatus]] = {
    A.NONE: frozenset({A.ACCEPTED, A.ONBOARDING}),
    A.ACCEPTED: frozenset({A.WAITING, A.IN_TASK, A.COMPLETED}) | _LEAVING,
    A.ONBOARDING: frozenset({A.WAITING, A.APPROVED, A.REJECTED}) | _LEAVING,
    A.WAITING: frozenset({A.IN_TASK, A.APPROVED, A.REJECTED, A.COMPLETED}) | _LEAVING,
    A.IN_TASK: frozenset({A.COMPLETED, A.WAITING, A.PARTNER_DISCONNECT}) | _LEAVING,
    A.COMPLETED: _REVIEWED,
    A.APPROVED: frozenset({A.SOFT_REJECTED}),
    A.REJECTED: frozenset({A.APPROVED, A.SOFT_REJECTED}),
    A.SOFT_REJECTED: frozenset({A.APPROVED}),
    A.DISCONNECT: frozenset({A.COMPLETED}),
    A.TIMEOUT: frozenset({A.COMPLETED}),
    A.PARTNER_DISCONNECT: frozenset({A.COMPLETED}) | _LEAVING,
    A.RETURNED: frozenset({A.COMPLETED}),
    A.EXPIRED: frozenset({A.COMPLETED}),
}

#: The ways back, for a decision that is undone: nothing else takes them.
UNIT_WAYS_BACK: Mapping[UnitStatus, frozenset[UnitStatus]] = {
    U.ACCEPTED: frozenset({U.COMPLETED, U.REJECTED, U.SOFT_REJECTED}),
    U.REJECTED: frozenset({U.COMPLETED}),
    U.SOFT_REJECTED: frozenset({U.COMPLETED, U.ACCEPTED, U.REJECTED}),
}
#: What becomes of the agent whose answer is decided on, or no longer is.
AGENT_OF_DECIDED: Mapping[UnitStatus, AgentStatus] = {
    U.COMPLETED: A.COMPLETED,
    U.ACCEPTED: A.APPROVED,
    U.REJECTED: A.REJECTED,
    U.SOFT_REJECTED: A.SOFT_REJECTED,
}
AGENT_WAYS_BACK: Mapping[AgentStatus, frozenset[AgentStatus]] = {
    AGENT_OF_DECIDED[after]: frozenset(AGENT_OF_DECIDED[before] for before in ways)
    for after, ways in UNIT_WAYS_BACK.items()
}

#: Nothing that costs money is sent again on doubt: from SENDING, OWED follows only where it is known that nothing was
#: carried out. A person alone takes a mark back, says that the crowd's books lack what was sent, or tries anew what
#: failed. What is CANCELLED may have been paid nonetheless, which is then in the books as well.
PAYMENT_TRANSITIONS: Mapping[PaymentStatus, frozenset[PaymentStatus]] = {
    P.OWED: frozenset({P.SENDING, P.SENT, P.FAILED, P.CANCELLED}),
    P.SENDING: frozenset({P.SENT, P.CONFIRMED, P.FAILED, P.OWED}),
    P.SENT: frozenset({P.CONFIRMED, P.OWED, P.FAILED}),
    P.CONFIRMED: frozenset(),
    P.FAILED: frozenset({P.OWED, P.CANCELLED}),
    P.CANCELLED: frozenset({P.SENT, P.CONFIRMED}),
}

#: Payments that are on their way, or have been made: that money is no longer at anybody's disposal.
PAYMENT_GONE = frozenset({P.SENDING, P.SENT, P.CONFIRMED})
#: Payments that a run has to pay for: what is owed, too.
PAYMENT_COUNTS = PAYMENT_GONE | {P.OWED}

#: Units that somebody may still work on.
UNIT_OPEN = frozenset({U.CREATED, U.LAUNCHED, U.ASSIGNED})
#: Units that hold an answer.
UNIT_ANSWERED = frozenset({U.COMPLETED, U.ACCEPTED, U.REJECTED, U.SOFT_REJECTED})
#: Units whose answer was decided on.
UNIT_REVIEWED = UNIT_ANSWERED - {U.COMPLETED}
#: Units whose answer was decided on, and is paid for.
UNIT_PAID_FOR = frozenset({U.ACCEPTED, U.SOFT_REJECTED})
#: Agents whose worker is at work now. Who was left by a partner may still submit.
AGENT_ACTIVE = frozenset({A.ACCEPTED, A.ONBOARDING, A.WAITING, A.IN_TASK, A.PARTNER_DISCONNECT})
#: Agents whose answer has come.
AGENT_ANSWERED = frozenset(AGENT_OF_DECIDED[status] for status in UNIT_ANSWERED)
#: Agents whose worker left without an answer.
AGENT_LEFT = _LEAVING

_Status = TypeVar("_Status", UnitStatus, AgentStatus, PaymentStatus)


def _check(
    table: Mapping[_Status, frozenset[_Status]], kind: str, id_: str, before: _Status, after: _Status, why: str
) -> None:
    ways = table.get(before, frozenset())
    if after in ways:
        return
    allowed = ", ".join(sorted(ways)) or "nothing"
    raise TransitionError(
        f"{kind} {id_!r} cannot go from {before.value!r} to {after.value!r} ({why}). "
        f"From {before.value!r} it may go to: {allowed}."
    )


def check_unit_transition(
    unit_id: str, before: UnitStatus, after: UnitStatus, why: str, *, undoing: bool = False
) -> None:
    """Raise `TransitionError` unless a unit may go from `before` to `after`, or back there if a decision is undone."""
    _check(UNIT_WAYS_BACK if undoing else UNIT_TRANSITIONS, "Unit", unit_id, before, after, why)


def check_agent_transition(
    agent_id: str, before: AgentStatus, after: AgentStatus, why: str, *, undoing: bool = False
) -> None:
    """Raise `TransitionError` unless an agent may go from `before` to `after`, or back if a decision is undone."""
    _check(AGENT_WAYS_BACK if undoing else AGENT_TRANSITIONS, "Agent", agent_id, before, after, why)


def check_payment_transition(payment_id: str, before: PaymentStatus, after: PaymentStatus, why: str) -> None:
    """Raise `TransitionError` unless a payment may go from `before` to `after`."""
    _check(PAYMENT_TRANSITIONS, "Payment", payment_id, before, after, why)
