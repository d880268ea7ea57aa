"""A crowd that pays is asked for what is owed: once, whatever dies, and whatever it answers.

Each payment is noted as being asked for (``sending``), and committed so, before its crowd hears of it. A refusal leaves
it owed. Where nobody heard whether it was carried out, it stays ``sending``: what a crowd does once, however often it
is asked, is asked for again; of all else the crowd's own books are read, and where they do not tell, a person is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import CrowdRefusedError, OutcomeUnknown, WorldError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.money import Money, apportion
from mephisto_nb.model.records import Agent, Event, KnownPayment
from mephisto_nb.model.states import PaymentKind, PaymentStatus
from mephisto_nb.ports.crowd_desk import CrowdDesk, CrowdVerb, CrowdWork, InBooks, Receipt
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

REFUSED = "the crowd did not do it"
UNHEARD = "nobody heard whether the crowd did it"
#: So long after it was asked, nobody waits for the crowd's answer any more (seconds): each desk gives up sooner.
GIVEN_UP_AFTER = 300.0
#: After so many refusals of parts of one batch, what is left of it is not parted any more.
MOST_REFUSED = 20
#: What a person is told of a payment in doubt.
DOUBT = (
    "{} of {} was asked for, and nobody heard whether it was made. Either it was, and asking again would pay it twice; "
    "or it was not, and is still owed. Look at the crowd's own page, and say which: "
    "await operator.ledger.settle({!r}, paid=True), or paid=False."
)
_S = PaymentStatus


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a crowd has refused, could not be asked for, or has paid too much, of which unit or visit ("": of none)."""

    unit_id: str
    words: str
    visit_id: str = ""


@dataclass(frozen=True, slots=True)
class _Due:
    """A payment, what its crowd is asked for, and the work that it is for."""

    payment_id: str
    verb: CrowdVerb
    status: PaymentStatus
    asked_at: float | None
    work: CrowdWork
    visit_id: str = ""

    def trouble(self, words: str) -> Trouble:
        return Trouble(self.work.unit_id, f"{self.verb.value} for {self.work.worker_name}: {words}", self.visit_id)


async def pay_due(run: RunFrames) -> list[Trouble]:
    """Ask a run's crowd for all that is owed and that it pays itself, and clear up what nobody heard of.

    What somebody else in this kernel is asking for already is left to them; of what another kernel is, the database
    says so.

    Returns
    -------
    list of Trouble
        What the crowd refused or could not be asked for, which is asked for again the next time; what it paid
        nonetheless, or a second time; and what a person has to say, as nobody knows whether it was paid.

    Raises
    ------
    DatabaseError, ClosedError
        What was done could not be noted.
    """
    desk = run.crowd.desk
    if desk is None or not desk.CAN & {CrowdVerb.APPROVE, CrowdVerb.BONUS}:
        return []
    due = await in_thread(lambda: list(_due(run, desk.CAN)))
    mine = [one for one in due if one.work.key not in run.crowd.in_flight]
    keys = {one.work.key for one in mine}
    run.crowd.in_flight.update(keys)
    try:
        asker = _Asker(run, desk)
        troubles = await asker.clear_up([one for one in mine if one.status is _S.SENDING])
        owed = [one for one in mine if one.status is _S.OWED]
        for one in owed:
            if one.verb is CrowdVerb.APPROVE:
                troubles += await asker.approve(one)
        bonuses = [one for one in owed if one.verb is CrowdVerb.BONUS]
        for start in range(0, len(bonuses), desk.LARGEST_BATCH):
            troubles += await asker.pay_batch(bonuses[start : start + desk.LARGEST_BATCH])
        return troubles
    finally:
        run.crowd.in_flight.difference_update(keys)


class _Asker:
    """Asks one crowd for payments of one run, and notes what comes of it."""

    def __init__(self, run: RunFrames, desk: CrowdDesk) -> None:
        self._run, self._desk = run, desk
        self._who = run.task_run.provider_type

    # -- asking

    async def approve(self, due: _Due) -> list[Trouble]:
        """Have an answer's own pay paid, if it is still owed."""
        if due.status is _S.OWED and not await self._settle([due], _S.OWED, _S.SENDING):
            return []
        return await self._ask([due], partial(self._desk.approve_work, due.work))

    async def pay_batch(self, due: Sequence[_Due]) -> list[Trouble]:
        """Have bonuses paid, together; where they are refused, as one of them cannot be, the others by themselves."""
        batches, troubles, refused = [list(due)], list[Trouble](), 0
        while batches:
            batch = batches.pop()
            try:
                troubles += await self.pay_bonuses(batch)
            except CrowdRefusedError as error:
                refused += 1
                if len(batch) == 1 or refused > MOST_REFUSED:
                    troubles += await self._refuse(batch, str(error), put_back=False)
                else:
                    middle = len(batch) // 2
                    batches += [batch[middle:], batch[:middle]]
        return troubles

    async def pay_bonuses(self, due: Sequence[_Due]) -> list[Trouble]:
        """Have bonuses paid, together, those of them that are still owed; raise `CrowdRefusedError` as a quote does."""
        quote, taken = None, list(due)
        while True:
            try:
                quote = await self._desk.quote_bonuses([one.work for one in taken])
            except CrowdRefusedError:
                raise
            except WorldError as error:
                return await self._refuse(taken, str(error), put_back=False)
            except Exception as error:  # nothing was paid: it was only asked what it would cost
                logger.exception("the crowd %r could not say what bonuses cost", self._who)
                return await self._refuse(taken, f"{type(error).__name__}: {error}", put_back=False)
            # What was quoted is kept now: the answer, which would tell it once more, may be lost.
            fees = _shares(quote.fees, taken)
            still = await self._settle(taken, _S.OWED, _S.SENDING, reference=quote.reference, fees=fees)
            if len(still) == len(taken):
                return await self._ask(taken, partial(self._desk.pay_bonuses, quote))
            # Somebody has taken one of them back since: all are put back, and the others are quoted anew.
            left = [one for one in taken if one.payment_id in still]
            await self._settle(left, _S.SENDING, _S.OWED)
            if not left:
                return []
            taken = left

    async def _ask(self, due: Sequence[_Due], call: Callable[[], Awaitable[Receipt]]) -> list[Trouble]:
        try:
            receipt = await call()
        except OutcomeUnknown as error:
            return await self._unheard(due, str(error))
        except WorldError as error:
            return await self._refuse(due, str(error), put_back=True)
        except Exception as error:
            logger.exception("the crowd %r failed while it was asked to pay", self._who)
            return await self._unheard(due, f"{type(error).__name__}: {error}")
        return await self._note_paid(due, receipt)

    # -- what came of it

    async def _refuse(self, due: Sequence[_Due], why: str, *, put_back: bool) -> list[Trouble]:
        if put_back:
            await self._settle(due, _S.SENDING, _S.OWED)
        await self._log(due, f"{REFUSED}: {why}")
        return [one.trouble(why) for one in due]

    async def _unheard(self, due: Sequence[_Due], why: str) -> list[Trouble]:
        await self._log(due, f"{UNHEARD}: {why}")
        return [one.trouble(f"{why}. {self._in_doubt(one)}") for one in due]

    def _in_doubt(self, due: _Due) -> str:
        if due.verb in self._desk.REPEATABLE:
            return "Nobody heard whether it was paid; it is asked for again, which pays it once."
        kind = "A bonus" if due.verb is CrowdVerb.BONUS else "Pay"
        return DOUBT.format(kind, due.work.amount, due.payment_id)

    async def _note_paid(self, due: Sequence[_Due], receipt: Receipt) -> list[Trouble]:
        """Note that the crowd has paid, and return what is wrong with that: the money is gone, whatever it was for."""
        fees = _shares(receipt.fees, due)
        done = await self._settle(due, _S.SENDING, _S.SENT, reference=receipt.reference, fees=fees)
        troubles = []
        for one in due:
            if one.payment_id not in done:
                troubles += await self._note_paid_nonetheless(one, receipt.reference, fees)
        return troubles

    async def _note_paid_nonetheless(
        self, due: _Due, reference: str, fees: Mapping[str, Money] | None
    ) -> list[Trouble]:
        """Note a payment that somebody changed while the crowd was asked."""
        for before in (_S.OWED, _S.CANCELLED):
            if await self._settle([due], before, _S.SENT, reference=reference, fees=fees):
                words = f"was paid nonetheless ({due.work.amount}): it was {before.value} again in the very moment"
                await self._log([due], words)
                return [due.trouble(words)]
        stands = await in_thread(self._run.database.reviews.read_payment_statuses, [due.payment_id])
        payers = await in_thread(self._run.database.reviews.read_payers, [due.payment_id])
        who = payers.get(due.payment_id, "")
        if stands.get(due.payment_id) is not _S.SENT or who == self._who:
            return []  # it was found in the crowd's books meanwhile
        words = f"was paid twice ({due.work.amount}): {who or 'somebody'} has marked it as paid in the very moment"
        await self._log([due], words)
        return [due.trouble(words)]

    # -- what nobody heard of

    async def clear_up(self, due: Sequence[_Due]) -> list[Trouble]:
        """Find out what became of payments that were asked for by somebody who is gone, or did not hear."""
        troubles: list[Trouble] = []
        for one in due:
            if one.verb in self._desk.REPEATABLE:
                troubles += await self.approve(one)
        asked = [one for one in due if one.verb not in self._desk.REPEATABLE]
        for verb in {one.verb: None for one in asked}:
            troubles += await self._look_up([one for one in asked if one.verb is verb], verb)
        return troubles

    async def _look_up(self, due: Sequence[_Due], verb: CrowdVerb) -> list[Trouble]:
        try:
            found = await self._desk.find_payments([one.work for one in due], verb)
        except Exception as error:  # noqa: BLE001 - any crowd's code; it is looked up again the next time
            logger.info("the books of %r could not be read: %s", self._who, error)
            found = {}
        now, troubles = self._run.clock.now(), list[Trouble]()
        for one in due:
            is_given_up = one.asked_at is None or now - one.asked_at >= GIVEN_UP_AFTER
            books = found.get(one.work.key, InBooks.NOBODY_KNOWS)
            if books is InBooks.PAID:
                await self._settle([one], _S.SENDING, _S.CONFIRMED)
            elif is_given_up and books is InBooks.NOT_PAID:
                await self._settle([one], _S.SENDING, _S.OWED)
                troubles += await self._pay_now(one)
            elif is_given_up:
                troubles.append(one.trouble(self._in_doubt(one)))
        return troubles

    async def _pay_now(self, due: _Due) -> list[Trouble]:
        owed = _Due(due.payment_id, due.verb, _S.OWED, None, due.work, due.visit_id)
        return await (self.pay_batch([owed]) if due.verb is CrowdVerb.BONUS else self.approve(owed))

    # -- writing down

    async def _settle(
        self,
        due: Sequence[_Due],
        before: PaymentStatus,
        after: PaymentStatus,
        *,
        reference: str = "",
        fees: Mapping[str, Money] | None = None,
    ) -> set[str]:
        settle = partial(self._run.database.reviews.settle_payments, reference=reference, fees=fees)
        ids = [one.payment_id for one in due]
        return await self._run.writer.call(settle, ids, before, after, self._run.clock.now(), self._who)

    async def _log(self, due: Sequence[_Due], why: str) -> None:
        now = self._run.clock.now()
        events = [Event(now, "payment", one.payment_id, None, one.verb.value, why, self._who) for one in due]
        await self._run.writer.commit(Changes(self._run.task_run.task_run_id, events=events))


def _shares(fees: Money | None, due: Sequence[_Due]) -> dict[str, Money] | None:
    """Return what of a batch's fees is each payment's, by its id; None: nobody told them."""
    if fees is None:
        return None
    shares = apportion(fees, [one.work.amount for one in due])
    return dict(zip([one.payment_id for one in due], shares, strict=True))


def _due(run: RunFrames, can: frozenset[CrowdVerb]) -> Iterator[_Due]:
    """Return what is owed, or being asked for: answers' own pay first, as crowds pay bonuses only for approved work."""
    id_ = run.task_run.task_run_id
    statuses = {_S.OWED.value, _S.SENDING.value}
    every = run.database.reviews.read_payments([id_])
    rows = [row for row in every if row["status"] in statuses]
    rows.sort(key=lambda row: row["kind"] != PaymentKind.REWARD.value)
    _, agents = run.database.reviews.load_answers(id_, [row["unit_id"] for row in every if row["unit_id"]])
    pages = {agent.unit_id: agent for agent in agents}
    # A crowd's books tell bonuses of one visit apart by their amounts alone.
    paid = Counter(_like(row, pages) for row in every if row["status"] in (_S.SENT.value, _S.CONFIRMED.value))
    for row in rows:
        verb = paid_by(row)
        if verb not in can:
            continue
        agent = pages.get(row["unit_id"])
        yield _Due(
            payment_id=row["payment_id"],
            verb=verb,
            status=PaymentStatus(row["status"]),
            asked_at=row["asked_at"],
            work=CrowdWork(
                key=f"{row['payment_id']}:{verb.value}",
                unit_id=row["unit_id"] or "",
                agent_id=agent.agent_id if agent else "",
                worker_name=row["worker_name"],
                registration_id=row["registration_id"] or (agent.registration_id if agent else ""),
                amount=row["amount"],
                text=row["reason"],
                paid_alike=paid[_like(row, pages)],
            ),
            visit_id=row["visit_id"] or "",
        )


def _like(row: JSONObject, pages: Mapping[str, Agent]) -> tuple[str, CrowdVerb, Money]:
    agent = pages.get(row["unit_id"])
    registration = row["registration_id"] or (agent.registration_id if agent else row["worker_id"])
    return registration, paid_by(row), row["amount"]


def is_in_doubt(payment: KnownPayment, now: float) -> bool:
    """Return whether a payment was asked for, and nobody waits for the crowd's answer any more."""
    asked_at = payment.asked_at
    return payment.status is _S.SENDING and (asked_at is None or asked_at <= now - GIVEN_UP_AFTER)


def paid_by(payment: JSONObject) -> CrowdVerb:
    """Return by which of its verbs a crowd makes a payment."""
    return CrowdVerb.APPROVE if payment["kind"] == PaymentKind.REWARD.value else CrowdVerb.BONUS
