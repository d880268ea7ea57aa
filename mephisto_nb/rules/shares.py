"""How much of a run one person may take: of its open units at once, and of what the task's code hears.

A person is a worker, whatever number of agents, registrations and returns they come with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.states import AGENT_ACTIVE, UnitStatus

if TYPE_CHECKING:
    from mephisto_nb._typing import JSONObject
    from mephisto_nb.model.records import Agent
    from mephisto_nb.rules.run_state import RunState
    from mephisto_nb.rules.step import Step

#: Where nothing else is set, one person holds a tenth of the open units of a run at once, and one at least.
PART = 10
_OPEN = (UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED)

#: Of what one person's pages say, so many messages, and characters of them, are heard a second; and so many at once.
MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 20.0, 1000.0
CHARACTERS_A_SECOND, CHARACTERS_AT_ONCE = 64 * 1024.0, 4 * 1024 * 1024.0


def most_at_once(state: RunState) -> int | None:
    """Return how many units one person may hold at once; None: any number."""
    rules = state.rules
    if rules.allowed_concurrent or not rules.part_of_open:
        return rules.allowed_concurrent or None
    return max(1, sum(state.counts[status] for status in _OPEN) // rules.part_of_open)


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


TOO_OFTEN = "You are sending more than can be read. What you send now is not heard; please wait for a moment."
_TOLD = (
    "A worker's page sends messages faster than 20 a second for long, or more than they hold; what goes beyond that is "
    "not heard. Look for 'too many messages' in run.events(): it says who that is."
)


def is_heard(step: Step, agent: Agent, size: int, at: float) -> bool:
    """Return whether a message of an agent's page is heard; of the first that is not, the page and the log are told."""
    hearing = step.state.hearing.setdefault(agent.worker_id, Hearing(at))
    if hearing.hears(size, at):
        return True
    if hearing.unheard == 1:
        step.log("agent", agent.agent_id, None, None, "too many messages were not heard", "operator")
        step.failures.append(("messages that are not heard", _TOLD))
        if agent.status in AGENT_ACTIVE:
            data: JSONObject = {"update_id": step.new_id(), "text": TOO_OFTEN, "id": "", "notice": "too often"}
            step.add_live_update(agent.agent_id, "notice", data, step.now)
            step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent.agent_id, data)
    return False
