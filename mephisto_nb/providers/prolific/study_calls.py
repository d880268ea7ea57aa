"""Studies: made, shown, changed, published and stopped; and what they cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import CrowdError, CrowdRefusedError
from mephisto_nb.providers.prolific.calls import ApiCalls, part
from mephisto_nb.providers.prolific.objects import ProlificCost, ProlificStudy
from mephisto_nb.providers.prolific.transport import ApiEffect, Paging

#: In which states a study has become what an action is for.
_DONE = {"PAUSE": {"PAUSED"}, "START": {"ACTIVE"}, "STOP": {"AWAITING REVIEW", "COMPLETED"}}


class StudyCalls(ApiCalls):
    """Studies. A draft costs nothing; what publishes it, or adds places, is asked for once."""

    async def create(self, fields: Mapping[str, JSON]) -> ProlificStudy:
        """Make a draft of these fields, by Prolific's names. Asked once: a second draft would be another study."""
        return await self._once("POST", "/studies/", dict(fields), ProlificStudy.read)

    async def get(self, study_id: str) -> ProlificStudy:
        """Return a study."""
        return ProlificStudy.read(await self._get(f"/studies/{part(study_id)}/"))

    async def all(self, *, project_id: str | None = None, state: str | None = None) -> AsyncIterator[ProlificStudy]:
        """Yield studies: all, of a project, in a state. Much of each is missing; ask for it by `get`."""
        path = "/studies/" if project_id is None else f"/projects/{part(project_id)}/studies/"
        params = {} if state is None else {"state": state}
        async for row in self._transport.pages(path, params, by=Paging.NUMBER):
            yield ProlificStudy.read(row)

    async def change(self, study_id: str, fields: Mapping[str, JSON]) -> ProlificStudy:
        """Change fields: all of a draft; of a published study few, and its places upwards alone. Asked once."""
        return await self._once("PATCH", f"/studies/{part(study_id)}/", dict(fields), ProlificStudy.read)

    async def delete(self, study_id: str) -> None:
        """Remove a draft; one that is gone already is as well."""
        try:
            await self._transport.send("DELETE", f"/studies/{part(study_id)}/", effect=ApiEffect.REPEATABLE)
        except CrowdRefusedError as error:
            if error.status != 404:
                raise

    async def publish(self, study_id: str) -> ProlificStudy:
        """Publish a draft, which takes the money for all of its places. Asked once.

        It is PUBLISHING at first, and ACTIVE some time later.
        """
        body = {"action": "PUBLISH"}
        return await self._once("POST", f"/studies/{part(study_id)}/transition/", body, ProlificStudy.read)

    async def pause(self, study_id: str) -> ProlificStudy:
        """Let nobody new in, for now."""
        return await self._transition(study_id, "PAUSE")

    async def start(self, study_id: str) -> ProlificStudy:
        """Let people in again, after a pause."""
        return await self._transition(study_id, "START")

    async def stop(self, study_id: str) -> ProlificStudy:
        """Let nobody in any more, unless places are added."""
        return await self._transition(study_id, "STOP")

    async def clone(self, study_id: str, *, block_participants: bool = True) -> ProlificStudy:
        """Make a draft like another study, not for those who took part in that one. Asked once."""
        body = {"block_previous_participants": block_participants}
        return await self._once("POST", f"/studies/{part(study_id)}/clone/", body, ProlificStudy.read)

    async def try_out(self, study_id: str) -> tuple[str, str]:
        """Offer a draft to test participants; return the id and the address of what they see. Asked once."""
        return await self._once("POST", f"/studies/{part(study_id)}/test-study/", {}, _id_and_url)

    async def cost(self, study_id: str, *, is_projected: bool = False) -> ProlificCost:
        """Return what a study has cost, or will if every place is paid."""
        params = {"is_projected": "true"} if is_projected else {}
        path = f"/studies/{part(study_id)}/cost/"
        return ProlificCost.read((await self._transport.send("GET", path, params=params, wants_object=True)).object)

    async def calculate(self, reward: int, places: int) -> int:
        """Return what so many places cost with fees and tax, in the smallest unit of the account's currency."""
        body: JSONObject = {"reward": reward, "total_available_places": places}
        answer = await self._transport.send("POST", "/study-cost-calculator/", body=body, wants_object=True)
        found = answer.object.get("total_cost")
        if isinstance(found, bool) or not isinstance(found, int | float) or found != int(found):
            raise CrowdError(f"Prolific answered {str(found)[:40]!r} as a cost. Try again later.", answer.status)
        return int(found)

    async def _transition(self, study_id: str, action: str) -> ProlificStudy:
        """Have a study take a step that costs nothing; where it is refused because it has, all is well."""
        path = f"/studies/{part(study_id)}/transition/"
        try:
            answer = await self._transport.send(
                "POST", path, effect=ApiEffect.REPEATABLE, body={"action": action}, wants_object=True
            )
        except CrowdRefusedError:
            study = await self.get(study_id)
            if study.status not in _DONE[action]:
                raise
            return study
        return ProlificStudy.read(answer.object)


def _id_and_url(told: JSONObject) -> tuple[str, str]:
    if not told.get("study_id"):
        raise CrowdError("Prolific made a test run, and did not say which study it is.")
    return str(told["study_id"]), str(told.get("study_url") or "")
