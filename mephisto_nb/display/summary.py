"""What a run's display says, as plain values; drawing it is for templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mephisto_nb.data_model.states import UnitStatus
from mephisto_nb.operations.task_run import LiveTaskRun

#: What each status is called on a display, in the order of a unit's life.
LABELS = {
    UnitStatus.CREATED: "to come",
    UnitStatus.LAUNCHED: "open",
    UnitStatus.ASSIGNED: "at work",
    UnitStatus.COMPLETED: "answered",
    UnitStatus.ACCEPTED: "accepted",
    UnitStatus.SOFT_REJECTED: "soft-rejected",
    UnitStatus.REJECTED: "rejected",
    UnitStatus.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at one moment."""

    task_name: str
    task_run_id: str
    status: str
    url: str
    has_own_links: bool
    answered: int
    total: int
    working: int
    counts: list[tuple[str, int]]
    attention: list[str]
    taken_at: str
    absence: str = ""

    @property
    def percent(self) -> int:
        """How much is answered, in whole percent."""
        return 100 * self.answered // self.total if self.total else 0

    @property
    def is_open(self) -> bool:
        """Whether workers can come, or go on."""
        return self.status in ("live", "paused", "closing")

    @property
    def working_words(self) -> str:
        """How many workers are at work, in words."""
        return "1 worker at work" if self.working == 1 else f"{self.working:,} workers at work"


def summarize(run: LiveTaskRun) -> RunSummary:
    """Take down how a run is now."""
    answered, total = run.progress
    return RunSummary(
        task_name=run.task_name,
        task_run_id=run.task_run_id,
        status=run.status,
        url=run.url,
        has_own_links=run.has_own_links,
        answered=answered,
        total=total,
        working=run.num_working,
        counts=[(LABELS[UnitStatus(status)], count) for status, count in run.counts.items()],
        attention=run.attention,
        taken_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        absence=str(run.parts.link.absence),
    )
