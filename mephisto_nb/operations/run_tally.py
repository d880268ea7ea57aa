"""What happens to a run that leaves no unit and no agent behind: people turned away, and errors in their pages."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from mephisto_nb.lifecycle.step import Step

#: How many of those turned away are remembered.
_REMEMBERED = 1000


@dataclass(slots=True)
class RunTally:
    """Counts, since this kernel took the run up at `since` (epoch seconds), what only steps tell.

    `turned_away` are the workers who were refused since a unit was last taken, the latest last, with the code of the
    reason; who gets a unit after all is no longer among them. `page_errors` are reports by agent.
    """

    since: float
    turned_away: OrderedDict[str, str] = field(default_factory=OrderedDict)
    page_errors: Counter[str] = field(default_factory=Counter)
    last_arrival_at: float | None = None
    #: How many assignments of the run's data have been created, and how many there are (None: a generator knows).
    created: tuple[int, int | None] = (0, None)

    def note(self, step: Step) -> None:
        """Take note of a step; a listener of the engine."""
        if step.started:
            self.turned_away.clear()
            self.last_arrival_at = step.now
        for worker_name, code in step.refused:
            self.turned_away[worker_name] = code
            self.turned_away.move_to_end(worker_name)
            self.last_arrival_at = step.now
            if len(self.turned_away) > _REMEMBERED:
                self.turned_away.popitem(last=False)
        self.page_errors.update(step.page_errors)
