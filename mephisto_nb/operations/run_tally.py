"""What happens to a run that leaves no unit and no agent behind: people turned away, and errors in their pages."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.records import AS_LAUNCHED, PAGE_ERROR, Steering
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.step import Step

#: How many of those turned away are remembered.
_REMEMBERED = 1000


#: How many different troubles are kept.
_TROUBLES = 20
#: Refusals that hold only for the units that were on offer then.
_OF_THE_OFFER = "no_available_units"
#: Refusals that hold only within the limits that were in force then.
_OF_THE_LIMITS = "max_for_task"


@dataclass(slots=True)
class RunTally:
    """Counts, since this kernel took the run up at `since` (epoch seconds), what only steps tell.

    `turned_away` are the workers who were refused since a unit was last taken, the latest last, with the code of the
    reason. Those are no longer among them whose reason may have passed: because there was nothing on offer, more has
    been put on offer, or limits have changed. `page_errors` are reports by agent. `explain` knows what to say of
    an error (see `Blueprint.explain_page_error`).
    """

    since: float
    explain: Callable[[JSONObject], str | None] = lambda report: None
    turned_away: OrderedDict[str, str] = field(default_factory=OrderedDict)
    page_errors: Counter[str] = field(default_factory=Counter)
    last_arrival_at: float | None = None
    #: How many assignments of the run's data have been created, and how many there are (None: a generator knows).
    created: tuple[int, int | None] = (0, None)
    #: What the researcher should know, by what it is of: the latest, and how often it was met.
    _told: dict[str, tuple[str, int]] = field(default_factory=dict)
    _on_offer: int = 0
    _steering: Steering = AS_LAUNCHED

    def note(self, step: Step) -> None:
        """Take note of a step; a listener of the engine."""
        on_offer, steering = step.state.counts[UnitStatus.LAUNCHED], step.state.steering
        if step.started:
            self.turned_away.clear()
            self.last_arrival_at = step.now
        elif self.turned_away and on_offer > self._on_offer:
            self._forget(_OF_THE_OFFER)
        if steering is not self._steering:
            self._forget(_OF_THE_LIMITS)
        self._on_offer, self._steering = on_offer, steering
        for worker_name, code in step.refused:
            self.last_arrival_at = step.now
            if on_offer or code != _OF_THE_OFFER:
                self._remember(worker_name, code)
        if step.page_errors:
            self.page_errors.update(step.page_errors)
            reports = [event.detail or {} for event in step.changes.events if event.why == PAGE_ERROR]
            self._note((told, told) for told in map(self.explain, reports) if told)
        self._note((told, told) for told in step.troubles)
        self._note(step.failures)

    def tell(self, trouble: str) -> None:
        """Take note of what the researcher should know."""
        self._note([(trouble, trouble)])

    @property
    def troubles(self) -> list[str]:
        """What the researcher should know of pages, and of their own code; of what fails again and again, how often."""
        return [
            told if count == 1 or told == of else _with_count(told, count) for of, (told, count) in self._told.items()
        ]

    def _note(self, troubles: Iterable[tuple[str, str]]) -> None:
        for of, told in troubles:
            # Pages can be made to report anything, and everything else.
            if of in self._told or len(self._told) < _TROUBLES:
                self._told[of] = told, self._told.get(of, ("", 0))[1] + 1

    def _remember(self, worker_name: str, code: str) -> None:
        self.turned_away[worker_name] = code
        self.turned_away.move_to_end(worker_name)
        if len(self.turned_away) > _REMEMBERED:
            self.turned_away.popitem(last=False)

    def _forget(self, code: str) -> None:
        for worker_name in [name for name, reason in self.turned_away.items() if reason == code]:
            del self.turned_away[worker_name]


def _with_count(told: str, count: int) -> str:
    """Say how often, at the end of the first sentence; what follows is what to do."""
    reason, stop, remedy = told.partition(". ")
    return f"{reason.rstrip('.')} ({count:,} times){stop or '.'}{remedy}"
