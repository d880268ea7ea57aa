"""What a step may change of the visits of a run: in memory, in the database, and in the event log.

Stands alone because absences move the deadlines of visits, and the rules of visits lean on those of leaving.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mephisto_nb.model.changes import (
    AddVisit,
    AwaitVouching,
    ChangeVisitDeadline,
    EndVisit,
    EndVouching,
    NoteVisitTold,
)
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.visits import Short, UnvouchedArrival, Visit

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step

#: Why an event is in the log: the crowd has heard how a visit has ended.
TOLD = "the crowd was told how it ended"


def add_visit(step: Step, visit: Visit) -> None:
    """Let a worker begin a visit."""
    step.note(AddVisit(visit))
    step.state.visits.add(visit)
    detail = {"registration_id": visit.registration_id, "captured": visit.captured, "asked": visit.asked}
    step.log("visit", visit.visit_id, None, "begun", "began a visit", "worker", detail)


def end_visit(step: Step, visit: Visit, outcome: Outcome, short: Short | None, why: str, who: str) -> None:
    """Let a visit that is open come to its end; `why` is what its worker reads."""
    visit.ended_at, visit.outcome, visit.short, visit.why = step.now, outcome, short, why
    step.state.visits.close(visit)
    if not any(isinstance(one, AddVisit) and one.visit is visit for one in step.changes.changes):
        step.note(EndVisit(visit.visit_id, step.now, outcome, short, why))
    detail = {"done": visit.done, "asked": visit.asked, "short": None if short is None else short.value}
    step.log("visit", visit.visit_id, "begun", outcome.value, why, who, detail)


def change_visit_deadline(step: Step, visit: Visit, deadline: float) -> None:
    """Set when the time of a visit is over."""
    visit.deadline = deadline
    step.state.visits.index_deadline(visit)
    step.note(ChangeVisitDeadline(visit.visit_id, deadline))


def note_told(step: Step, visit_id: str) -> None:
    """Note that the crowd was told how a visit has ended."""
    visit = step.state.visits.visits[visit_id]
    if visit.told_at is None:
        visit.told_at = step.now
        step.state.visits.untold.pop(visit_id, None)
        step.note(NoteVisitTold(visit_id, step.now))
        step.log("visit", visit_id, None, None, TOLD, "operator")


def await_vouching(step: Step, arrival: UnvouchedArrival) -> None:
    """Let a page wait until its crowd was asked about it."""
    if arrival.request_id not in step.state.visits.unvouched:
        step.state.visits.unvouched[arrival.request_id] = arrival
        step.note(AwaitVouching(arrival))


def end_vouching(step: Step, request_ids: Sequence[str]) -> list[UnvouchedArrival]:
    """Let pages wait no longer whose crowd was asked about them; return those that had waited."""
    waited = [step.state.visits.unvouched.pop(id_) for id_ in request_ids if id_ in step.state.visits.unvouched]
    if waited:
        step.note(EndVouching([one.request_id for one in waited]))
    return waited
