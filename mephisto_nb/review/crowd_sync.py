"""What a crowd does itself is asked of it once a decision is kept: to pay, to reject, to write, to block.

What has been asked for is noted: of payments by their status, of all else by rows of the event log. So a kernel that
dies in between asks again for what is not noted, with the same key, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.task_run_settings import settings_from_dict
from mephisto_nb.errors import WorldError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.visits.telling import tell_later
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Event
from mephisto_nb.model.reviews import KeptReview
from mephisto_nb.model.states import PAYMENT_GONE, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.task_run_args import make_visit_rules
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.ports.crowd_provider import CrowdProvider, CrowdVerb, CrowdWork
from mephisto_nb.review.decide import find_crowd
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

TOLD = "the crowd was told"
REFUSED = "the crowd did not do it"
#: Why a rejection stays.
TOLD_FOR_GOOD = "the crowd was told, and takes nothing back"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a crowd has refused, could not be asked for, or has paid too much, and for which unit ("": for none)."""

    unit_id: str
    words: str


async def tell_crowd(run: RunFrames) -> list[Trouble]:
    """Ask a run's crowd for all that was decided and is not done yet, as far as it does such things itself.

    What somebody else in this kernel is asking for already is left to them.

    Returns
    -------
    list of Trouble
        What the crowd has refused, or could not be asked for; each is in the event log, and asked for again the next
        time. And what it has paid nonetheless, or a second time.

    Raises
    ------
    DatabaseError, ClosedError
        What was done could not be noted.
    """
    provider = run.crowd.provider
    if provider is None:
        return []
    late = await _tell_visits(run, provider)
    if not provider.CAN:
        return late
    due = await in_thread(lambda: list(_due(run, provider.CAN)))
    mine = [one for one in due if one[-1].key not in run.crowd.in_flight]
    keys = {work.key for *_, work in mine}
    run.crowd.in_flight.update(keys)
    try:
        # What was listed may have been told since, by who listed it first.
        told = await in_thread(_read_told, run) if mine else set()
        asked = [one for one in mine if (one[2].get("review_id"), one[0].value) not in told]
        return late + [Trouble(one[-1].unit_id, words) for one in asked if (words := await _ask(run, provider, *one))]
    finally:
        run.crowd.in_flight.difference_update(keys)


async def _tell_visits(run: RunFrames, provider: CrowdProvider[Any]) -> list[Trouble]:
    """Tell the crowd how visits have ended of which it has not heard, where no kernel drives their run any more."""
    exits, key = provider.exits, f"visits of {run.task_run_id}"
    is_over = run.task_run.ended_at is not None or (run.live is not None and run.live.over.is_set())
    if exits is None or not exits.TELLS_CROWD or not is_over or key in run.crowd.in_flight:
        return []
    rules = make_visit_rules(settings_from_dict(run.task_run.config).task, serves_again=provider.SERVES_AGAIN)
    run.crowd.in_flight.add(key)
    try:
        about = run.task_run_id, exits, rules or VisitRules(), run.database, run.writer, run.clock
        return [Trouble("", words) for words in await tell_later(*about)]
    finally:
        run.crowd.in_flight.discard(key)


async def _ask(
    run: RunFrames, provider: CrowdProvider[Any], verb: CrowdVerb, subject: str, row: JSONObject, work: CrowdWork
) -> str:
    """Ask for one thing, if it is still due, and note what came of it; return what went wrong."""
    if not await in_thread(_is_still_due, run, verb, row):
        return ""
    note = partial(_note, run, verb, subject, row[f"{subject}_id"])
    trouble = ""
    try:
        await _verbs(provider)[verb](work)
    except WorldError as error:
        trouble = str(error)
    except Exception as error:
        logger.exception("the provider %r could not %s for %r", provider.PROVIDER_TYPE, verb.value, work.worker_name)
        trouble = f"{type(error).__name__}: {error}"
    if trouble:
        await note(f"{REFUSED}: {trouble}")
    elif subject == "review":
        await note(TOLD)
    elif trouble := await _settle(run, row["payment_id"], work.amount):
        await note(trouble)
    return trouble and f"{verb.value} for {work.worker_name}: {trouble}"


def _is_still_due(run: RunFrames, verb: CrowdVerb, row: JSONObject) -> bool:
    """Return whether what was due when all of it was read still is: a crowd may take its time, and others decide."""
    if "payment_id" in row:
        return PaymentStatus.OWED in run.database.reviews.read_payment_statuses([row["payment_id"]]).values()
    unit_id = row["unit_id"]
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, [unit_id]).get(unit_id)
    # Who was rejected, and then approved after all, has not to be rejected any more.
    return kept is not None and (verb is not CrowdVerb.REJECT or kept.review.review_id == row["review_id"])


async def _settle(run: RunFrames, payment_id: str, amount: Money) -> str:
    """Note that the crowd has paid, and return what is wrong with that: the money is gone, whatever it was for."""
    about = run.clock.now(), run.task_run.provider_type
    settle, after = run.database.reviews.settle_payments, PaymentStatus.SENT
    if await run.writer.call(settle, [payment_id], PaymentStatus.OWED, after, *about):
        return ""
    if await run.writer.call(settle, [payment_id], PaymentStatus.CANCELLED, after, *about):
        return f"was paid nonetheless ({amount}): it was taken back in the very moment"
    payers = await in_thread(run.database.reviews.read_payers, [payment_id])
    who = payers.get(payment_id, "")
    if who == run.task_run.provider_type:
        return ""  # another kernel has asked with the same key, for which a crowd pays once
    return f"was paid twice ({amount}): {who or 'somebody'} has marked it as paid in the very moment"


def _verbs(provider: CrowdProvider[Any]) -> dict[CrowdVerb, Callable[[CrowdWork], Awaitable[None]]]:
    return {
        CrowdVerb.APPROVE: provider.approve_work,
        CrowdVerb.REJECT: provider.reject_work,
        CrowdVerb.BONUS: provider.pay_bonus,
        CrowdVerb.MESSAGE: provider.send_message,
        CrowdVerb.BLOCK: provider.block_worker,
    }


async def _note(run: RunFrames, verb: CrowdVerb, subject: str, subject_id: str, why: str) -> None:
    event = Event(run.clock.now(), subject, subject_id, None, verb.value, why, run.task_run.provider_type)
    await run.writer.commit(Changes(run.task_run.task_run_id, events=[event]))


_Due = tuple[CrowdVerb, str, JSONObject, CrowdWork]


def _due(run: RunFrames, can: frozenset[CrowdVerb]) -> Iterator[_Due]:
    """Return what is still to be asked for: what was decided, then what is owed."""
    id_ = run.task_run.task_run_id
    told = _read_told(run)
    reviews = [one for one in run.database.reviews.read_reviews([id_]) if not one["undoes"] and not one["undone_by"]]
    due = [("review", one, verb) for one in reviews for verb in _asked_by(one) if (one["review_id"], verb) not in told]
    owed = [one for one in run.database.reviews.read_payments([id_]) if one["status"] == PaymentStatus.OWED.value]
    owed.sort(key=lambda one: one["kind"] != PaymentKind.REWARD.value)  # crowds pay a bonus only for work they approved
    due += [("payment", one, _paid_by(one)) for one in owed]
    due = [(subject, row, verb) for subject, row, verb in due if verb in can]
    _, agents = run.database.reviews.load_answers(id_, list({row["unit_id"] for _, row, _ in due if row["unit_id"]}))
    pages = {agent.unit_id: agent for agent in agents}
    for subject, row, verb in due:
        agent = pages.get(row["unit_id"])
        yield verb, subject, row, CrowdWork(
            key=_key(row[f"{subject}_id"], verb),
            unit_id=row["unit_id"] or "",
            agent_id=agent.agent_id if agent else "",
            worker_name=row["worker_name"],
            registration_id=agent.registration_id if agent else "",
            amount=row.get("amount") or Money(0, run.task_run.currency),
            text=str(row.get("reason") or row.get("message") or ""),
        )  # fmt: skip


def _read_told(run: RunFrames) -> set[tuple[str, str | None]]:
    """Return what the crowd was told of decisions: their ids, and the verbs."""
    events = run.database.runs.read_events([run.task_run.task_run_id], why=TOLD)
    return {(event.subject_id, event.after) for event in events}


def find_told_rejections(run: RunFrames, kept: Mapping[str, KeptReview]) -> set[str]:
    """Return the units whose rejection the crowd was told of, or is being told, and does not take back; reads that."""
    rejected = {id_: one.review.review_id for id_, one in kept.items() if one.review.after is UnitStatus.REJECTED}
    crowd = find_crowd(run.task_run.provider_type)
    if not rejected or (crowd is not None and crowd.TAKES_REJECTIONS_BACK):
        return set()
    verb = CrowdVerb.REJECT
    under_way = {review_id for review_id in rejected.values() if _key(review_id, verb) in run.crowd.in_flight}
    told = under_way | {id_ for id_, asked in _read_told(run) if asked == verb.value}
    return {unit_id for unit_id, review_id in rejected.items() if review_id in told}


def _key(id_: str, verb: CrowdVerb) -> str:
    return f"{id_}:{verb.value}"


def find_paid_units(run: RunFrames) -> set[str]:
    """Return the units whose own pay was sent by a crowd that pays; what was taken back may be paid nonetheless."""
    crowd = find_crowd(run.task_run.provider_type)
    if crowd is not None and CrowdVerb.APPROVE not in crowd.CAN:
        return set()  # who pays by hand pays what is owed
    rows = run.database.reviews.read_payments([run.task_run.task_run_id])
    return {row["unit_id"] for row in rows if row["kind"] == PaymentKind.REWARD.value and row["status"] in PAYMENT_GONE}


def _asked_by(review: JSONObject) -> Iterator[CrowdVerb]:
    if review["after"] == UnitStatus.REJECTED.value:
        yield CrowdVerb.REJECT
    if review["message"]:
        yield CrowdVerb.MESSAGE
    if review["blocked"]:
        yield CrowdVerb.BLOCK


def _paid_by(payment: JSONObject) -> CrowdVerb:
    return CrowdVerb.APPROVE if payment["kind"] == PaymentKind.REWARD.value else CrowdVerb.BONUS
