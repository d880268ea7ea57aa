"""What Prolific tells of by itself: subscribed to for one run, verified, and ended with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

from mephisto_nb.errors import SignatureError
from mephisto_nb.model.crowd import CrowdEvent
from mephisto_nb.ports.recruiter import CrowdMemory
from mephisto_nb.providers.prolific.account import ProlificAccount
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.objects import ProlificHook
from mephisto_nb.providers.prolific.signing import verify_hook
from mephisto_nb.utils.proofs import Secret

#: What a run is told of.
EVENT_TYPES = ("submission.status.change", "study.status.change")
#: Under which name it is kept in a run's memory where it was to be told.
TARGETS = "event_targets"


class ProlificEvents:
    """The subscriptions of one run, and the secret by which it knows what is Prolific's.

    A workspace has one secret for all who listen. It is never made anew where there is one: that would silence the
    others. Which subscriptions are the run's is kept in its memory, before they are made: another run may be served at
    the same place by the time they are ended.
    """

    def __init__(self, account: ProlificAccount) -> None:
        self._account = account
        self._secret: Secret | None = None
        #: Whether something came that this secret did not sign: somebody may have made another one.
        self._is_doubtful = False
        #: Digests of the addresses that events were to be delivered to: the addresses themselves are secret.
        self._targets: list[str] = []

    def recall(self, memory: CrowdMemory) -> None:
        """Know what an earlier kernel has subscribed to."""
        kept = memory.read().get(TARGETS)
        self._targets = [one for one in kept if isinstance(one, str)] if isinstance(kept, list) else []

    async def subscribe(self, workspace_id: str, target_url: str, memory: CrowdMemory) -> None:
        """Have events delivered to an address; what is subscribed already is left as it is.

        What is subscribed for an earlier address of the run is ended: nobody is there any more.
        """
        self.recall(memory)
        target = _digest(target_url)
        if target not in self._targets:
            self._targets.append(target)
            await memory.keep({TARGETS: list(self._targets)})
        async with self._account.asking() as api:
            self._secret = await api.hooks.secret(workspace_id) or await self._account.have_made(
                lambda: api.hooks.make_secret(workspace_id), lambda: api.hooks.secret(workspace_id)
            )
            for one in await self._ours(api, workspace_id):
                if one.target_url != target_url:
                    await api.hooks.delete(one.id)
            for event_type in EVENT_TYPES:
                what = workspace_id, event_type, target_url
                if await self._find(api, *what) is None:
                    await self._account.have_made(partial(api.hooks.subscribe, *what), partial(self._find, api, *what))

    @property
    def are_there(self) -> bool:
        """Whether anything was ever subscribed to for this run."""
        return bool(self._targets)

    async def end(self, workspace_id: str) -> None:
        """End what was subscribed for the run; again: nothing."""
        async with self._account.asking() as api:
            for one in await self._ours(api, workspace_id):
                await api.hooks.delete(one.id)

    async def renew(self, api: ProlificAPI) -> None:
        """Ask for the workspace's secret anew, if something came that it did not sign. Called now and then.

        Whoever else makes one replaces it for all. What was refused meanwhile is not lost: all visits are read by then.
        """
        if self._is_doubtful and self._secret is not None:
            self._is_doubtful = False
            place = await self._account.find_place()
            self._secret = await api.hooks.secret(place.workspace_id) or self._secret

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> CrowdEvent | None:
        """Return what a delivery tells; None: nothing that a run asked for.

        Raises
        ------
        ValueError
            It is not Prolific's, or too old.
        """
        if self._secret is None:
            raise ValueError("An event came, and nothing was subscribed to. Who sent it cannot be known.")
        try:
            event = verify_hook(self._secret, body, headers, now=now)
        except SignatureError as error:
            self._is_doubtful = True
            raise ValueError(str(error)) from error
        if event.event_type not in EVENT_TYPES:
            return None
        is_visit = event.event_type.startswith("submission.")
        visit, study = (event.resource_id, "") if is_visit else ("", event.resource_id)
        # Without an id, the same event is recognised by what it tells.
        event_id = event.id or f"{event.event_type}:{event.resource_id}:{event.status}"
        return CrowdEvent(event_id, visit, study, event.at)

    async def _find(self, api: ProlificAPI, workspace_id: str, event_type: str, target_url: str) -> ProlificHook | None:
        """Return what is subscribed to one type of event; of what does not serve, nothing is left."""
        for one in await self._ours(api, workspace_id):
            if (one.event_type, one.target_url) == (event_type, target_url):
                if one.is_enabled:
                    return one
                await api.hooks.delete(one.id)  # made, and not confirmed: what has to be said back is known no more
        return None

    async def _ours(self, api: ProlificAPI, workspace_id: str) -> list[ProlificHook]:
        hooks = [
            one
            for is_enabled in (True, False)
            for one in await api.hooks.of_workspace(workspace_id, is_enabled=is_enabled)
        ]
        return [one for one in hooks if one.event_type in EVENT_TYPES and _digest(one.target_url) in self._targets]


def _digest(target_url: str) -> str:
    return hashlib.sha256(target_url.encode()).hexdigest()
