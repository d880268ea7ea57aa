"""How much of a run one person may take: of its open units at once, and of what the task's code hears.

A person is a worker, whatever number of agents, registrations and returns they come with. Stands alone because who may
work, and what of a worker is heard, lean on it, and neither on the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb.model.states import UnitStatus

#: Where nothing else is set, one person holds a tenth of the open units of a run at once, and one at least; of a run of
#: fewer units than ten, which somebody tries out in two tabs, two.
PART, OF_SMALL = 10, 2
OPEN = (UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED)

#: Of what one person's pages say, so many messages, and characters of them, are heard a second; and so many at once.
MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 20.0, 1000.0
CHARACTERS_A_SECOND, CHARACTERS_AT_ONCE = 64 * 1024.0, 4 * 1024 * 1024.0


@dataclass(slots=True)
class Hearing:
    """What one person may still say, and since when; it fills up again as time passes."""

    at: float
    messages: float = MESSAGES_AT_ONCE
    characters: float = CHARACTERS_AT_ONCE
    #: How many messages were not heard since this one had sent too many.
    unheard: int = 0
    #: Which messages were heard ahead of their record: by whom, and what they are called. They are counted already.
    ahead: set[tuple[str, str]] = field(default_factory=set)

    def hears(self, size: int, now: float) -> bool:
        """Return whether a message of so many characters is heard, at a time (seconds); one that goes back is none."""
        if self._takes(size, now):
            return True
        self.unheard += 1
        return False

    def hears_ahead(self, agent_id: str, update_id: str, size: int, now: float) -> bool:
        """Return whether a message is heard before it is recorded: if so, it will be recorded, whatever comes between.

        One that is not heard is no flood yet: it may be in time when its record comes.
        """
        is_heard = self._takes(size, now)
        if is_heard:
            self.ahead.add((agent_id, update_id))
        return is_heard

    def end_flood(self, now: float) -> int:
        """Return how many messages were not heard, once a flood is over, and count anew; 0: it goes on."""
        self._fill(now)
        if self.messages <= MESSAGES_AT_ONCE / 2 or self.characters <= CHARACTERS_AT_ONCE / 2:
            return 0
        unheard, self.unheard = self.unheard, 0
        return unheard

    def _takes(self, size: int, now: float) -> bool:
        self._fill(now)
        if self.messages < 1 or self.characters < min(size, CHARACTERS_AT_ONCE):
            return False
        self.messages, self.characters = self.messages - 1, self.characters - size
        return True

    def _fill(self, now: float) -> None:
        passed = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self.messages = min(MESSAGES_AT_ONCE, self.messages + passed * MESSAGES_A_SECOND)
        self.characters = min(CHARACTERS_AT_ONCE, self.characters + passed * CHARACTERS_A_SECOND)
