"""How a study comes to be: made as a draft, looked at, paid for and published; once, whatever dies on the way.

Each step looks for what it did before it does it. The study's id is kept in the run's memory as soon as it is known; a
study whose id was lost is found by its metadata, which hold the run's id.
"""

from __future__ import annotations

from collections.abc import Sequence

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, CrowdError, CrowdRefusedError, OutcomeUnknown
from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.money import Money
from mephisto_nb.ports.recruiter import CrowdMemory
from mephisto_nb.providers.prolific.account import KnownStudy, ProlificAccount
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.completion_codes import ProlificCodes
from mephisto_nb.providers.prolific.objects import ProlificStudy
from mephisto_nb.providers.prolific.recruiting.events import ProlificEvents
from mephisto_nb.providers.prolific.recruiting.groups import ProlificGroups
from mephisto_nb.providers.prolific.recruiting.quoting import ProlificQuoter
from mephisto_nb.providers.prolific.recruiting.study_fields import (
    StudyPlan,
    compose_study,
    find_differences,
    name_mark,
    screen_out_pay,
)
from mephisto_nb.providers.prolific.settings import ProlificProviderArgs
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: The name under which a study's id is kept in a run's memory, and the most that it may cost.
STUDY_ID, MOST = "study_id", "most"
#: How long is waited between two looks at a study that is being published (seconds): twice as long each time.
_FIRST_LOOK, _LONGEST_LOOK, _LOOKS = 1.0, 60.0, 14
_DRAFT, _PUBLISHING = "UNPUBLISHED", "PUBLISHING"


class StudyOpening:
    """Opens the study of one run.

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
    quoter, groups, events
        What it would cost; the groups that its filters name; and what it tells of.
    """

    def __init__(
        self,
        args: ProlificProviderArgs,
        account: ProlificAccount,
        codes: ProlificCodes,
        known: KnownStudy,
        quoter: ProlificQuoter,
        groups: ProlificGroups,
        events: ProlificEvents,
    ) -> None:
        self._args, self._account, self._codes, self._known = args, account, codes, known
        self._quoter, self._groups, self._events = quoter, groups, events

    async def open(self, offer: Offer, memory: CrowdMemory, most: Money | None) -> ProlificStudy:
        """Return the study, published; or as far as it has come.

        Parameters
        ----------
        offer
            What is offered.
        memory
            Where the study's id is kept.
        most
            What was said that it costs; None: that is asked now.

        Raises
        ------
        WorldError
            Prolific refuses, cannot be reached, or made another study of it than was meant.
        """
        async with self._account.asking() as api:
            study = await self._find(api, offer, memory)
            if study is None:
                most = await self._settle_cost(offer, memory, most)
                study = await self._make(api, offer, memory)
            _check_reward(study, offer)
            await self._note(study, offer, memory)
            if offer.events_url:
                place = await self._account.find_place()
                await self._events.subscribe(place.workspace_id, offer.events_url, memory)
            if study.status == _DRAFT:
                study = await self._publish(api, study, await self._settle_cost(offer, memory, most))
            return await self.wait_until_published(api, study)

    async def wait_until_published(self, api: ProlificAPI, study: ProlificStudy) -> ProlificStudy:
        """Return a study once it is published, or as it is after a while: that may take minutes."""
        pause = _FIRST_LOOK
        for _ in range(_LOOKS):
            if study.status != _PUBLISHING:
                break
            await self._account.around.wait(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
            study = await api.studies.get(study.id)
        if study.status == _DRAFT:
            raise CrowdRefusedError(
                f"Prolific did not publish the study {study.id}: it is a draft again. Look at it there, and open it "
                "again."
            )
        return study

    async def look_up(self, api: ProlificAPI) -> ProlificStudy | None:
        """Return the run's study, found anew if this kernel has not opened it; None: there is none."""
        if self._known.study_id:
            known = await _get_or_none(api, self._known.study_id)
            if known is not None:
                self._remember(known)
            return known
        study = await self._search(api, self._known.task_run_id) if self._known.task_run_id else None
        if study is not None:
            self._remember(study)
        return study

    async def _find(self, api: ProlificAPI, offer: Offer, memory: CrowdMemory) -> ProlificStudy | None:
        """Return the study that was made for this run, if one was."""
        kept = memory.read().get(STUDY_ID)
        if isinstance(kept, str) and kept:
            study = await _get_or_none(api, kept)
            if study is not None:
                return study
            logger.warning("The study that was kept for a run is gone on Prolific. It is looked for once more.")
        return await self._search(api, offer.task_run_id)

    async def _search(self, api: ProlificAPI, task_run_id: str) -> ProlificStudy | None:
        """Return the study whose metadata name the run; of spare drafts of it, which nobody has seen, none is left."""
        place = await self._account.find_place()
        mark, found = name_mark(task_run_id), list[ProlificStudy]()
        rows = [one async for one in api.studies.all(project_id=place.project_id)]
        for row in rows:
            if row.internal_name.endswith(mark):
                study = await api.studies.get(row.id)
                if study.metadata == task_run_id:
                    found.append(study)
        found.sort(key=lambda one: (one.status == _DRAFT, one.id))
        for spare in found[1:]:
            if spare.status == _DRAFT:  # a draft costs nothing, and nobody has seen it
                await api.studies.delete(spare.id)
        return found[0] if found else None

    async def _settle_cost(self, offer: Offer, memory: CrowdMemory, most: Money | None) -> Money:
        """Return the most that the study may cost, as it was said before it was made."""
        kept = memory.read().get(MOST)
        if most is None and isinstance(kept, int) and not isinstance(kept, bool):
            return Money.of_units(kept, offer.reward.currency)
        if most is None:
            quote = await self._quoter.quote(offer)
            if quote.troubles:
                raise CrowdRefusedError(" ".join(quote.troubles))
            most = quote.total
        if kept != most.units:
            await memory.keep({MOST: most.units})
        return most

    async def _make(self, api: ProlificAPI, offer: Offer, memory: CrowdMemory) -> ProlificStudy:
        """Make a draft, and return it as Prolific has it, if it is what was meant."""
        place = await self._account.find_place()
        pay = screen_out_pay(self._args, offer.reward)
        codes = self._codes.compose(auto_approve=self._args.auto_approve, screen_out=pay)
        plan = StudyPlan(place.project_id, codes, await self._filters())
        fields = compose_study(self._args, offer, plan)
        made = await self._create(api, fields, offer)
        await memory.keep({STUDY_ID: made.id})
        study = await api.studies.get(made.id)
        differences = find_differences(fields, study)
        if differences:
            await api.studies.delete(study.id)
            await memory.keep({STUDY_ID: ""})
            raise CrowdRefusedError(
                f"Prolific made another study than was asked for, and it was deleted: {'; '.join(differences)}. Change "
                "these settings."
            )
        return study

    async def _create(self, api: ProlificAPI, fields: JSONObject, offer: Offer) -> ProlificStudy:
        try:
            return await self._account.have_made(
                lambda: api.studies.create(fields), lambda: self._search(api, offer.task_run_id)
            )
        except OutcomeUnknown as error:
            raise CrowdError(
                f"{error} It is not among the studies of the project so far. Open the run again: what was made is "
                "found.",
                error.status,
            ) from error

    async def _filters(self) -> Sequence[JSONObject]:
        """Return the filters of a study: those that are set, and nobody who is or will be blocked."""
        try:
            return await self._quoter.find_filters(await self._groups.find_or_make_blocked())
        except ConfigError as error:
            raise CrowdRefusedError(str(error)) from error

    async def _note(self, study: ProlificStudy, offer: Offer, memory: CrowdMemory) -> None:
        self._remember(study)
        self._known.url, self._known.task_run_id = offer.url, offer.task_run_id
        if memory.read().get(STUDY_ID) != study.id:
            await memory.keep({STUDY_ID: study.id})

    def _remember(self, study: ProlificStudy) -> None:
        self._known.study_id = study.id
        self._codes.adopt(study.completion_codes)

    async def _publish(self, api: ProlificAPI, study: ProlificStudy, most: Money) -> ProlificStudy:
        cost = study.total_cost or (await api.studies.cost(study.id, is_projected=True)).rewards.total
        if cost > most.units:
            raise CrowdRefusedError(
                f"The study {study.id} would cost {Money.of_units(cost, most.currency)}, and {most} was said. It is a "
                "draft, and nobody was asked. Ask for a quote again, and open the run again."
            )

        async def find() -> ProlificStudy | None:
            now = await api.studies.get(study.id)
            return None if now.status == _DRAFT else now

        try:
            return await self._account.have_made(lambda: api.studies.publish(study.id), find)
        except CrowdRefusedError:
            # It may be refused as it is under way already.
            if (now := await find()) is None:
                raise
            return now


def _check_reward(study: ProlificStudy, offer: Offer) -> None:
    """Raise `CrowdRefusedError` where a study that was found pays otherwise than the run: it cannot be changed."""
    pays = Money.of_units(study.reward, study.currency or offer.reward.currency)
    if pays != offer.reward:
        raise CrowdRefusedError(
            f"The study {study.id} of this run pays {pays} for a visit, and the run {offer.reward}. What a study pays "
            f"stays as it is: launch with mephisto.task.task_reward={pays.decimal.normalize():f}, or launch a new run, "
            "without resume_incomplete_run."
        )


async def _get_or_none(api: ProlificAPI, study_id: str) -> ProlificStudy | None:
    """Return a study; None: it is gone, as a draft that somebody has deleted."""
    try:
        return await api.studies.get(study_id)
    except CrowdRefusedError as error:
        if error.status != 404:
            raise
        return None
