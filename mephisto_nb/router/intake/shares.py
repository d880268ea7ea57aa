"""One person, one share: what the router does and keeps for one worker, whatever number of agents the worker has.

A link may have many agents over time: units one after another, introductions, tasks that were returned. All of them
count together. The operator says whose an agent is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from mephisto_nb.router.config import Limits
from mephisto_nb.router.http.answers import Refused
from mephisto_nb.router.rules import TokenBucket

#: For how long a person may take more than a share of the router's time (seconds of work, at a share of one).
_BURST = 20.0
#: So many seconds' worth of error reports may come at once.
REPORT_SECONDS = 10
#: What a request, or a message, takes beside the reading of its text (seconds).
_EACH = 0.0005
#: So few of anything a person may always have.
_ALWAYS = 8


class Shares:
    """Counts what persons have at the same time, and how long the router works for them.

    Parameters
    ----------
    share
        Which part of all one person may have; 1 bounds nobody.
    limits
        How much there is of all.
    person_of
        Returns whose an agent is.
    now
        Tells the time (seconds), and never goes back.
    """

    def __init__(self, share: float, limits: Limits, person_of: Callable[[str], str], now: Callable[[], float]) -> None:
        self._share, self._limits, self.person_of, self._now = share, limits, person_of, now
        self._bodies: Counter[str] = Counter()
        self._work: dict[str, tuple[float, float]] = {}
        self._talk: dict[str, TokenBucket] = {}
        self._reports: dict[str, TokenBucket] = {}

    def of(self, all_of_them: int) -> int:
        """Return how many of so many one person may have."""
        return max(min(_ALWAYS, all_of_them), int(self._share * all_of_them))

    @contextmanager
    def body(self, agent_id: str) -> Generator[None, None, None]:
        """Count a body of an agent while it is read; raise `Refused` if its person sends too many at once."""
        person = self.person_of(agent_id)
        if self._bodies[person] >= self.of(self._limits.bodies):
            raise _busy()
        self._bodies[person] += 1
        try:
            yield
        finally:
            self._bodies[person] -= 1
            if not self._bodies[person]:
                del self._bodies[person]

    def check(self, agent_id: str) -> None:
        """Raise `Refused` if the router has worked enough for an agent's person for now; else count one thing more."""
        person = self.person_of(agent_id)
        if self._left(person) <= 0:
            raise _busy()
        self._spend(person, _EACH)

    def spent(self, agent_id: str, seconds: float) -> None:
        """Note how long the router has worked for an agent."""
        if agent_id:
            self._spend(self.person_of(agent_id), seconds)

    def may_speak(self, agent_id: str) -> bool:
        """Count a message on a socket; return whether its person may say so much, over all sockets."""
        rate = 2.0 * self._limits.messages_per_second
        return self._share >= 1 or self._take(self._talk, agent_id, rate, 4 * rate)

    def may_report(self, agent_id: str) -> bool:
        """Count an error report; return whether its person may send so many, over all agents."""
        rate = self._share * self._limits.errors_per_second
        return self._take(self._reports, agent_id, rate, max(_ALWAYS, rate * REPORT_SECONDS))

    def _take(self, buckets: dict[str, TokenBucket], agent_id: str, rate: float, burst: float) -> bool:
        person = self.person_of(agent_id)
        if person not in buckets:
            self._tidy()
            buckets[person] = TokenBucket(rate, burst, self._now())
        return buckets[person].take(self._now())

    def _left(self, person: str) -> float:
        left, at = self._work.get(person, (_BURST * self._share, self._now()))
        return min(_BURST * self._share, left + (self._now() - at) * self._share)

    def _spend(self, person: str, seconds: float) -> None:
        if person not in self._work:
            self._tidy()
        self._work[person] = (self._left(person) - seconds, self._now())

    def _tidy(self) -> None:
        """Forget persons for whom nothing was done for long, now and then."""
        if max(len(self._work), len(self._talk), len(self._reports)) < 2 * self._limits.sockets:
            return
        self._work = {one: work for one, work in self._work.items() if self._left(one) < _BURST * self._share}
        self._talk.clear()
        self._reports.clear()


def _busy() -> Refused:
    text = "You have sent a great deal at once. Please wait a moment, and try again."
    return Refused(429, "busy", text, retry_after=5)
