"""How much of a run one person may take: of its open units at once, and of what the task's code hears.

A person is a worker, whatever number of agents, registrations and returns they come with. Stands alone because who may
work, and what of a worker is heard, lean on it, and neither on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def hears(self, size: int, now: float) -> bool:
        """Return whether a message of so many characters is heard, at a time (seconds); one that goes back is none."""
        passed = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self.messages = min(MESSAGES_AT_ONCE, self.messages + passed * MESSAGES_A_SECOND)
        self.characters = min(CHARACTERS_AT_ONCE, self.characters + passed * CHARACTERS_A_SECOND)
        if self.messages < 1 or self.characters < min(size, CHARACTERS_AT_ONCE):
            self.unheard += 1
            return False
        self.messages, self.characters = self.messages - 1, self.characters - size
        if self.messages > MESSAGES_AT_ONCE / 2 and self.characters > CHARACTERS_AT_ONCE / 2:
            self.unheard = 0  # a flood that goes on is told of once
        return True
