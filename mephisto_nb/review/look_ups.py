"""What a decision on answers, or its undoing, has to look up; and the rule that is carried out with that."""

from __future__ import annotations

from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.model.records import Unit
from mephisto_nb.model.reviews import DECIDED, Decision, ReviewOutcome
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.review.crowd_sync import TOLD_FOR_GOOD, find_paid_units, find_told_rejections, refuse_rejection
from mephisto_nb.review.decide import ReviewPreview, Rule, describe, make_step, read_standing
from mephisto_nb.review.selection import Wanted
from mephisto_nb.rules.reviewing import decide, undo
from mephisto_nb.rules.step import Step


def deciding(run: RunFrames, decision: Decision, wanted: Wanted) -> Rule:
    """Look up what a decision has to know, and give the rule."""
    units, _ = run.database.reviews.load_answers(run.task_run.task_run_id, list(wanted))
    concerned = (unit.worker_id for unit in units if unit.worker_id) if decision.grants or decision.block else ()
    standing = read_standing(run, concerned)
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, list(wanted)) if decision.again else {}
    fixed = dict.fromkeys(find_told_rejections(run, kept), TOLD_FOR_GOOD)
    paid = find_paid_units(run) if decision.verdict is not UnitStatus.REJECTED else ()
    _, books, _ = run.database.reviews.load_visit_books(run.task_run.task_run_id, list(wanted))
    return lambda step: decide(step, decision, wanted, standing, fixed=fixed, paid=paid, books=books)


def check_rejection(run: RunFrames, wanted: Wanted, decision: Decision) -> None:
    """Raise `ConfigError` where a run's crowd would refuse a rejection."""
    refuse_rejection(run, list(wanted), decision, deciding(run, decision, wanted))


def undoing(run: RunFrames, who: str, note: str, wanted: Wanted) -> Rule:
    """Look up the latest decisions on units, and give the rule that takes them back."""
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, list(wanted))
    standing = read_standing(run, {one.review.worker_id for one in kept.values() if one.review.effects})
    told = find_told_rejections(run, kept)
    _, books, _ = run.database.reviews.load_visit_books(run.task_run.task_run_id, list(wanted))

    def rule(step: Step) -> list[ReviewOutcome]:
        left = []
        for unit_id, seen in wanted.items():
            unit, one = step.state.units[unit_id], kept.get(unit_id)
            if one is None:
                left.append(_left(unit, "was not decided on"))
            elif seen is not None and unit.status is not seen:
                left.append(_left(unit, DECIDED))
            elif unit_id in told:
                left.append(_left(unit, TOLD_FOR_GOOD))
        refused = {one.unit_id for one in left}
        back = [one for id_, one in kept.items() if id_ not in refused]
        return undo(step, back, who, note, standing, books) + left

    return rule


def _left(unit: Unit, why: str) -> ReviewOutcome:
    return ReviewOutcome(unit.unit_id, unit.worker_id, unit.status, unit.status, done=False, why=why)


def foresee(run: RunFrames, wanted: Wanted, verdict: str, decision: Decision | None, rule: Rule) -> ReviewPreview:
    """Say what a rule would do now."""
    step = make_step(run, list(wanted))
    return describe(verdict, rule(step), step.changes.changes, run.task_run.provider_type, decision)
