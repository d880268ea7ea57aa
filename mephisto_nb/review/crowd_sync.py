"""What a crowd does itself is asked of it once a decision is kept: to reject, to write, to block, and to pay.

What it was told is noted by rows of the event log, so that a kernel that dies in between tells it again what is not
noted, with the same key, and nothing else. Of payments, `money.paying` takes care.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.task_run_settings import settings_from_dict
from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.frames.run_frames import RunFrames, has_ended
from mephisto_nb.kernel.visits.telling import tell_later
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Event
from mephisto_nb.model.reviews import Decision, KeptReview
from mephisto_nb.model.states import PAYMENT_GONE, PaymentKind, UnitStatus
from mephisto_nb.model.task_run_args import make_visit_rules, stored_visit_rules
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.money.paying import REFUSED, Trouble, pay_due
from mephisto_nb.ports.crowd_desk import CrowdDesk, CrowdVerb, CrowdWork
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.review.decide import Rule, find_crowd, make_step
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visit_pay import due_for, pay_visits, units_of, worth_at_most
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

TOLD = "the crowd was told"
#: Why a rejection stays.
TOLD_FOR_GOOD = "the crowd was told, and takes nothing back"


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
    await _owe_forgotten(run)
    provider, desk = run.crowd.provider, run.crowd.desk
    if provider is None or desk is None:
        return []
    late = await _tell_visits(run, provider)
    if not desk.CAN:
        return late
    return [*late, *await _tell(run, desk), *await pay_due(run)]


async def tell_crowd_of(run: RunFrames, unit_ids: Sequence[str]) -> dict[str, list[str]]:
    """Do as `tell_crowd`, and return what is the matter with which of these units; with a visit, with each of it."""
    told, found, units_of = await tell_crowd(run), dict[str, list[str]](), dict[str, list[str]]()
    if any(one.visit_id for one in told):
        _, agents = await in_thread(run.database.reviews.load_answers, run.task_run.task_run_id, unit_ids)
        for agent in agents:
            units_of.setdefault(agent.visit_id or "", []).append(agent.unit_id)
    for one in told:
        for unit_id in units_of.get(one.visit_id, []) if one.visit_id else [one.unit_id]:
            found.setdefault(unit_id, []).append(one.words)
    return found


async def _owe_forgotten(run: RunFrames) -> None:
    """Owe visits of which all is decided on, and that nobody owes.

    What somebody else decides while a visit goes on is not known to the kernel in which it ends.
    """
    if unit_ids := await in_thread(_find_forgotten, run):
        step = await in_thread(_paying, run, unit_ids)
        if step.changes:
            await run.writer.commit(step.changes)


def _find_forgotten(run: RunFrames) -> list[str]:
    """Return the units of such visits."""
    id_, rules = run.task_run.task_run_id, stored_visit_rules(run.task_run.config)
    forgotten = {
        visit_id
        for _, visit_id, _, one in run.database.reviews.read_standings([id_])
        if one.outcome is not None and not (one.is_booked or one.waiting) and worth_at_most(one, rules)
    }
    rows = run.database.runs.read_agents([id_]) if forgotten else ()
    return [row["unit_id"] for row in rows if row["visit_id"] in forgotten and row["submitted_at"] is not None]


def _paying(run: RunFrames, unit_ids: Sequence[str]) -> Step:
    step = make_step(run, unit_ids)
    _, books, _ = run.database.reviews.load_visit_books(run.task_run.task_run_id, unit_ids)
    pay_visits(step, books)
    return step


async def _tell_visits(run: RunFrames, provider: CrowdProvider[Any]) -> list[Trouble]:
    """Tell the crowd how visits have ended of which it has not heard, where no kernel drives their run any more."""
    exits, key = provider.exits, f"visits of {run.task_run_id}"
    if exits is None or not exits.TELLS_CROWD or not has_ended(run) or key in run.crowd.in_flight:
        return []
    rules = make_visit_rules(settings_from_dict(run.task_run.config).task, serves_again=provider.SERVES_AGAIN)
    run.crowd.in_flight.add(key)
    try:
        about = run.task_run_id, exits, rules or VisitRules(), run.database, run.writer, run.clock
        return [Trouble("", words) for words in await tell_later(*about)]
    finally:
        run.crowd.in_flight.discard(key)


async def _tell(run: RunFrames, desk: CrowdDesk) -> list[Trouble]:
    due = await in_thread(lambda: list(_due(run, desk.CAN)))
    mine = [one for one in due if one[-1].key not in run.crowd.in_flight]
    keys = {work.key for *_, work in mine}
    run.crowd.in_flight.update(keys)
    try:
        # What was listed may have been told since, by who listed it first.
        told = await in_thread(_read_told, run) if mine else set()
        asked = [one for one in mine if (one[1]["review_id"], one[0].value) not in told]
        return [Trouble(one[-1].unit_id, words) for one in asked if (words := await _ask(run, desk, *one))]
    finally:
        run.crowd.in_flight.difference_update(keys)


async def _ask(run: RunFrames, desk: CrowdDesk, verb: CrowdVerb, review: JSONObject, work: CrowdWork) -> str:
    """Tell one thing, if it is still due, and note what came of it; return what went wrong."""
    if not await in_thread(_is_still_due, run, verb, review):
        return ""
    trouble = ""
    try:
        await _verbs(desk)[verb](work)
    except WorldError as error:
        trouble = str(error)
    except Exception as error:
        name = run.task_run.provider_type
        logger.exception("the crowd %r could not %s for %r", name, verb.value, work.worker_name)
        trouble = f"{type(error).__name__}: {error}"
    await _note(run, verb, review["review_id"], f"{REFUSED}: {trouble}" if trouble else TOLD)
    return trouble and f"{verb.value} for {work.worker_name}: {trouble}"


def _is_still_due(run: RunFrames, verb: CrowdVerb, review: JSONObject) -> bool:
    """Return whether what was due when all of it was read still is: a crowd may take its time, and others decide."""
    unit_id = review["unit_id"]
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, [unit_id]).get(unit_id)
    # Who was rejected, and then approved after all, has not to be rejected any more.
    return kept is not None and (verb is not CrowdVerb.REJECT or kept.review.review_id == review["review_id"])


def _verbs(desk: CrowdDesk) -> dict[CrowdVerb, Callable[[CrowdWork], Awaitable[None]]]:
    return {
        CrowdVerb.REJECT: desk.reject_work,
        CrowdVerb.MESSAGE: desk.send_message,
        CrowdVerb.BLOCK: desk.block_worker,
    }


async def _note(run: RunFrames, verb: CrowdVerb, review_id: str, why: str) -> None:
    event = Event(run.clock.now(), "review", review_id, None, verb.value, why, run.task_run.provider_type)
    await run.writer.commit(Changes(run.task_run.task_run_id, events=[event]))


_Due = tuple[CrowdVerb, JSONObject, CrowdWork]


def _due(run: RunFrames, can: frozenset[CrowdVerb]) -> Iterator[_Due]:
    """Return what of the decisions is still to be told."""
    id_, told = run.task_run.task_run_id, _read_told(run)
    reviews = [one for one in run.database.reviews.read_reviews([id_]) if not one["undoes"] and not one["undone_by"]]
    asked = [(one, verb) for one in reviews for verb in _asked_by(one) if (one["review_id"], verb) not in told]
    due = _by_visit(run, [(one, verb) for one, verb in asked if verb in can])
    _, agents = run.database.reviews.load_answers(id_, list({one["unit_id"] for one, _ in due}))
    pages = {agent.unit_id: agent for agent in agents}
    for review, verb in due:
        agent = pages.get(review["unit_id"])
        yield (
            verb,
            review,
            CrowdWork(
                key=_key(review["review_id"], verb),
                unit_id=review["unit_id"],
                agent_id=agent.agent_id if agent else "",
                worker_name=review["worker_name"],
                registration_id=agent.registration_id if agent else "",
                amount=Money(0),
                text=review["message"],
                category=review["category"],
            ),
        )


def _by_visit(run: RunFrames, due: list[tuple[JSONObject, CrowdVerb]]) -> list[tuple[JSONObject, CrowdVerb]]:
    """Keep one rejection of a visit of which all is rejected, and none of other visits: crowds know no parts."""
    rejected = [one for one, verb in due if verb is CrowdVerb.REJECT]
    if not rejected:
        return due
    load = run.database.reviews.load_visit_books
    visits, _, units = load(run.task_run.task_run_id, [one["unit_id"] for one in rejected])
    if not visits:
        return due
    step = make_step(run, units)
    # Those of the step, whose answers are counted: of none, any decision would be the last one.
    own = step.state.visits.visits.values()
    lost = {one.visit_id for one in own if (share := due_for(step, one)) and share.is_final and not share.parts}
    visit_of = {agent.unit_id: agent.visit_id for agent in step.state.agents.values()}
    last = {visit_of.get(one["unit_id"]): one["review_id"] for one in rejected}
    told = {id_ for visit_id, id_ in last.items() if visit_id in lost}
    told |= {one["review_id"] for one in rejected if visit_of.get(one["unit_id"]) is None}
    return [(one, verb) for one, verb in due if verb is not CrowdVerb.REJECT or one["review_id"] in told]


def _read_told(run: RunFrames) -> set[tuple[str, str | None]]:
    """Return what the crowd was told of decisions: their ids, and the verbs."""
    events = run.database.runs.read_events([run.task_run.task_run_id], why=TOLD)
    return {(event.subject_id, event.after) for event in events}


def find_told_rejections(run: RunFrames, kept: Mapping[str, KeptReview]) -> set[str]:
    """Return the units whose rejection the crowd was told of, or is being told, and does not take back; reads that."""
    rejected = {id_: one.review.review_id for id_, one in kept.items() if one.review.after is UnitStatus.REJECTED}
    crowd = find_crowd(run.task_run.provider_type)
    if not rejected or (crowd is not None and crowd.DESK.TAKES_REJECTIONS_BACK):
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
    if crowd is not None and CrowdVerb.APPROVE not in crowd.DESK.CAN:
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


def refuse_rejection(run: RunFrames, unit_ids: Sequence[str], decision: Decision, rule: Rule) -> None:
    """Raise `ConfigError` where a run's crowd would refuse what its worker is to be told of a rejection.

    A crowd hears of a visit alone, and only where all of it is rejected.
    """
    desk = run.crowd.desk
    if desk is None or CrowdVerb.REJECT not in desk.CAN:
        return
    why = desk.check_rejection(decision.message, decision.category)
    if not why:
        return
    trouble = f"{run.task_run.provider_type!r} would refuse this rejection, so nothing was decided. {why}"
    step = make_step(run, unit_ids)
    is_done = {one.unit_id for one in rule(step) if one.done}
    visits = step.state.visits.visits
    if not visits and is_done:
        raise ConfigError(trouble)
    for visit in visits.values():
        share = due_for(step, visit)
        is_concerned = any(unit.unit_id in is_done for unit in units_of(step.state, visit))
        if is_concerned and share is not None and share.is_final and not share.parts:
            raise ConfigError(trouble)
