"""How much of the disk the workers of a run may take: each of them, strangers who have named no agent, and all."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from mephisto_nb.model.packets import SYSTEM_SUBJECT
from mephisto_nb.router.config import MIB, Limits
from mephisto_nb.router.http.answers import Refused, disk_full
from mephisto_nb.router.inbox.writes import Message
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.rules import SubmissionResult, UnsureError

#: Whose claim it is while the browser has not named its agent.
NAMELESS = ""
#: For so many answers of full size there is room in any case, as far as the limits allow.
_ANSWERS = 40
#: What a message takes beside its text.
_OVERHEAD = 256
#: In what time strangers get all their room again (seconds).
_DAY = 86_400.0


class DiskQuota:
    """Counts what is stored and what is about to be, by agent, for the whole run.

    What an agent has stored counts for ever: also after the operator has fetched it, for then it takes the place
    elsewhere. What strangers have reported counts less and less: it is bounded by the day, so that nobody takes all the
    room that there will be.

    Parameters
    ----------
    limits
        How much there may be.
    stored
        What is on the disk already, by agent.
    shares
        Whose an agent is, and how much of all a person may have.
    room
        How much there is for all, where the disk has less than the limits allow (bytes).
    now
        Tells the time (seconds), and never goes back.
    """

    def __init__(
        self,
        limits: Limits,
        stored: Mapping[str, int],
        shares: Shares | None = None,
        room: float = math.inf,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._taken, self._shares = limits, dict(stored), shares
        self._total = sum(stored.values())
        # An answer of usual size has its place on a small disk, too.
        least = min(limits.run_stored, _ANSWERS * limits.json_body)
        self._all = int(max(least, min(limits.run_stored, self._total + room)))
        self._persons: Counter[str] = Counter()
        self._person: dict[str, str] = {}
        self._now, self._at = now, now()
        self._reported = float(min(stored.get(SYSTEM_SUBJECT, 0), limits.errors_stored))
        for owner in stored:
            self._person_of(owner)

    @contextmanager
    def claim(self, owner: str = NAMELESS) -> Generator[Claim, None, None]:
        """Begin to claim room; it is released at the end of the block, unless the claim was kept."""
        claim = Claim(self, owner)
        try:
            yield claim
        except UnsureError as unsure:
            if unsure.result is SubmissionResult.TAKEN:
                claim.keep()  # it counts with its message, which may be found again
            raise
        finally:
            claim.end()

    def take(self, owner: str, size: int) -> None:
        """Take `size` bytes more (or fewer, if negative); raise `Refused` if there is no room."""
        taken = self._taken.get(owner, 0) + size
        person = self._person_of(owner)
        if size > 0:
            self._check(owner, person, size)
        if owner == SYSTEM_SUBJECT:
            self._reported = max(0.0, self._of_late() + size)
        self._total += size
        self._taken[owner] = taken
        if person:
            self._persons[person] += size
        if not taken:
            del self._taken[owner]

    def _check(self, owner: str, person: str, size: int) -> None:
        counted = self._of_late() if owner == SYSTEM_SUBJECT else self._taken.get(owner, 0)
        if counted + size > self._room_of(owner):
            raise self._no_room(owner)
        if self._total + size > self._limits.run_stored:
            raise disk_full()
        share = self._all if self._shares is None else self._shares.of(self._all)
        if person and self._persons[person] + size > share:
            raise self._no_room(owner, share)

    def _person_of(self, owner: str) -> str:
        """Return whose an agent is, '' for those who are none; the operator may have said it only now."""
        if self._shares is None or owner in (NAMELESS, SYSTEM_SUBJECT):
            return ""
        person = self._shares.person_of(owner)
        before = self._person.get(owner)
        if before != person:
            self._person[owner] = person
            if before is not None:
                self._persons[before] -= self._taken.get(owner, 0)
            self._persons[person] += self._taken.get(owner, 0)
        return person

    def _of_late(self) -> float:
        """Return how much of what strangers have reported still counts (bytes)."""
        before, self._at = self._at, self._now()
        self._reported = max(0.0, self._reported - (self._at - before) * self._limits.errors_stored / _DAY)
        return self._reported

    def _room_of(self, owner: str) -> int:
        rooms = {NAMELESS: self._limits.nameless_uploads, SYSTEM_SUBJECT: self._limits.errors_stored}
        return rooms.get(owner, self._limits.agent_stored)

    def _no_room(self, owner: str, room: int | None = None) -> Refused:
        if owner == NAMELESS:
            return Refused(429, "busy", "Too much is being sent at the moment. Please try again.", retry_after=10)
        if owner == SYSTEM_SUBJECT:
            return Refused(429, "busy", "Too many errors were reported.", retry_after=60)
        most = max(1, (room or self._limits.agent_stored) // MIB)
        whose = "one worker" if room else "one task"
        return Refused(
            413,
            "quota",
            f"Together with what you have sent before, this is more than the {most:,} MB that {whose} may hold. "
            "Please send less, smaller files for instance, or ask whoever sent you the link.",
        )


class Claim:
    """What one request, or one message on a socket, is about to store.

    A claim grows with `resize` and `add`. What is claimed is counted in the inbox with the message that `add` returned;
    `keep` then makes it last here as well.
    """

    def __init__(self, quota: DiskQuota, owner: str) -> None:
        self._quota, self.owner, self._size = quota, owner, 0
        #: The agent that has named itself, also where nothing will be stored.
        self.sender = owner

    def resize(self, size: int) -> None:
        """Claim `size` bytes in all, no matter what was claimed before; raise `Refused` if there is no room."""
        self._quota.take(self.owner, size - self._size)
        self._size = size

    def name(self, owner: str) -> None:
        """Claim it for this agent from now on; raise `Refused` if there is no room."""
        if owner != self.owner:
            size = self._size
            self.resize(0)
            self.owner = owner
            self.resize(size)

    def add(self, message: Message) -> Message:
        """Claim room for a message as well, and return the message with all that is claimed.

        The inbox counts that in the transaction that writes the message; call `keep` once it is committed.

        Raises
        ------
        Refused
            There is no room.
        """
        self.resize(self._size + _OVERHEAD + size_of(message.text))
        return Message(message.packet_type, message.text, message.received_at, self.owner, self._size)

    def keep(self) -> None:
        """Note that what is claimed is in the inbox: it counts as stored, and is not released at the end."""
        self._size = 0

    def end(self) -> None:
        """Release what was not kept."""
        self.resize(0)


def size_of(text: str) -> int:
    """Return how many bytes a text takes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
