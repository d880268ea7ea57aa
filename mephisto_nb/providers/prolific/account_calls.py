"""The researcher's account, and whom studies are for: workspaces, groups of participants, filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import CrowdError
from mephisto_nb.providers.prolific.calls import ApiCalls, part
from mephisto_nb.providers.prolific.objects import (
    ProlificBalance,
    ProlificFilter,
    ProlificGroup,
    ProlificProject,
    ProlificUser,
    ProlificWorkspace,
    RewardAdvice,
)
from mephisto_nb.providers.prolific.transport import ApiEffect, Paging

#: Where the keys are that addresses are signed with; they are for everybody.
_KEYS = "/.well-known/study/jwks.json"


class AccountCalls(ApiCalls):
    """Who one is, and what one has."""

    async def me(self) -> ProlificUser:
        """Return whose token it is."""
        return ProlificUser.read(await self._get("/users/me/"))

    async def workspaces(self) -> list[ProlificWorkspace]:
        """Return all workspaces that one sees."""
        return [ProlificWorkspace.read(row) async for row in self._transport.pages("/workspaces/", by=Paging.OFFSET)]

    async def projects(self, workspace_id: str) -> list[ProlificProject]:
        """Return the projects of a workspace."""
        path = f"/workspaces/{part(workspace_id)}/projects/"
        return [ProlificProject.read(row) async for row in self._transport.pages(path, by=Paging.OFFSET)]

    async def balance(self, workspace_id: str) -> ProlificBalance:
        """Return the money of a workspace. It lags behind what was just paid."""
        return ProlificBalance.read(await self._get(f"/workspaces/{part(workspace_id)}/balance/"))

    async def reward_advice(self, workspace_id: str, currency: str) -> RewardAdvice | None:
        """Return what to pay per hour; None where Prolific says nothing of this currency."""
        params = {"workspace_id": part(workspace_id), "currency": currency}
        rows = (await self._transport.send("GET", "/reward-recommendations/", params=params)).rows
        found = (RewardAdvice.read(row) for row in rows)  # the newest first
        return next((one for one in found if one.currency == currency), None)

    async def add_test_participant(self, email: str) -> str:
        """Make somebody who may try drafts, by an address that has no account yet, and return their id. Asked once."""
        body = {"email": email}
        return await self._once("POST", "/researchers/participants/", body, _participant_id)

    async def entry_keys(self) -> JSONObject:
        """Return the keys by which signed addresses are verified; no token is sent for them."""
        return (await self._transport.send("GET", _KEYS, with_token=False, wants_object=True)).object


def _participant_id(told: JSONObject) -> str:
    found = told.get("participant_id") or told.get("id")
    if not found:
        raise CrowdError("Prolific made a test participant, and did not tell their id.")
    return str(found)


class GroupCalls(ApiCalls):
    """Groups of participants. Who is in one can be asked for again; a group is made once."""

    async def of_workspace(self, workspace_id: str) -> list[ProlificGroup]:
        """Return the groups of a workspace."""
        params = {"workspace_id": part(workspace_id)}
        rows = self._transport.pages("/participant-groups/", params, by=Paging.OFFSET)
        return [ProlificGroup.read(row) async for row in rows]

    async def create(
        self, name: str, workspace_id: str, *, description: str = "", participant_ids: Iterable[str] = ()
    ) -> ProlificGroup:
        """Make a group. Asked once: a second one would be another group."""
        body = {
            "name": name,
            "workspace_id": part(workspace_id),
            "description": description,
            "participant_ids": list(participant_ids),
        }
        return await self._once("POST", "/participant-groups/", body, ProlificGroup.read)

    async def get(self, group_id: str) -> ProlificGroup:
        """Return a group; also one that was deleted."""
        return ProlificGroup.read(await self._get(f"/participant-groups/{part(group_id)}/"))

    async def delete(self, group_id: str) -> None:
        """Delete a group."""
        await self._transport.send("DELETE", f"/participant-groups/{part(group_id)}/", effect=ApiEffect.REPEATABLE)

    async def members(self, group_id: str) -> list[str]:
        """Return the ids of who is in a group."""
        path = f"/participant-groups/{part(group_id)}/participants/"
        return [str(row["participant_id"]) for row in (await self._transport.send("GET", path)).rows]

    async def add(self, group_id: str, participant_ids: Iterable[str]) -> None:
        """Put people into a group; who is in it stays."""
        await self._members("POST", group_id, participant_ids)

    async def remove(self, group_id: str, participant_ids: Iterable[str]) -> None:
        """Take people out of a group."""
        await self._members("DELETE", group_id, participant_ids)

    async def replace(self, group_id: str, participant_ids: Iterable[str]) -> ProlificGroup:
        """Have exactly these people be in a group: Prolific overwrites the list."""
        answer = await self._transport.send(
            "PATCH",
            f"/participant-groups/{part(group_id)}/",
            effect=ApiEffect.REPEATABLE,
            body={"participant_ids": list(participant_ids)},
            wants_object=True,
        )
        return ProlificGroup.read(answer.object)

    async def _members(self, method: str, group_id: str, participant_ids: Iterable[str]) -> None:
        ids = list(participant_ids)
        if ids:
            path = f"/participant-groups/{part(group_id)}/participants/"
            body = {"participant_ids": ids}
            await self._transport.send(method, path, effect=ApiEffect.REPEATABLE, body=body)


class AudienceCalls(ApiCalls):
    """Whom a study is for."""

    async def filters(self, workspace_id: str | None = None) -> list[ProlificFilter]:
        """Return the filters that there are."""
        params = {} if workspace_id is None else {"workspace_id": part(workspace_id)}
        answer = await self._transport.send("GET", "/filters/", params=params)
        return [ProlificFilter.read(row) for row in answer.rows]

    async def eligible_count(
        self, filters: Sequence[Mapping[str, JSON]], workspace_id: str | None = None
    ) -> int | None:
        """Return how many people pass filters; None: fewer than 25, which Prolific tells as 0."""
        body: JSONObject = {"filters": [dict(one) for one in filters]}
        if workspace_id is not None:
            body["workspace_id"] = part(workspace_id)
        answer = await self._transport.send("POST", "/eligibility-count/", body=body, wants_object=True)
        count = answer.object.get("count")
        if isinstance(count, bool) or not isinstance(count, int):
            raise CrowdError(f"Prolific answered {str(count)[:40]!r} as a number of people. Try again later.")
        return count or None
