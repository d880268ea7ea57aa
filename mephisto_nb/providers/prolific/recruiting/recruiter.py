"""Offers one run on Prolific, and says what Prolific makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime

from mephisto_nb.errors import ClosedError, CrowdRefusedError, OutcomeUnknown
from mephisto_nb.model.crowd import (
    CrowdEvent,
    CrowdStanding,
    CrowdStudy,
    CrowdVisit,
    CrowdVisitStatus,
    Offer,
    RecruitingQuote,
)
from mephisto_nb.model.money import Money
from mephisto_nb.ports.recruiter import CrowdMemory, Recruiter
from mephisto_nb.providers.prolific.account import KnownStudy, ProlificAccount
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.completion_codes import ProlificCodes
from mephisto_nb.providers.prolific.objects import ProlificStudy, ProlificSubmission
from mephisto_nb.providers.prolific.recruiting.events import ProlificEvents
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID, ProlificGroups
from mephisto_nb.providers.prolific.recruiting.opening import STUDY_ID, StudyOpening
from mephisto_nb.providers.prolific.recruiting.quoting import ProlificQuoter
from mephisto_nb.providers.prolific.recruiting.study_fields import study_of
from mephisto_nb.providers.prolific.settings import ProlificProviderArgs, is_stand_in

#: After so many visits that were read, one waits for so long (seconds): Prolific counts requests.
_PAGE, _BETWEEN_PAGES = 500, 1.0
_SCREENED_OUT = "FIXED_SCREEN_OUT_PAYMENT"
_S = CrowdVisitStatus
STATUSES = {
    "RESERVED": _S.RESERVED,
    "ACTIVE": _S.ACTIVE,
    "AWAITING REVIEW": _S.SUBMITTED,
    "APPROVED": _S.APPROVED,
    "PARTIALLY APPROVED": _S.PARTLY_PAID,
    "SCREENED OUT": _S.SCREENED_OUT,
    "REJECTED": _S.REJECTED,
    "RETURNED": _S.RETURNED,
    "TIMED-OUT": _S.TIMED_OUT,
    "TIME-OUT": _S.TIMED_OUT,
}


class ProlificRecruiter(Recruiter):
    """Offers one run on Prolific.

    Parameters
    ----------
    args
        How it is offered.
    account
        In whose name.
    codes
        The run's completion codes.
    known
        Where is noted what is known of the study.
    groups
        The requester's groups of participants.
    """

    def __init__(
        self,
        args: ProlificProviderArgs,
        account: ProlificAccount,
        codes: ProlificCodes,
        known: KnownStudy,
        groups: ProlificGroups,
    ) -> None:
        self._args, self._account, self._known, self._groups = args, account, known, groups
        self.fixed_places = args.submission_places
        self._events = ProlificEvents(account)
        self._quoter = ProlificQuoter(args, account, self._groups)
        self._opening = StudyOpening(args, account, codes, known, self._quoter, self._groups, self._events)
        self._quoted: dict[Offer, Money] = {}
        #: The study as it was when it was published: what visits are paid is frozen then.
        self._frozen: ProlificStudy | None = None

    async def quote(self, offer: Offer) -> RecruitingQuote:
        """Say what an offer would cost, and what stands in its way. Nothing is posted."""
        quote = await self._quoter.quote(offer)
        self._quoted = {} if quote.troubles else {replace(offer, events_url=""): quote.total}
        return quote

    async def open(self, offer: Offer, memory: CrowdMemory) -> CrowdStudy:
        """Offer the run; or find the study that was opened for it.

        It is published if Prolific says that it costs no more than was quoted.
        """
        most = self._quoted.get(replace(offer, events_url=""))
        return study_of(await self._opening.open(offer, memory, most), self._args.app_url)

    def recall(self, task_run_id: str, memory: CrowdMemory) -> None:
        """Know the study that was opened for a run."""
        kept = memory.read().get(STUDY_ID)
        self._known.task_run_id = task_run_id
        self._known.study_id = kept if isinstance(kept, str) else ""
        self._events.recall(memory)

    async def read_study(self) -> CrowdStudy:
        """Return how the study stands."""
        async with self._account.asking() as api:
            return study_of(await self._study(api), self._args.app_url)

    async def read_visits(self) -> AsyncIterator[CrowdVisit]:
        """Yield all visits that Prolific knows of."""
        async with self._account.asking() as api:
            study = await self._frozen_study(api)
            await self._events.renew(api)
            count = 0
            async for one in api.submissions.of_study(study.id):
                if count and count % _PAGE == 0:
                    await self._account.around.wait(_BETWEEN_PAGES)
                count += 1
                yield _visit_of(one, study)

    async def read_visit(self, registration_id: str) -> CrowdVisit | None:
        """Return one visit; None: the study has no such one."""
        if not PROLIFIC_ID.fullmatch(registration_id):
            return None
        async with self._account.asking() as api:
            study = await self._frozen_study(api)
            try:
                one = await api.submissions.get(registration_id)
            except CrowdRefusedError as error:
                if error.status != 404:
                    raise
                return None
        return _visit_of(one, study) if one.study_id == study.id else None

    async def pause(self) -> None:
        """Send nobody for the time being."""
        async with self._account.asking() as api:
            await api.studies.pause((await self._published(api)).id)

    async def resume(self) -> None:
        """Send people again."""
        async with self._account.asking() as api:
            await api.studies.start((await self._published(api)).id)

    async def set_places(self, places: int) -> CrowdStudy:
        """Have so many places altogether. Prolific takes none back: ``close`` the study for that.

        Raises
        ------
        CrowdRefusedError
            There are more already.
        """
        async with self._account.asking() as api:
            study = await self._study(api)
            if places < study.places:
                raise CrowdRefusedError(
                    f"The study has {study.places} places, and Prolific takes none back, so there cannot be {places}. "
                    "Close the study: then nobody comes any more, and what was not used is given back."
                )
            if places > study.places:
                study = await self._add_places(api, study, places)
        return study_of(study, self._args.app_url)

    async def close(self) -> None:
        """Send nobody any more; who is there may go on. A draft, which nobody has seen, is deleted."""
        async with self._account.asking() as api:
            study = await self._find_published(api)
            if study is not None and study.status in ("UNPUBLISHED", "SCHEDULED"):
                await api.studies.delete(study.id)
            elif study is not None and study.status not in ("AWAITING REVIEW", "COMPLETED"):
                await api.studies.stop(study.id)
        if self._events.are_there:
            place = await self._account.find_place()
            await self._events.end(place.workspace_id)

    @property
    def allows_local(self) -> bool:
        """Whether the run is a rehearsal with a stand-in on this computer, whose people are here as well."""
        return is_stand_in(self._args)

    async def ask_to_return(self, registration_id: str, reason: str) -> None:
        """Ask a person to give a visit back. They may not care."""
        async with self._account.asking() as api:
            await api.submissions.request_return(registration_id, [reason])

    async def tell_standing(self, standing: CrowdStanding) -> None:
        """Have a group of participants hold who is blocked, and one for each qualification who holds it."""
        await self._groups.keep_in_step(standing)

    def read_event(self, headers: Mapping[str, str], body: bytes, now: float) -> CrowdEvent | None:
        """Read what Prolific has posted. It is of any study of the workspace: look whether it is of a visit of ours.

        Raises
        ------
        ValueError
            It is not signed as Prolific signs, or too old.
        """
        return self._events.read(headers, body, now)

    async def _study(self, api: ProlificAPI) -> ProlificStudy:
        study = await self._opening.look_up(api)
        if study is None:
            raise ClosedError("There is no study of this run: it was not opened, or its draft is gone. Open it first.")
        return study

    async def _frozen_study(self, api: ProlificAPI) -> ProlificStudy:
        if self._frozen is None:
            study = await self._study(api)
            if study.status == "UNPUBLISHED":
                return study
            self._frozen = study
        return self._frozen

    async def _published(self, api: ProlificAPI) -> ProlificStudy:
        return await self._opening.wait_until_published(api, await self._study(api))

    async def _find_published(self, api: ProlificAPI) -> ProlificStudy | None:
        """Return the study once it is not being published any more, and so can be stopped; None: there is none."""
        study = await self._opening.look_up(api)
        is_under_way = study is not None and study.status == "PUBLISHING"
        return await self._opening.wait_until_published(api, study) if study is not None and is_under_way else study

    async def _add_places(self, api: ProlificAPI, study: ProlificStudy, places: int) -> ProlificStudy:
        try:
            return await api.studies.change(study.id, {"total_available_places": places})
        except OutcomeUnknown:
            now = await api.studies.get(study.id)
            if now.places != places:
                raise
            return now


def _visit_of(one: ProlificSubmission, study: ProlificStudy) -> CrowdVisit:
    """Return a visit as the run knows it."""
    status, paid, bonuses = STATUSES.get(one.status, _S.UNKNOWN), None, list(one.bonus_payments)
    if status is _S.APPROVED:
        paid = study.reward
    elif status is _S.SCREENED_OUT:
        paid = screened_out_pay(study)
        if paid in bonuses:
            bonuses.remove(paid)  # Prolific shows it among the bonuses
    return CrowdVisit(
        registration_id=one.id,
        worker_name=one.participant_id,
        status=status,
        began_at=_seconds(one.started_at),
        ended_at=_seconds(one.completed_at),
        code=_named(one.entered_code, study),
        paid=None if paid is None else Money.of_units(paid, study.currency),
        bonuses=tuple(Money.of_units(amount, study.currency) for amount in bonuses),
    )


def _named(entered: str | None, study: ProlificStudy) -> str | None:
    """Return a code as it may be shown: of the study's own only which it is, as people hand in by them."""
    kinds = {code.get("code"): code.get("code_type") for code in study.completion_codes}
    return f"{kinds[entered]}, of this study" if entered in kinds else entered


def screened_out_pay(study: ProlificStudy) -> int | None:
    """Return what a study pays people who are screened out, in the smallest unit; None: nothing."""
    for code in study.completion_codes:
        for action in code.get("actions") or ():
            if isinstance(action, dict) and action.get("action") == _SCREENED_OUT:
                pay = action.get("fixed_screen_out_reward")
                return pay if isinstance(pay, int) else None
    return None


def _seconds(text: str | None) -> float | None:
    """Return a time as seconds since the epoch; None where it is none."""
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
