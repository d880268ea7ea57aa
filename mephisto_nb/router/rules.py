"""What the router decides: pure functions of what it knows, without I/O and without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_ANSWERED, AGENT_LEFT, AgentStatus

#: A message that waits longer than this for the operator means that the kernel is busy, in seconds.
BUSY_AFTER = 2.0

#: What is said to a worker whose task is closed, by the status that closed it.
CLOSED_TEXT: Mapping[AgentStatus, str] = {
    AgentStatus.TIMEOUT: "The time for this task is over, so it could not be handed in. Thank you for your effort.",
    AgentStatus.EXPIRED: "This task has ended, so it could not be handed in. Thank you for your effort.",
    AgentStatus.RETURNED: "You have returned this task. You can close this page.",
    AgentStatus.DISCONNECT: "The connection was lost for too long, so this task went to somebody else. Sorry!",
}


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """What the router knows of an agent: `linked` says that it once had a socket, `person` whose it is."""

    agent_id: str
    status: AgentStatus
    submitted: bool = False
    linked: bool = False
    person: str = ""

    @property
    def is_active(self) -> bool:
        """Whether its worker is at work now."""
        return self.status in AGENT_ACTIVE and not self.submitted

    @property
    def is_returned(self) -> bool:
        """Whether its worker has given the task back, and sent no answer."""
        return self.status is AgentStatus.RETURNED and not self.submitted


class SubmissionResult(StrEnum):
    """What becomes of a worker's final answer, or of the wish to give the task back.

    A second answer is a `DUPLICATE` of the one that was taken, or an `OTHER` one, which is not kept.
    """

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    OTHER = "other"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class UnsureError(DatabaseError):
    """A step was committed into a file that has lost its name: it may be found again later, or may not.

    Attributes
    ----------
    result
        What the step returned. It is not to be told to a worker as done, but what it needs is to be kept.
    """

    def __init__(self, message: str, result: object = None) -> None:
        super().__init__(message)
        self.result = result


class InboxClosed(Exception):
    """Nothing more is taken in: the run is over, and its operator has read the inbox to its end."""


def judge_submission(agent: KnownAgent | None) -> SubmissionResult:
    """Return what becomes of a worker's final answer."""
    if agent is None:
        return SubmissionResult.UNKNOWN
    if agent.submitted or agent.status in AGENT_ANSWERED:
        return SubmissionResult.DUPLICATE
    return SubmissionResult.CLOSED if agent.status in AGENT_LEFT else SubmissionResult.TAKEN


def judge_return(agent: KnownAgent | None) -> SubmissionResult:
    """Return what becomes of a worker's wish to give the task back: too late once it is answered or closed."""
    result = judge_submission(agent)
    return SubmissionResult.CLOSED if result is SubmissionResult.DUPLICATE else result


def next_status(current: AgentStatus | None, named: AgentStatus) -> AgentStatus:
    """Return the status that holds after the operator named one.

    A worker may return the task while the operator, who can't know yet, still calls the agent active. No way
    leads back from leaving to being active, so that word is out of date and the router's own status stands.
    """
    if current in AGENT_LEFT and named in AGENT_ACTIVE:
        return AgentStatus(current)
    return named


def operator_state(oldest_waiting: float | None, connected: bool) -> str:
    """Return how the operator is: ``here``, ``busy`` or ``away``.

    Parameters
    ----------
    oldest_waiting
        For how many seconds the oldest message sent to the operator has waited for its acknowledgement.
    connected
        Whether an operator is connected.
    """
    if not connected:
        return "away"
    return "busy" if oldest_waiting is not None and oldest_waiting > BUSY_AFTER else "here"


class TokenBucket:
    """A limit on how often something may happen: `rate` per second, and `burst` at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float, count: float = 1) -> bool:
        """Take one token, or so many; return `False` if there are fewer, and take none."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True
