"""What the router decides: pure functions of what it knows, without I/O and without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_ANSWERED, AGENT_LEFT, AgentStatus

#: A message that waits longer than this for the operator means that the kernel is busy, in seconds.
BUSY_AFTER = 2.0
#: No value of an address is longer (characters).
_LONGEST_VALUE = 2000

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


def late_way_back(late_exit: JSONObject, came_by: JSON) -> JSONObject:
    """Return how somebody goes back who comes when the run is over.

    Parameters
    ----------
    late_exit
        What the operator has said; ``{name}`` in its address is a value of theirs.
    came_by
        The parameters of the address that they came by, as they say themselves. Where one is missing, there is no
        address to go back to.

    Examples
    --------
    >>> told = {"outcome": "quota_full", "url": "https://a.org/?r={participant}", "parameters": {"participant": "rid"}}
    >>> late_way_back(told, {"RID": "x&y"})
    {'outcome': 'quota_full', 'url': 'https://a.org/?r=x%26y'}
    """
    told = {name: value for name, value in late_exit.items() if name != "parameters"}
    given = came_by if isinstance(came_by, dict) else {}
    url = told.get("url")
    for name, parameter in late_exit["parameters"].items():
        value = _encoded(_find_value(given, parameter))
        url = url.replace(f"{{{name}}}", value) if url and value else None
    return {**told, "url": url}


def _find_value(given: Mapping[str, JSON], parameter: str) -> str:
    """Return a parameter by its exact name, or else by one that differs in capital letters alone; '' for none."""
    alike = [value for name, value in given.items() if name.lower() == parameter.lower()]
    value = given.get(parameter, alike[0] if len(alike) == 1 else None)
    return value.strip() if isinstance(value, str) and len(value) <= _LONGEST_VALUE else ""


def _encoded(value: str) -> str:
    """Return a value as it stands in any part of an address; dots alone would be "one folder up", and are left out."""
    return "" if not value.strip(".") else quote(value.encode("utf-8", "replace"), safe="")


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
