"""What a crowd does itself is asked of it once a decision is kept: to pay, to reject, to write, to block.

What has been asked for is noted: of payments by their status, of all else by rows of the event log. So a kernel that
dies in between asks again for what is not noted, with the same key, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import WorldError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.money import dollars
from mephisto_nb.model.records import Event
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.ports.crowd_provider import CrowdProvider, CrowdVerb, CrowdWork

TOLD = "the crowd was told"
REFUSED = "the crowd did not do it"


async def tell_crowd(run: RunFrames) -> list[str]:
    """Ask a run's crowd for all that was decided and is not done yet, as far as it does such things itself.

    Returns
    -------
    list of str
        What the crowd has refused, or could not be asked for; each is in the event log, and asked for again the next
        time.

    Raises
    ------
    DatabaseError, ClosedError
        What was done could not be noted.
    """
    provider = run.provider
    if provider is None or not provider.CAN:
        return []
    troubles: list[str] = []
    for verb, subject, row, work in await in_thread(lambda: list(_due(run, provider.CAN))):
        if not await in_thread(_is_still_due, run, verb, row):
            continue
        try:
            await _verbs(provider)[verb](work)
        except WorldError as error:
            troubles.append(f"{verb.value} for {work.worker_name}: {error}")
            await _note(run, verb, subject, work.key, f"{REFUSED}: {error}")
            continue
        if subject == "payment":
            if not await _settle(run, row["payment_id"]):
                why = f"was paid nonetheless ({dollars(work.amount)}): it was taken back in the very moment"
                troubles.append(f"{verb.value} for {work.worker_name}: {why}")
                await _note(run, verb, subject, row["payment_id"], why)
        else:
            await _note(run, verb, subject, row["review_id"], TOLD)
    return troubles


def _is_still_due(run: RunFrames, verb: CrowdVerb, row: JSONObject) -> bool:
    """Return whether what was due when all of it was read still is: a crowd may take its time, and others decide."""
    if "payment_id" in row:
        return PaymentStatus.OWED in run.database.reviews.read_payment_statuses([row["payment_id"]]).values()
    unit_id = row["unit_id"]
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, [unit_id]).get(unit_id)
    # Who was rejected, and then approved after all, has not to be rejected any more.
    return kept is not None and (verb is not CrowdVerb.REJECT or kept.review.review_id == row["review_id"])


async def _settle(run: RunFrames, payment_id: str) -> bool:
    """Note that the crowd has paid; return whether it was still to. The money is gone even where it was not."""
    about = run.clock.now(), run.task_run.provider_type
    settle, after = run.database.reviews.settle_payments, PaymentStatus.SENT
    if await run.writer.call(settle, [payment_id], PaymentStatus.OWED, after, *about):
        return True
    return not await run.writer.call(settle, [payment_id], PaymentStatus.CANCELLED, after, *about)


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
    told = {(event.subject_id, event.after) for event in run.database.runs.read_events([id_], why=TOLD)}
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
            key=f"{row[f'{subject}_id']}:{verb.value}",
            unit_id=row["unit_id"] or "",
            agent_id=agent.agent_id if agent else "",
            worker_name=row["worker_name"],
            registration_id=agent.registration_id if agent else "",
            amount=float(row.get("amount") or 0.0),
            text=str(row.get("reason") or row.get("message") or ""),
        )  # fmt: skip


def _asked_by(review: JSONObject) -> Iterator[CrowdVerb]:
    if review["after"] == UnitStatus.REJECTED.value:
        yield CrowdVerb.REJECT
    if review["message"]:
        yield CrowdVerb.MESSAGE
    if review["blocked"]:
        yield CrowdVerb.BLOCK


def _paid_by(payment: JSONObject) -> CrowdVerb:
    return CrowdVerb.APPROVE if payment["kind"] == PaymentKind.REWARD.value else CrowdVerb.BONUS
