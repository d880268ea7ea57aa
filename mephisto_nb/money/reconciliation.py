"""What we believe of a run's visits and payments, held against its crowd's books, and repaired where that can be done.

`rules.reconciling` names the differences; here both sides are read, and repairs carried out. What costs money is never
done by itself: a repair ends visits, tells the crowd what it has not heard, and notes what is in its books.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.task_run_settings import settings_from_dict
from mephisto_nb.errors import ConfigError, ConflictError, UsageError, WorldError
from mephisto_nb.frames.frames import make_frame
from mephisto_nb.frames.run_frames import RunFrames, has_ended
from mephisto_nb.kernel.recruiting.study import CLOSED, KEPT, RunMemory
from mephisto_nb.kernel.visits.telling import end_of_row, note_told_of_stored, tell
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddPayment, ChangePayment, Changes
from mephisto_nb.model.crowd import CrowdVisit
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Event, Payment
from mephisto_nb.model.states import PAYMENT_OF_WORK, PaymentKind, PaymentStatus
from mephisto_nb.model.task_run_args import make_visit_rules
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.ports.recruiter import Recruiter
from mephisto_nb.rules.reconciling import Difference, DifferenceKind, OurPayment, OurVisit, Repair, compare
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visit_steps import note_told
from mephisto_nb.rules.visits import end
from mephisto_nb.utils.calling import face
from mephisto_nb.utils.garbage import no_collection
from mephisto_nb.utils.ids import new_id

RECONCILIATION_COLUMNS = (
    "kind", "repair", "automatic", "visit_id", "registration_id", "worker_name", "ours", "theirs", "amount", "currency",
    "payment_id",
)  # fmt: skip
REPAIR_COLUMNS = (*RECONCILIATION_COLUMNS, "done", "why")
#: What one row is known by again.
_SAME = ("kind", "repair", "registration_id", "payment_id", "amount")
#: After so many visits that were read, whoever else is on the loop has their turn.
_CHUNK = 100
#: So many payments are confirmed by one call.
_TOGETHER = 500
#: What is written to somebody who handed in at the crowd, and has no answer here.
NO_ANSWER = "We have no answers of yours: this submission was handed in without the task being done. Please return it."
_S = PaymentStatus
#: What the key of a visit's pay ends with that somebody else has given; as all that is booked for a visit, it has a
#: number.
_REWARD = "reward:0"
#: By which ways a payment comes to be confirmed.
_WAYS = {_S.OWED: (_S.SENT, _S.CONFIRMED), _S.SENDING: (_S.CONFIRMED,), _S.SENT: (_S.CONFIRMED,)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides of a run, or of some visits of it, at one moment, and where they differ.

    `ours` are by our ids, with their `rows`; `theirs` by the crowd's.
    """

    differences: Sequence[Difference]
    ours: Mapping[str, OurVisit] = field(default_factory=dict)
    rows: Mapping[str, JSONObject] = field(default_factory=dict)
    theirs: Mapping[str, CrowdVisit] = field(default_factory=dict)


# -- reading both sides


async def recruiter_of(run: RunFrames) -> Recruiter:
    """Return who offered a run to its crowd, and can be asked what that says.

    Raises
    ------
    UsageError
        The crowd does not recruit, so that it keeps no books of visits that could be read; or the run has no visits.
    """
    provider = run.crowd.provider
    recruiter = None if provider is None else provider.recruiter
    if recruiter is None or rules_of(run) is None:
        raise UsageError(
            f"The crowd of run {run.task_run_id} keeps no books of visits that could be read from here "
            f"({run.task_run.provider_type}). What is owed, and what was paid: run.payments()."
        )
    if run.live is None:
        memory = RunMemory(run.task_run_id, run.database, run.writer)
        await memory.load()
        recruiter.recall(run.task_run_id, memory)
    return recruiter


def rules_of(run: RunFrames) -> VisitRules | None:
    """Return what the visits of a run are; None: it has none, or its crowd is not known here."""
    if run.engine is not None:
        return run.engine.rules.visits
    provider = run.crowd.provider
    if provider is None:
        return None
    return make_visit_rules(settings_from_dict(run.task_run.config).task, serves_again=provider.SERVES_AGAIN)


async def close_if_over(run: RunFrames, recruiter: Recruiter) -> None:
    """Close the study of a run that has ended, where that could not be done at its end. Raises `WorldError`."""
    if run.engine is not None or not has_ended(run):
        return
    memory = RunMemory(run.task_run_id, run.database, run.writer)
    await memory.load()
    kept = memory.read().get(KEPT)
    if isinstance(kept, dict) and kept.get("stage") != CLOSED:
        await recruiter.close()
        await memory.keep({KEPT: {**kept, "stage": CLOSED}})


async def compare_all(run: RunFrames, recruiter: Recruiter) -> Comparison:
    """Hold all visits of a run against all that its crowd knows of. Raises `WorldError`."""
    theirs = [one async for one in _in_turns(recruiter.read_visits())]
    return await in_thread(_compare, run, theirs)


async def compare_some(run: RunFrames, recruiter: Recruiter, registration_ids: Iterable[str]) -> Comparison:
    """Hold some visits against what their crowd says of each; those that it does not know are left out."""
    found = [await recruiter.read_visit(id_) for id_ in registration_ids]
    return await in_thread(_compare, run, [one for one in found if one is not None], alone=True)


async def _in_turns(visits: AsyncIterator[CrowdVisit]) -> AsyncIterator[CrowdVisit]:
    """Yield visits, and let others have their turn now and then: a crowd gives hundreds at once."""
    count = 0
    async for one in visits:
        yield one
        count += 1
        if count % _CHUNK == 0:
            await asyncio.sleep(0)


def _compare(run: RunFrames, theirs: Sequence[CrowdVisit], *, alone: bool = False) -> Comparison:
    with no_collection():
        return _hold_against(run, theirs, alone=alone)


def _hold_against(run: RunFrames, theirs: Sequence[CrowdVisit], *, alone: bool) -> Comparison:
    there = {one.registration_id: one for one in theirs}
    rows = {row["visit_id"]: row for row in run.database.runs.read_visits([run.task_run_id])}
    if alone:
        rows = {id_: row for id_, row in rows.items() if row["registration_id"] in there}
    ours = {one.visit_id: one for one in _read_ours(run, rows)}
    return Comparison(compare(ours.values(), theirs, run.clock.now()), ours, rows, there)


def _read_ours(run: RunFrames, rows: Mapping[str, JSONObject]) -> Iterable[OurVisit]:
    rewards, bonuses = _read_payments(run, rows)
    for row in rows.values():
        yield OurVisit(
            visit_id=row["visit_id"],
            registration_id=row["registration_id"],
            worker_name=row["worker_name"],
            outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
            done=row["done"],
            began_at=row["begun_at"],
            ended_at=row["ended_at"],
            reward=rewards.get(row["visit_id"]),
            bonuses=tuple(bonuses.get(row["visit_id"], ())),
        )


def _read_payments(
    run: RunFrames, visits: Mapping[str, JSONObject]
) -> tuple[dict[str, OurPayment], dict[str, list[OurPayment]]]:
    """Return the pay of visits itself, and what was paid beside it, by visit."""
    rows = run.database.reviews.read_payments([run.task_run_id])
    of_unit: dict[str, str | None] = {}
    if any(row["visit_id"] is None and row["unit_id"] for row in rows):
        of_unit = {row["unit_id"]: row["visit_id"] for row in run.database.runs.read_units([run.task_run_id])}
    rewards, bonuses = dict[str, OurPayment](), dict[str, list[OurPayment]]()
    for row in rows:
        visit_id = row["visit_id"] or of_unit.get(row["unit_id"] or "")
        if visit_id is None or visit_id not in visits:
            continue
        at = max(row["asked_at"] or 0.0, row["sent_at"] or 0.0, row["created_at"])
        payment = OurPayment(row["payment_id"], row["amount"], PaymentStatus(row["status"]), at)
        is_booked = row["key"] == _key(run, visits[visit_id]["registration_id"], _REWARD)
        if row["kind"] == PaymentKind.REWARD.value:
            rewards[visit_id] = payment
        elif is_booked:
            rewards.setdefault(visit_id, payment)
        else:
            bonuses.setdefault(visit_id, []).append(payment)
    return rewards, bonuses


def _key(run: RunFrames, registration_id: str, what: str) -> str:
    """Return what makes a payment once that is in the crowd's books alone."""
    return f"{run.task_run_id}:there:{registration_id}:{what}"


# -- repairing


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a difference: whether it was repaired, or why not."""

    difference: Difference
    done: bool
    why: str = ""


class Repairer:
    """Carries out repairs of one run.

    Parameters
    ----------
    run
        The run.
    recruiter
        Asks its crowd.
    found
        Both sides, a moment ago.
    """

    def __init__(self, run: RunFrames, recruiter: Recruiter, found: Comparison) -> None:
        self._run, self._recruiter, self._found = run, recruiter, found
        self._who = run.task_run.provider_type
        self._booked: Counter[str] = Counter()

    async def repair(self, differences: Iterable[Difference]) -> list[Repaired]:
        """Repair differences, each for itself; payments that are in the crowd's books are noted together.

        Raises
        ------
        DatabaseError, ClosedError
            What was done could not be noted.
        """
        wanted = list(differences)
        confirmed = await self._confirm([one for one in wanted if one.repair is Repair.CONFIRM])
        outcomes = []
        for one in wanted:
            if one.repair is Repair.CONFIRM:
                done = one.payment_id in confirmed
                outcomes.append(Repaired(one, done, "" if done else "somebody has changed the payment since"))
            else:
                why = await self._repair(one)
                outcomes.append(Repaired(one, not why, why))
        return outcomes

    async def _repair(self, difference: Difference) -> str:
        """Carry one repair out; return why that could not be done, or ''."""
        if difference.repair is Repair.END_VISIT:
            return await self._end_visit(difference)
        if difference.repair is Repair.TELL:
            return await self._tell(difference)
        if difference.repair is Repair.BOOK:
            return await self._book(difference)
        if difference.repair is Repair.PAY_BY_BONUS:
            return await self._owe_as_bonus(difference)
        if difference.repair is Repair.ASK_TO_RETURN:
            return await self._ask_to_return(difference)
        return what_to_do(difference)

    async def _end_visit(self, difference: Difference) -> str:
        engine = self._run.engine
        if engine is None:
            return f"nobody drives the run: await operator.reconnect({self._run.task_run_id!r})"
        visit_id, outcome = difference.visit_id or "", difference.outcome or Outcome.RETURNED
        await engine.do(partial(_end, visit_id=visit_id, outcome=outcome, who=self._who))
        return ""

    async def _tell(self, difference: Difference) -> str:
        exits = None if self._run.crowd.provider is None else self._run.crowd.provider.exits
        visit_id, rules = difference.visit_id or "", rules_of(self._run) or VisitRules()
        if exits is None or not exits.TELLS_CROWD:
            return "this crowd is told by its people alone, who have not gone back to it"
        row = self._found.rows[visit_id]
        if trouble := await tell(exits, end_of_row(row, rules)):
            return trouble
        if row["told_at"] is None:
            await self._note_told(visit_id)
        return ""

    async def _note_told(self, visit_id: str) -> None:
        if self._run.engine is not None:
            await self._run.engine.do(partial(note_told, visit_id=visit_id))
            return
        await note_told_of_stored(self._run.task_run_id, visit_id, self._run.writer, self._run.clock)

    async def _book(self, difference: Difference) -> str:
        amount, visit_id = difference.amount, difference.visit_id or ""
        if amount is None:
            return "the crowd does not say how much it has paid"
        is_bonus = difference.kind is DifferenceKind.BONUS_THERE
        what = f"bonus:{amount.thousandths}{amount.currency}:{self._number(difference)}" if is_bonus else _REWARD
        now, reason = self._run.clock.now(), "Paid at the crowd, not from here"
        payment = Payment(
            payment_id=new_id(),
            key=_key(self._run, difference.registration_id, what),
            worker_id=self._found.rows[visit_id]["worker_id"],
            kind=PaymentKind.BONUS if is_bonus else PaymentKind.COMPENSATION,
            amount=amount,
            reason=reason,
            created_at=now,
            task_run_id=self._run.task_run_id,
            status=PaymentStatus.CONFIRMED,
            sent_at=now,
            confirmed_at=now,
            visit_id=visit_id,
            reference=difference.registration_id,
        )
        why = f"{amount} is in the crowd's books, and was not in ours"
        event = Event(now, "payment", payment.payment_id, None, _S.CONFIRMED.value, why, self._who)
        await self._run.writer.commit(Changes(self._run.task_run_id, [AddPayment(payment)], [event]))
        return ""

    async def _owe_as_bonus(self, difference: Difference) -> str:
        """Owe a visit's reward as a bonus, in its place: both in one transaction, so that it is owed once."""
        amount, visit_id = difference.amount, difference.visit_id or ""
        if amount is None or difference.payment_id is None:
            return "there is no such payment"
        rows = await in_thread(self._run.database.reviews.read_payments, [self._run.task_run_id])
        number = sum(row["visit_id"] == visit_id and row["kind"] in PAYMENT_OF_WORK for row in rows)
        now = self._run.clock.now()
        payment = Payment(
            payment_id=new_id(),
            key=f"{self._run.task_run_id}:visit:{visit_id}:{number}",
            worker_id=self._found.rows[visit_id]["worker_id"],
            kind=PaymentKind.COMPENSATION,
            amount=amount,
            reason="your answers",
            created_at=now,
            task_run_id=self._run.task_run_id,
            visit_id=visit_id,
        )
        why = f"{amount} is paid as a bonus, as the visit was given back at the crowd"
        event = Event(now, "payment", payment.payment_id, None, _S.OWED.value, why, self._who)
        change = ChangePayment(difference.payment_id, _S.OWED, _S.CANCELLED)
        try:
            await self._run.writer.commit(Changes(self._run.task_run_id, [change, AddPayment(payment)], [event]))
        except ConflictError:
            return "somebody has changed the payment since"
        return ""

    def _number(self, difference: Difference) -> int:
        """Return which one of the crowd's bonuses of one amount it is; the same whoever counts them."""
        amount, id_ = difference.amount, difference.registration_id
        there = self._found.theirs[id_].bonuses.count(amount) if amount is not None else 0
        alike = [one for one in self._found.differences if one.registration_id == id_ and one.amount == amount]
        left = sum(1 for one in alike if one.repair is Repair.BOOK and one.kind is DifferenceKind.BONUS_THERE)
        counted = f"{id_}:{amount}"
        self._booked[counted] += 1
        return there - left + self._booked[counted] - 1

    async def _ask_to_return(self, difference: Difference) -> str:
        try:
            await self._recruiter.ask_to_return(difference.registration_id, NO_ANSWER)
        except (WorldError, UsageError) as error:
            return str(error)
        return ""

    async def _confirm(self, differences: Sequence[Difference]) -> set[str]:
        """Note payments as confirmed; return which could be."""
        payments = {one.payment_id: one.status for visit in self._found.ours.values() for one in _payments_of(visit)}
        ids = [one.payment_id for one in differences if one.payment_id is not None]
        confirmed: set[str] = set()
        for status, ways in _WAYS.items():
            own = [id_ for id_ in ids if payments.get(id_) is status]
            for start in range(0, len(own), _TOGETHER):
                confirmed |= await self._settle(own[start : start + _TOGETHER], status, ways)
        return confirmed

    async def _settle(self, ids: Collection[str], before: PaymentStatus, ways: Sequence[PaymentStatus]) -> set[str]:
        left = set(ids)
        for after in ways:
            about = (sorted(left), before, after, self._run.clock.now(), self._who)
            left = await self._run.writer.call(self._run.database.reviews.settle_payments, *about)
            before = after
        return left


def _payments_of(visit: OurVisit) -> Iterable[OurPayment]:
    return (*([] if visit.reward is None else [visit.reward]), *visit.bonuses)


def _end(step: Step, visit_id: str, outcome: Outcome, who: str) -> None:
    visit = step.state.visits.visits.get(visit_id)
    if visit is not None:
        end(step, visit, outcome, who)


def what_to_do(difference: Difference) -> str:
    """Return what a person is to do about a difference, in words and code."""
    if difference.repair is Repair.SETTLE:
        settle = f"await operator.ledger.settle({difference.payment_id!r}, paid=True)"
        return f"Look at the crowd's own page, and say whether it was paid: {settle}, or paid=False."
    if difference.repair is Repair.ASK_TO_RETURN:
        choose = f"rows[rows['repair'] == {Repair.ASK_TO_RETURN.value!r}]"
        return (
            "Look whether it is so, then ask them to return it: rows = await run.reconcile(); "
            f"await run.reconcile.repair({choose})."
        )
    if difference.repair is Repair.PAY_BY_BONUS:
        choose = f"rows[rows['repair'] == {Repair.PAY_BY_BONUS.value!r}]"
        return (
            "They did the work, and the crowd pays a visit no more that was given back. To pay it as a bonus: "
            f"rows = await run.reconcile(); await run.reconcile.repair({choose}); await run.review.tell_crowd()."
        )
    return "Look at both sides: await run.reconcile() has them, and the crowd's own page."


async def repair_all(run: RunFrames, recruiter: Recruiter, found: Comparison) -> list[Repaired]:
    """Carry out all repairs that need no person. Raises as `Repairer.repair` does."""
    return await Repairer(run, recruiter, found).repair(one for one in found.differences if not one.needs_person)


# -- what a researcher holds


@face
class RunReconciliation:
    """What we believe of a run's visits and payments, held against what its crowd says.

    Parameters
    ----------
    run
        The run: one that goes on, or one that is looked up.

    Examples
    --------
    ``await run.reconcile()``; ``await run.reconcile.repair()``
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run
        self._home = run.writer.home

    async def differences(self) -> pd.DataFrame:
        """Return one row a difference; ``await run.reconcile()`` is the same.

        Both sides are read anew. A crowd is slow, and tells of things late: what may still settle by itself within a
        quarter of an hour is no difference yet.

        Returns
        -------
        pandas.DataFrame
            Columns `RECONCILIATION_COLUMNS`. ``kind`` says what differs, ``repair`` what can be done about it, and
            ``automatic`` whether that needs nobody. ``registration_id`` is what the crowd calls the visit (its
            submission), and ``visit_id`` what we do, if anybody came by it. ``ours`` and ``theirs`` say in words what
            each side has. ``amount``, in the currency's own unit, and ``payment_id`` are of the payment that it is
            about, if any.

        Raises
        ------
        UsageError
            The crowd keeps no books that could be read.
        WorldError
            The crowd cannot be asked.
        """
        recruiter = await recruiter_of(self._run)
        await close_if_over(self._run, recruiter)
        found = await compare_all(self._run, recruiter)
        return await in_thread(differences_frame, found.differences)

    async def repair(self, rows: pd.DataFrame | None = None) -> pd.DataFrame:
        """Repair differences, and return what became of each.

        Parameters
        ----------
        rows
            Which: rows of `differences`. None: all that need nobody. Of the others, people can be asked to give back
            what they have handed in without an answer; what else a person has to say is said in ``why``.

        Returns
        -------
        pandas.DataFrame
            Columns `REPAIR_COLUMNS`: those of `differences`, whether it was ``done``, and ``why`` not. What is no
            longer different is not among them.

        Raises
        ------
        ConfigError
            `rows` are none of `differences`; nothing was done.
        UsageError, WorldError
            As of `differences`; or what was done could not be noted.

        Examples
        --------
        ``rows = await run.reconcile()``; ``await run.reconcile.repair(rows[rows["kind"] == "paid there"])``
        """
        wanted = None if rows is None else _read_rows(rows)
        recruiter = await recruiter_of(self._run)
        found = await compare_all(self._run, recruiter)
        if wanted is None:
            repaired = await repair_all(self._run, recruiter, found)
        else:
            chosen = await in_thread(lambda: list(_choose(found.differences, wanted)))
            repaired = await Repairer(self._run, recruiter, found).repair(chosen)
        return await in_thread(repairs_frame, repaired)

    def __call__(self) -> Awaitable[pd.DataFrame]:
        """Return one row a difference: `differences`, which says more. To be awaited."""
        return self.differences()


def differences_frame(differences: Iterable[Difference]) -> pd.DataFrame:
    """Make the frame of differences (columns: `RECONCILIATION_COLUMNS`)."""
    frame = make_frame([_row(one) for one in differences], RECONCILIATION_COLUMNS, ())
    return frame.astype({"amount": "float64", "automatic": bool})


def repairs_frame(repaired: Iterable[Repaired]) -> pd.DataFrame:
    """Make the frame of what became of differences (columns: `REPAIR_COLUMNS`)."""
    rows = [{**_row(one.difference), "done": one.done, "why": one.why} for one in repaired]
    return make_frame(rows, REPAIR_COLUMNS, ()).astype({"amount": "float64", "automatic": bool, "done": bool})


def _row(one: Difference) -> JSONObject:
    return {
        "kind": one.kind.value,
        "repair": one.repair.value,
        "automatic": not one.needs_person,
        "visit_id": one.visit_id,
        "registration_id": one.registration_id,
        "worker_name": one.worker_name,
        "ours": one.ours,
        "theirs": one.theirs,
        "amount": None if one.amount is None else float(one.amount),
        "currency": None if one.amount is None else one.amount.currency,
        "payment_id": one.payment_id,
    }


def _read_rows(rows: pd.DataFrame) -> Counter[tuple[object, ...]]:
    if not isinstance(rows, pd.DataFrame) or not set(_SAME) <= set(rows.columns):
        raise ConfigError(
            f"rows are {type(rows).__name__}, and should be rows of a frame that await run.reconcile() gave: "
            "rows = await run.reconcile(), then rows[rows['automatic']], for instance."
        )
    values = rows[list(_SAME)].astype(object).where(rows[list(_SAME)].notna(), None)
    return Counter(map(tuple, values.to_numpy().tolist()))


def _choose(differences: Iterable[Difference], wanted: Counter[tuple[object, ...]]) -> Iterable[Difference]:
    for one in differences:
        row = _row(one)
        same = tuple(row[name] for name in _SAME)
        if wanted[same] > 0:
            wanted[same] -= 1
            yield one
