"""The life of a submission: a place is reserved, opened, handed in, given back or lost, and decided on."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.books import StandInPayment
from mephisto_nb.testing.prolific.records import (
    ACTIVE,
    APPROVED,
    AWAITING_REVIEW,
    COMPLETED,
    HOLDING,
    PARTIALLY_APPROVED,
    PAUSED,
    PROCESSING,
    REJECTED,
    RESERVED,
    RETURNED,
    SCREENED_OUT,
    TIMED_OUT,
    StandInPerson,
    StandInStudy,
    StandInSubmission,
)
from mephisto_nb.testing.prolific.refusals import nested
from mephisto_nb.testing.prolific.studies import afford, refresh, set_study_status
from mephisto_nb.testing.prolific.study_checks import is_number
from mephisto_nb.testing.prolific.world import ProlificWorld, may_take

#: How long a place is kept for somebody who has not begun, and how long a decision may take (seconds).
RESERVED_FOR, REVIEWED_WITHIN = 600.0, 21 * 86_400.0
#: What people type, or their browser says, who have no code.
NOCODE = "NOCODE"
CATEGORIES = {
    "TOO_QUICKLY", "TOO_SLOWLY", "FAILED_INSTRUCTIONS", "INCOMP_LONGITUDINAL", "FAILED_CHECK", "LOW_EFFORT",
    "MALINGERING", "NO_CODE", "BAD_CODE", "NO_DATA", "UNSUPP_DEVICE", "OTHER",
}  # fmt: skip
_SHORTEST_REASON = 100


# What participants do


def reserve(world: ProlificWorld, study: StandInStudy, person: StandInPerson) -> StandInSubmission | None:
    """Return a place in a study for somebody, or None where they are offered none."""
    if not may_take(world, study, person):
        return None
    made = world.add_submission(study, person.id)
    _set_timer(world, made, RESERVED_FOR, TIMED_OUT)
    _tell(world, made)
    return made


def start(world: ProlificWorld, submission: StandInSubmission) -> bool:
    """Note that a participant opens the study, and return whether they still may."""
    if submission.status != RESERVED:
        return submission.status == ACTIVE
    submission.started_at = world.now()
    set_status(world, submission, ACTIVE)
    _set_timer(world, submission, submission.study.maximum_seconds, TIMED_OUT)
    return True


def submit(world: ProlificWorld, submission: StandInSubmission, code: str | None) -> bool:
    """Hand in with a code, or none, and return whether it is taken: Prolific knows of it a little later."""
    late = submission.status == TIMED_OUT and submission.study.open_places > 0
    if submission.status != ACTIVE and not late:
        return False
    now, seeing = world.now(), world.settings.seeing
    if seeing > 0:
        world.clock.call_at(now + seeing, lambda: _see(world, submission, code, now))
    else:
        _see(world, submission, code, now)
    return True


def _see(world: ProlificWorld, submission: StandInSubmission, code: str | None, at: float) -> None:
    if submission.status not in (ACTIVE, TIMED_OUT):
        return
    codes = [one for one in submission.study.codes if one["actor"] == "participant"]
    # A code may be null: participants are not asked for one then.
    known = next((one for one in codes if one["code"] == code), None)
    submission.code = code if known is not None else code or NOCODE
    _note_end(submission, at)
    _act(world, submission, known["actions"] if known is not None else [], None)


def give_back(world: ProlificWorld, submission: StandInSubmission) -> bool:
    """Return a submission, as participants may at any time before it is decided on; say whether they could."""
    if submission.status not in (RESERVED, ACTIVE, AWAITING_REVIEW):
        return False
    set_status(world, submission, RETURNED)
    return True


# What researchers do


def approve(world: ProlificWorld, submission: StandInSubmission) -> None:
    """Approve a submission; again: nothing."""
    if submission.status == APPROVED or submission.becoming == APPROVED:
        return
    if submission.status not in (AWAITING_REVIEW, TIMED_OUT):
        raise nested(f"A submission that is {submission.status} cannot be approved.")
    if submission.status == TIMED_OUT:
        _afford_place(world, submission.study)
    _decide(world, submission, APPROVED)


def reject(world: ProlificWorld, submission: StandInSubmission, message: object, category: object) -> None:
    """Reject a submission; again: nothing."""
    if not isinstance(message, str) or len(message) < _SHORTEST_REASON:
        raise nested({"message": [f"Ensure this field has at least {_SHORTEST_REASON} characters."]})
    if category not in CATEGORIES:
        raise nested({"rejection_category": [f"{str(category)[:60]!r} is not a valid choice."]})
    if submission.status == REJECTED or submission.becoming == REJECTED:
        return
    if submission.status != AWAITING_REVIEW:
        raise nested(f"A submission that is {submission.status} cannot be rejected.")
    submission.rejection = {"message": message, "rejection_category": category}
    _decide(world, submission, REJECTED)


def complete(world: ProlificWorld, submission: StandInSubmission, code: object, data: JSONObject) -> None:
    """Hand in for a participant, with a code that is the researcher's; again with the same code: nothing."""
    known = next((one for one in submission.study.codes if one["code"] == code), None)
    if known is None:
        raise nested({"completion_code": ["This study has no such code."]})
    if known["actor"] != "researcher":
        raise nested({"completion_code": ["Only a code whose actor is the researcher completes a submission."]})
    if submission.code == code and submission.status in (*HOLDING, SCREENED_OUT) and submission.status != ACTIVE:
        return
    if submission.status not in (ACTIVE, TIMED_OUT):
        raise nested(f"A submission that is {submission.status} cannot be completed.")
    names = [action["action"] for action in known["actions"]]
    _check_actions(submission.study, names, data)
    if submission.status == TIMED_OUT:
        _afford_place(world, submission.study)
    submission.code = str(code)
    _note_end(submission, world.now())
    _act(world, submission, known["actions"], data)


def request_return(world: ProlificWorld, submission: StandInSubmission) -> None:
    """Ask a participant to return a submission; they may not care."""
    if submission.status not in (ACTIVE, AWAITING_REVIEW):
        raise nested(f"A return cannot be requested of a submission that is {submission.status}.")
    submission.return_requested = world.now()
    world.wake()


# What follows


def set_status(world: ProlificWorld, submission: StandInSubmission, status: str) -> None:
    """Have a submission be in a state, tell of it, and draw the study's conclusions."""
    if submission.timer is not None:
        submission.timer.cancel()
        submission.timer = None
    study = submission.study
    study.counts[submission.status] -= 1
    submission.status = status
    study.counts[status] += 1
    if status == AWAITING_REVIEW:
        _set_timer(world, submission, REVIEWED_WITHIN, APPROVED)
    _tell(world, submission)
    refresh(world, study)


def _tell(world: ProlificWorld, submission: StandInSubmission) -> None:
    study = submission.study
    told = {
        "resource_id": submission.id,
        "event_type": "submission.status.change",
        "participant_id": submission.participant_id,
        "status": submission.status,
    }
    world.tell(study.workspace_id, "submission.status.change", told)
    progress = {"resource_id": study.id, "event_type": "study.progress.change"}
    world.tell(study.workspace_id, "study.progress.change", progress)


def _note_end(submission: StandInSubmission, at: float) -> None:
    submission.completed_at = at
    submission.study.durations.append(round(at - submission.started_at))


def _set_timer(world: ProlificWorld, submission: StandInSubmission, seconds: float, becoming: str) -> None:
    def ring() -> None:
        submission.timer = None
        if becoming == APPROVED:
            _pay(world, submission, "reward", submission.study.reward)
        set_status(world, submission, becoming)

    submission.timer = world.clock.call_at(world.now() + seconds, ring)


def _act(
    world: ProlificWorld, submission: StandInSubmission, actions: list[JSONObject], data: JSONObject | None
) -> None:
    """Do what a completion code says; without any action a person has to look."""
    becoming = AWAITING_REVIEW
    for action in actions:
        name = action["action"]
        if name == "AUTOMATICALLY_APPROVE":
            becoming = APPROVED
        elif name == "REQUEST_RETURN":
            submission.return_requested = world.now()
        elif name in ("ADD_TO_PARTICIPANT_GROUP", "REMOVE_FROM_PARTICIPANT_GROUP"):
            _change_group(world, submission, action["participant_group"], joins=name.startswith("ADD"))
        elif name == "FIXED_SCREEN_OUT_PAYMENT" and submission.study.screened_out < submission.study.slots:
            becoming = SCREENED_OUT
        elif name == "DYNAMIC_PAYMENT" and data:
            becoming = PARTIALLY_APPROVED
    _settle(world, submission, becoming, data or {})


def _settle(world: ProlificWorld, submission: StandInSubmission, becoming: str, data: JSONObject) -> None:
    study = submission.study
    if becoming == APPROVED:
        _pay(world, submission, "reward", study.reward)
    elif becoming == PARTIALLY_APPROVED:
        share = Decimal(str(data["percentage_of_reward"])) / 100
        _pay(world, submission, "partial", int((study.reward * share).quantize(Decimal(1), ROUND_HALF_UP)))
    elif becoming == SCREENED_OUT:
        study.screened_out += 1
        # It is shown among the bonuses, as Prolific does.
        submission.bonuses.append(study.screen_out.amount)
        _pay(world, submission, "screen_out", study.screen_out.amount)
    set_status(world, submission, becoming)
    if becoming == SCREENED_OUT and study.screened_out >= study.slots and study.status == ACTIVE:
        set_study_status(world, study, PAUSED)


def _change_group(world: ProlificWorld, submission: StandInSubmission, group_id: str, *, joins: bool) -> None:
    group = world.groups.get(group_id)
    if group is None:
        return
    if joins:
        group.members.setdefault(submission.participant_id, world.now())
    else:
        group.members.pop(submission.participant_id, None)


def _check_actions(study: StandInStudy, names: list[str], data: JSONObject) -> None:
    if "DYNAMIC_PAYMENT" in names:
        share = data.get("percentage_of_reward")
        if not is_number(share) or not 8 <= float(str(share)) <= 99:
            raise nested({"completion_code_data": ["percentage_of_reward is from 8 to 99."]})
    if "FIXED_SCREEN_OUT_PAYMENT" in names and study.screened_out >= study.slots:
        raise nested({"completion_code": ["All screen-out slots of this study are used up."]})


def _afford_place(world: ProlificWorld, study: StandInStudy) -> None:
    """Refuse to take one more than a study has money locked for, if there is none left to pay for it."""
    if study.is_stopped or study.status == COMPLETED or study.open_places <= 0:
        afford(world, study, study.place.total)


def _decide(world: ProlificWorld, submission: StandInSubmission, becoming: str) -> None:
    """Take a decision in, which takes a moment."""
    if world.settings.processing <= 0:
        _finish(world, submission, becoming)
        return
    submission.becoming = becoming
    set_status(world, submission, PROCESSING)
    world.clock.call_at(world.now() + world.settings.processing, lambda: _finish(world, submission, becoming))


def _finish(world: ProlificWorld, submission: StandInSubmission, becoming: str) -> None:
    submission.becoming = None
    if becoming == APPROVED:
        _pay(world, submission, "reward", submission.study.reward)
    set_status(world, submission, becoming)


def _pay(world: ProlificWorld, submission: StandInSubmission, kind: str, amount: int) -> None:
    study = submission.study
    price = world.books.price(amount)
    payment = StandInPayment(world.now(), kind, study.id, submission.id, submission.participant_id, price)
    world.books.pay(world.account_of(study), payment)
