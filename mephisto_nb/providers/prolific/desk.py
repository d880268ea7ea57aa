"""What Prolific does itself about work and people: it pays, rejects, writes and blocks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mephisto_nb.errors import CrowdError, CrowdRefusedError, OutcomeUnknown
from mephisto_nb.model.money import Money
from mephisto_nb.ports.crowd_desk import BonusQuote, CrowdDesk, CrowdVerb, CrowdWork, InBooks, Receipt
from mephisto_nb.providers.prolific.account import ProlificAccount
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.objects import ProlificStudy, ProlificSubmission
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID, ProlificGroups
from mephisto_nb.providers.prolific.recruiting.recruiter import screened_out_pay
from mephisto_nb.providers.prolific.settings import REJECTIONS
from mephisto_nb.providers.prolific.submission_calls import SHORTEST_REASON

#: What becomes of a submission soon, so that a refusal says little.
_ON_THE_WAY = {"RESERVED", "ACTIVE", "PROCESSING", "UNKNOWN"}
_UNPAID = {"AWAITING REVIEW", "REJECTED", "RETURNED"}


class ProlificDesk(CrowdDesk):
    """Asks Prolific to pay, reject, write and block, for one run.

    Which study a visit is of is asked of Prolific, so that a run can be reviewed that this kernel never opened.

    Parameters
    ----------
    account
        In whose name.
    groups
        The requester's groups, of which one is of blocked people.
    category
        The reason for a rejection where none is named.
    """

    CAN: ClassVar[frozenset[CrowdVerb]] = frozenset(CrowdVerb)
    LARGEST_BATCH: ClassVar[int] = 200

    def __init__(self, account: ProlificAccount, groups: ProlificGroups, category: str) -> None:
        self._account, self._groups, self._category = account, groups, category
        self._studies: dict[str, ProlificStudy] = {}
        self._study_of: dict[str, str] = {}
        self._turn = asyncio.Lock()

    async def approve_work(self, work: CrowdWork) -> Receipt:
        """Have a visit paid; one that was approved already stays so.

        Raises
        ------
        WorldError
            Prolific refuses: it has not noticed yet that the visit was handed in, say. Or it cannot be reached.
        """
        async with self._account.asking() as api:
            study = await self._find_study(api, work)
            _check_currency(work, study)
            if work.amount != (reward := Money.of_units(study.reward, study.currency)):
                raise CrowdRefusedError(
                    f"Approving a visit pays the study's reward of {reward}, and {work.amount} is owed. Nothing was "
                    "paid. Pay by a bonus what is owed, and mark this payment as paid."
                )
            try:
                await api.submissions.approve(work.registration_id)
            except CrowdRefusedError as error:
                await self._read_refusal(api, work, error, "APPROVED")
            except CrowdError as error:
                raise _unheard(error) from error
        return Receipt(fees=_fees_on(study, study.reward))

    async def reject_work(self, work: CrowdWork) -> None:
        """Have a visit not paid, and its place given to somebody else.

        Raises
        ------
        WorldError
            The reason is too short, or none that Prolific knows; Prolific refuses, or cannot be reached.
        """
        if trouble := self.check_rejection(work.text, work.category):
            raise CrowdRefusedError(f"{trouble} Nothing was done.")
        async with self._account.asking() as api:
            try:
                await api.submissions.reject(work.registration_id, work.text, work.category or self._category)
            except CrowdRefusedError as error:
                await self._read_refusal(api, work, error, "REJECTED")
            except CrowdError as error:
                raise _unheard(error) from error

    def check_rejection(self, text: str, category: str = "") -> str:
        """Return why a rejection with this reason would be refused; '': it would not."""
        category = category or self._category
        if category not in REJECTIONS:
            return f"{category[:40]!r} is no reason that Prolific knows. There are: {', '.join(REJECTIONS)}."
        missing = SHORTEST_REASON - len(text)
        if missing > 0:
            return (
                f"The message says why somebody is rejected, and has {len(text)} characters. Prolific wants "
                f"{SHORTEST_REASON}: write {missing} more, on what was wrong, and where."
            )
        return ""

    async def quote_bonuses(self, works: Sequence[CrowdWork]) -> BonusQuote:
        """Set bonuses up, of which none is paid yet, and say what they come to.

        Raises
        ------
        WorldError
            Somebody has no visit in the study; an amount cannot be paid; or Prolific cannot be reached.
        """
        async with self._account.asking() as api:
            study = await self._find_common_study(api, works)
            for work in works:
                _check_currency(work, study)
                if not work.amount.is_whole or work.amount <= Money(0, work.amount.currency):
                    raise CrowdRefusedError(f"A bonus of {work.amount} cannot be paid: Prolific pays whole units.")
            rows = [(work.registration_id, work.amount.units) for work in works]
            try:
                made = await api.bonuses.set_up(study.id, rows, currency=study.currency)
            except OutcomeUnknown as error:
                # Whatever was set up is not paid, and never will be: it is set up once more the next time.
                raise CrowdError(f"{error} It was only set up, so nothing was paid.", error.status) from error
        asked = sum(amount for _, amount in rows)
        if made.amount != asked:
            raise CrowdRefusedError(
                f"Prolific would pay {Money.of_units(made.amount, study.currency)}, and "
                f"{Money.of_units(asked, study.currency)} was asked for. Nothing was paid."
            )
        return BonusQuote(works, made.id, Money.of_units(made.total - made.amount, study.currency))

    async def pay_bonuses(self, quote: BonusQuote) -> Receipt:
        """Have Prolific pay what was set up: asked once, whatever is heard of it. It arrives some minutes later."""
        async with self._account.asking() as api:
            await api.bonuses.pay(quote.reference)
        return Receipt(quote.reference, quote.fees)

    async def find_payments(self, works: Sequence[CrowdWork], verb: CrowdVerb) -> Mapping[str, InBooks]:
        """Look payments up in what Prolific shows of the visits.

        A bonus is found only where it can be no other one of the same amount: where it is known how many others were
        paid. That one was not paid is never said, as Prolific shows bonuses late.
        """
        found = {work.key: InBooks.NOBODY_KNOWS for work in works}
        async with self._account.asking() as api:
            rows = {one.registration_id: await self._read(api, one.registration_id) for one in works}
            if verb is CrowdVerb.APPROVE:
                return found | {work.key: _in_books(rows[work.registration_id]) for work in works}
            if verb is not CrowdVerb.BONUS:
                return found
            seen: Counter[tuple[str, int]] = Counter()
            for work in works:
                row = rows[work.registration_id]
                if row is None or work.paid_alike is None or not work.amount.is_whole:
                    continue
                study = await self._find_study(api, work)
                amount = work.amount.units
                there = list(row.bonus_payments).count(amount)
                if row.status == "SCREENED OUT" and screened_out_pay(study) == amount:
                    there -= 1  # what being screened out was paid with stands among the bonuses
                seen[row.id, amount] += 1
                if work.amount.currency == study.currency and there >= work.paid_alike + seen[row.id, amount]:
                    found[work.key] = InBooks.PAID
        return found

    async def send_message(self, work: CrowdWork) -> None:
        """Write to somebody; what was written to them before, in the same words, is not sent again.

        Raises
        ------
        WorldError
            Prolific refuses, or cannot be reached.
        """
        async with self._account.asking() as api:
            study = await self._find_study(api, work)
            there = await api.messages.with_participant(work.worker_name)
            if any(one.body.strip() == work.text.strip() and one.sender_id != work.worker_name for one in there):
                return
            await api.messages.send(work.worker_name, work.text, study.id)

    async def block_worker(self, work: CrowdWork) -> None:
        """Have somebody offered no study of this requester any more, those included that are running."""
        if not PROLIFIC_ID.fullmatch(work.worker_name):
            raise CrowdRefusedError("Somebody whom Prolific did not send cannot be blocked there.")
        await self._groups.block(work.worker_name)

    async def _read_refusal(self, api: ProlificAPI, work: CrowdWork, error: CrowdRefusedError, done: str) -> None:
        """Raise what a refusal means, unless a visit is already what it was to become."""
        status = (await api.submissions.get(work.registration_id)).status
        if status == done:
            return
        if status in _ON_THE_WAY:
            raise CrowdError(
                f"{error} On Prolific the visit is {status!r}: it is noticed there some time after people have handed "
                "in. It is asked for again later.",
                error.status,
            ) from error
        raise CrowdRefusedError(
            f"{error} On Prolific the visit is {status!r}. What it is to be paid all the same goes by a bonus.",
            error.status,
        ) from error

    async def _find_common_study(self, api: ProlificAPI, works: Sequence[CrowdWork]) -> ProlificStudy:
        """Return the study of all these visits, which are listed at once rather than asked for one by one."""
        study = await self._find_study(api, works[0])
        async with self._turn:
            if any(work.registration_id not in self._study_of for work in works):
                async for one in api.submissions.of_study(study.id):
                    self._study_of[one.id] = study.id
        strangers = [work for work in works if self._study_of.get(work.registration_id) != study.id]
        if strangers:
            raise CrowdRefusedError(
                f"{len(strangers)} of {len(works)} bonuses are for visits that are not of the study {study.id}. "
                "Nothing was paid."
            )
        return study

    async def _find_study(self, api: ProlificAPI, work: CrowdWork) -> ProlificStudy:
        async with self._turn:
            visit = work.registration_id
            if not PROLIFIC_ID.fullmatch(visit):
                raise CrowdRefusedError("An answer has no visit on Prolific: whoever gave it came another way.")
            if visit not in self._study_of:
                self._study_of[visit] = (await api.submissions.get(visit)).study_id
            study_id = self._study_of[visit]
            if study_id not in self._studies:
                self._studies[study_id] = await api.studies.get(study_id)
            return self._studies[study_id]

    async def _read(self, api: ProlificAPI, visit: str) -> ProlificSubmission | None:
        if not PROLIFIC_ID.fullmatch(visit):
            return None
        try:
            return await api.submissions.get(visit)
        except CrowdRefusedError as error:
            if error.status != 404:
                raise
            return None


def _in_books(row: ProlificSubmission | None) -> InBooks:
    if row is None:
        return InBooks.NOBODY_KNOWS
    if row.status == "APPROVED":
        return InBooks.PAID
    return InBooks.NOT_PAID if row.status in _UNPAID else InBooks.NOBODY_KNOWS


def _check_currency(work: CrowdWork, study: ProlificStudy) -> None:
    if work.amount.currency != study.currency:
        raise CrowdRefusedError(
            f"{work.amount} is owed, and the study pays in {study.currency}. Nothing was paid: Prolific changes no "
            "money."
        )


def _fees_on(study: ProlificStudy, amount: int) -> Money | None:
    """Return what Prolific takes on top, by the percentages that it says itself; None: it does not say."""
    if study.fees_percentage is None:
        return None
    fees = round(amount * study.fees_percentage / 100)
    vat = round(fees * (study.vat_percentage or 0) / 100)
    return Money.of_units(fees + vat, study.currency)


def _unheard(error: CrowdError) -> OutcomeUnknown:
    """Return what an answer that was lost means: it may have been done, so nobody is to do it by hand instead."""
    return error if isinstance(error, OutcomeUnknown) else OutcomeUnknown(str(error), error.status)
