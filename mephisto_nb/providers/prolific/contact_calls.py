"""What goes to and fro beside the work: messages with participants, and hooks by which Prolific tells of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from mephisto_nb._typing import JSON
from mephisto_nb.errors import CrowdError, OutcomeUnknown
from mephisto_nb.providers.prolific.calls import ApiCalls, part
from mephisto_nb.providers.prolific.objects import HookLogEntry, ProlificHook, ProlificMessage
from mephisto_nb.providers.prolific.transport import ApiEffect, Paging
from mephisto_nb.utils.proofs import Secret

_SUBSCRIPTIONS = "/hooks/subscriptions/"
#: The header that a new subscription is answered with, to be said back.
_HANDSHAKE = "X-Hook-Secret"


class MessageCalls(ApiCalls):
    """Messages. Each is sent once: nobody likes to be told twice."""

    async def send(self, participant_id: str, body: str, study_id: str) -> None:
        """Write to somebody who has a submission in a study."""
        fields = {"recipient_id": part(participant_id), "body": body, "study_id": part(study_id)}
        await self._transport.send("POST", "/messages/", effect=ApiEffect.ONCE, body=fields)

    async def send_many(self, participant_ids: Iterable[str], body: str, study_id: str) -> None:
        """Write the same to several people of a study."""
        fields = {"ids": [part(one) for one in participant_ids], "body": body, "study_id": part(study_id)}
        await self._transport.send("POST", "/messages/bulk/", effect=ApiEffect.ONCE, body=fields)

    async def send_group(self, group_id: str, body: str, study_id: str | None = None) -> None:
        """Write to everybody in a group."""
        fields: dict[str, JSON] = {"participant_group_id": part(group_id), "body": body}
        if study_id is not None:
            fields["study_id"] = part(study_id)
        await self._transport.send("POST", "/messages/participant-group/", effect=ApiEffect.ONCE, body=fields)

    async def since(self, created_after: str) -> list[ProlificMessage]:
        """Return messages after a time, as ISO 8601 writes it; of the last 30 days at most."""
        return await self._list({"created_after": created_after})

    async def with_participant(self, participant_id: str) -> list[ProlificMessage]:
        """Return the messages to and from somebody."""
        return await self._list({"user_id": part(participant_id)})

    async def unread(self) -> list[ProlificMessage]:
        """Return what nobody has read yet; asking does not make it read."""
        answer = await self._transport.send("GET", "/messages/unread/")
        return [ProlificMessage.read(row) for row in answer.rows]

    async def _list(self, params: dict[str, str | int]) -> list[ProlificMessage]:
        answer = await self._transport.send("GET", "/messages/", params=params)
        return [ProlificMessage.read(row) for row in answer.rows]


class HookCalls(ApiCalls):
    """Hooks: Prolific tells of events by signed requests to an https address."""

    async def event_types(self) -> list[str]:
        """Return what one can be told of."""
        rows = (await self._transport.send("GET", "/hooks/event-types/")).rows
        return [str(row["event_type"]) for row in rows if "event_type" in row]

    async def secret(self, workspace_id: str) -> Secret | None:
        """Return what deliveries of a workspace are signed with; None: there is none yet."""
        answer = await self._transport.send("GET", "/hooks/secrets/", params={"workspace_id": part(workspace_id)})
        own = (row for row in answer.rows if row.get("workspace_id") in (None, workspace_id))
        return next((Secret(str(row["value"])) for row in own if row.get("value")), None)

    async def make_secret(self, workspace_id: str) -> Secret:
        """Make a workspace's secret. One that there was is replaced at once, for everybody who verifies by it."""
        body = {"workspace_id": part(workspace_id)}
        value = await self._once("POST", "/hooks/secrets/", body, lambda answer: str(answer.get("value") or ""))
        if not value:
            raise OutcomeUnknown("Prolific made a secret for hooks, and did not tell it. Ask for it by secret().")
        return Secret(value)

    async def of_workspace(self, workspace_id: str, *, is_enabled: bool = True) -> list[ProlificHook]:
        """Return the subscriptions of a workspace: those that are on, or those that are off."""
        params = {"workspace_id": part(workspace_id), "is_enabled": str(is_enabled).lower()}
        rows = self._transport.pages(_SUBSCRIPTIONS, params, by=Paging.OFFSET)
        return [ProlificHook.read(row) async for row in rows]

    async def subscribe(self, workspace_id: str, event_type: str, target_url: str) -> ProlificHook:
        """Subscribe to one type of event, and confirm it. Asked once."""
        body = {"workspace_id": part(workspace_id), "event_type": event_type, "target_url": target_url}
        effect = ApiEffect.IF_UNDONE
        answer = await self._transport.send("POST", _SUBSCRIPTIONS, effect=effect, body=body, wants_object=True)
        made, handshake = answer.object.get("id"), answer.headers.get(_HANDSHAKE)
        if not made or handshake is None:
            raise OutcomeUnknown("Prolific made a subscription, and did not say how to confirm it. Look for it there.")
        confirmed = await self._transport.send(
            "POST",
            f"{_SUBSCRIPTIONS}{part(str(made))}/",
            effect=ApiEffect.REPEATABLE,
            body={"secret": handshake},
            wants_object=True,
        )
        return ProlificHook.read(confirmed.object)

    async def switch(self, hook_id: str, *, is_enabled: bool) -> ProlificHook:
        """Switch a subscription on or off."""
        path, body = f"{_SUBSCRIPTIONS}{part(hook_id)}/", {"is_enabled": is_enabled}
        answer = await self._transport.send("PATCH", path, effect=ApiEffect.REPEATABLE, body=body, wants_object=True)
        return ProlificHook.read(answer.object)

    async def delete(self, hook_id: str) -> None:
        """End a subscription; one that is gone already has ended."""
        try:
            await self._transport.send("DELETE", f"{_SUBSCRIPTIONS}{part(hook_id)}/", effect=ApiEffect.REPEATABLE)
        except CrowdError as error:
            if error.status != 404:
                raise

    async def events(self, hook_id: str, *, status: str | None = None) -> AsyncIterator[HookLogEntry]:
        """Yield what a subscriber was to be told, and whether that succeeded."""
        params = {} if status is None else {"status": status}
        path = f"{_SUBSCRIPTIONS}{part(hook_id)}/events/"
        async for row in self._transport.pages(path, params, by=Paging.OFFSET):
            yield HookLogEntry.read(row)
