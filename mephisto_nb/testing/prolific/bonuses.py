"""Bonuses, in two steps: they are set up, which costs nothing, and paid, as often as is asked; and bulk approvals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.books import StandInPayment, StandInPrice, sum_of
from mephisto_nb.testing.prolific.records import (
    AWAITING_REVIEW,
    TIMED_OUT,
    StandInBonuses,
    StandInStudy,
    StandInSubmission,
)
from mephisto_nb.testing.prolific.refusals import bare, nested, with_message
from mephisto_nb.testing.prolific.submissions import approve
from mephisto_nb.testing.prolific.world import ProlificWorld, found

#: For how long the same bulk approval is taken for one (seconds).
_SAME_WITHIN = 300.0


def set_up_bonuses(world: ProlificWorld, study: StandInStudy, text: object) -> StandInBonuses:
    """Make a list of bonuses from lines of ``participant or submission,amount``, the amount in major units."""
    lines = [line.strip() for line in text.split("\n") if line.strip()] if isinstance(text, str) else []
    if not lines:
        raise nested({"csv_bonuses": ["This field is required."]})
    rows, unknown = [], []
    for line in lines:
        one_id, _, amount = line.partition(",")
        submission = _submission_for(world, study, one_id.strip())
        if submission is None:
            unknown.append(one_id.strip())
        else:
            rows.append((submission, world.books.price(_cents(amount))))
    if unknown:
        raise with_message(f"These ids have no submission in the study: {', '.join(unknown)}")
    made = StandInBonuses(world.new_id(), study, rows)
    world.bonuses[made.id] = made
    return made


def price_of(bonuses: StandInBonuses) -> StandInPrice:
    """Return what bonuses cost together."""
    return sum_of(price for _, price in bonuses.rows)


def pay_bonuses(world: ProlificWorld, bonuses_id: str) -> None:
    """Have bonuses paid, a while later; whoever asks twice pays twice."""
    bonuses = found(world.bonuses, bonuses_id)
    account, total = world.account_of(bonuses.study), price_of(bonuses).total
    if total > account.available:
        raise with_message(f"Insufficient funds: {total} needed, {account.available} available.")
    bonuses.times_paid += 1
    key = f"{bonuses.id}/{bonuses.times_paid}"
    account.lock(key, total)
    world.clock.call_at(world.now() + world.settings.paying, lambda: _arrive(world, bonuses, key))


def bulk_approve(world: ProlificWorld, body: JSONObject, asked: dict[tuple[str, ...], float]) -> None:
    """Have many submissions approved, a while later; `asked` is what was asked for lately."""
    ids, study_id, people = (body.get(name) for name in ("submission_ids", "study_id", "participant_ids"))
    if (ids is None) == (study_id is None) or (ids is not None and people is not None):
        raise nested("Give submission_ids, or study_id with participant_ids, and not both.")
    if ids is not None:
        chosen = [world.submission(str(one)) for one in ids]
    else:
        study = world.study(str(study_id))
        chosen = [one for pid in people or () for one in world.submissions_of(study, str(pid))]
    key = tuple(sorted(one.id for one in chosen))
    if not key:
        raise bare(400, "No submissions to approve.")
    if world.now() - asked.get(key, -_SAME_WITHIN) < _SAME_WITHIN:
        return
    asked[key] = world.now()
    world.clock.call_at(world.now() + world.settings.bulk, lambda: _approve_all(world, chosen))


def _approve_all(world: ProlificWorld, chosen: list[StandInSubmission]) -> None:
    for one in chosen:
        if one.status in (AWAITING_REVIEW, TIMED_OUT):
            approve(world, one)


def _submission_for(world: ProlificWorld, study: StandInStudy, one_id: str) -> StandInSubmission | None:
    by_id = world.submissions.get(one_id)
    if by_id is not None:
        return by_id if by_id.study is study else None
    of_person = world.submissions_of(study, one_id)
    return of_person[-1] if of_person else None


def _cents(amount: str) -> int:
    try:
        value = Decimal(amount.strip()) * 100
    except InvalidOperation as error:
        raise with_message(f"{amount[:40]!r} is no amount.") from error
    if not value.is_finite() or value <= 0 or value != value.to_integral_value():
        raise with_message(f"{amount[:40]!r} is no amount: at most two decimals, and more than 0.")
    return int(value)


def _arrive(world: ProlificWorld, bonuses: StandInBonuses, key: str) -> None:
    account = world.account_of(bonuses.study)
    account.lock(key, 0)
    for submission, price in bonuses.rows:
        submission.bonuses.append(price.amount)
        one = StandInPayment(world.now(), "bonus", bonuses.study.id, submission.id, submission.participant_id, price)
        world.books.pay(account, one)
    world.wake()
