"""Hooks: whoever subscribes is told of events by signed requests, again and again until they answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.mishaps import Mishaps
from mephisto_nb.testing.prolific.refusals import bare, need, nested
from mephisto_nb.testing.prolific.study_checks import is_web_address
from mephisto_nb.testing.prolific.world import ProlificWorld, found
from mephisto_nb.utils.extras import needs

EVENT_TYPES = (
    "submission.status.change",
    "study.status.change",
    "study.progress.change",
    "study.has_high_return_rate",
)
#: How often a delivery is tried, and after how many seconds the first time again; each wait is up to twice as long.
ATTEMPTS, _FIRST_WAIT = 12, 60.0
#: After so many seconds without a single success, a subscription is switched off.
_GIVEN_UP_AFTER = 5 * 86_400.0
#: For how many seconds a receiver may think, in real time.
_PATIENCE = 10.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(slots=True, eq=False)
class StandInHook:
    """A subscription to one type of event."""

    id: str
    workspace_id: str
    event_type: str
    target_url: str
    #: What has to be said back before anything is delivered.
    handshake: str
    is_enabled: bool = False
    #: Since when every attempt has failed.
    failing_since: float | None = None
    events: list[HookDelivery] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class HookDelivery:
    """One event on its way to one subscriber."""

    id: str
    hook: StandInHook
    body: bytes
    resource_id: str
    created_at: float
    changed_at: float
    status: str = "PENDING"
    attempts: int = 0


class Hooks:
    """Secrets, subscriptions and what is delivered to whom.

    Parameters
    ----------
    world
        What happens there is told.
    mishaps
        Which deliveries are dropped, doubled and late.
    """

    def __init__(self, world: ProlificWorld, mishaps: Mishaps) -> None:
        self.hooks: dict[str, StandInHook] = {}
        #: The secret of each workspace, and its id.
        self.secrets: dict[str, tuple[str, str]] = {}
        self._world, self._mishaps = world, mishaps
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: dict[str, asyncio.Lock] = {}
        self._session: Any = None
        world.listeners.append(self._hear)

    def make_secret(self, workspace_id: str) -> tuple[str, str]:
        """Make a workspace's secret anew, which at once takes the place of the one before; return its id and value."""
        made = (self._world.new_id(), secrets.token_urlsafe(32))
        self.secrets[workspace_id] = made
        return made

    def subscribe(self, body: JSONObject) -> StandInHook:
        """Make a subscription, which has to be confirmed; or raise `ApiRefusal`."""
        need(body, "workspace_id", "event_type", "target_url")
        workspace = found(self._world.workspaces, body["workspace_id"])
        if workspace.id not in self.secrets:
            raise nested("Subscriptions can only be created for workspaces with a secret.")
        self._check(body)
        made = StandInHook(
            self._world.new_id(), workspace.id, body["event_type"], body["target_url"], secrets.token_hex(16)
        )
        self.hooks[made.id] = made
        return made

    def confirm(self, hook: StandInHook, handshake: object) -> None:
        """Begin to deliver, to whom says back what the subscription was answered with."""
        if handshake != hook.handshake:
            raise bare(400, "The secret does not match.")
        hook.is_enabled = True

    def change(self, hook: StandInHook, body: JSONObject) -> None:
        """Change where and of what a subscriber is told, and whether."""
        merged = {"event_type": hook.event_type, "target_url": hook.target_url, **body}
        self._check(merged)
        hook.event_type, hook.target_url = merged["event_type"], merged["target_url"]
        hook.is_enabled = bool(merged.get("is_enabled", hook.is_enabled))
        hook.failing_since = None

    async def settled(self) -> None:
        """Wait until nothing is being delivered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Deliver nothing any more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _check(self, body: JSONObject) -> None:
        if body["event_type"] not in EVENT_TYPES:
            raise nested({"event_type": [f"{str(body['event_type'])[:60]!r} is not a valid choice."]})
        url = body["target_url"]
        parts = urlsplit(url) if is_web_address(url) else None
        is_here = parts is not None and parts.hostname in _LOOPBACK and self._world.settings.loopback_hooks
        if parts is None or ((parts.scheme != "https" or parts.hostname in _LOOPBACK) and not is_here):
            raise nested({"target_url": ["Enter an https address that can be reached from everywhere."]})

    def _hear(self, workspace_id: str, event_type: str, told: JSONObject) -> None:
        for hook in self.hooks.values():
            if hook.is_enabled and (hook.workspace_id, hook.event_type) == (workspace_id, event_type):
                self._send(hook, told)

    def _send(self, hook: StandInHook, told: JSONObject) -> None:
        now, body = self._world.now(), json.dumps(told).encode()
        delivery = HookDelivery(self._world.new_id(), hook, body, told["resource_id"], now, now)
        hook.events.append(delivery)
        for late in self._mishaps.ways_of_a_delivery():
            if late > 0:
                self._world.clock.call_at(now + late, lambda: self._start(delivery))
            else:
                self._start(delivery)

    def _start(self, delivery: HookDelivery) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: HookDelivery) -> None:
        """Try once, after what was begun before it; a failure is tried again later."""
        with self._world.clock.busy():
            async with self._lines.setdefault(delivery.hook.id, asyncio.Lock()):
                delivery.attempts += 1
                taken = await self._post(delivery)
        delivery.changed_at = now = self._world.now()
        hook = delivery.hook
        hook.failing_since = None if taken else hook.failing_since or now
        if hook.failing_since is not None and now - hook.failing_since >= _GIVEN_UP_AFTER:
            hook.is_enabled = False
        if taken:
            delivery.status = "SUCCEEDED"
        elif delivery.attempts >= ATTEMPTS:
            delivery.status = "FAILED"
        elif delivery.status == "PENDING":
            wait = self._world.random.uniform(0.5, 1) * _FIRST_WAIT * 2 ** (delivery.attempts - 1)
            self._world.clock.call_at(self._world.now() + wait, lambda: self._start(delivery))

    async def _post(self, delivery: HookDelivery) -> bool:
        with needs("prolific"):
            import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE), trust_env=False)
        headers = self._headers(delivery)
        try:
            async with self._session.post(
                delivery.hook.target_url, data=delivery.body, headers=headers, allow_redirects=False
            ) as answer:
                return bool(200 <= answer.status < 300)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _headers(self, delivery: HookDelivery) -> dict[str, str]:
        stamp = str(int(self._world.clock.signing_time()))
        secret = self.secrets[delivery.hook.workspace_id][1]
        digest = hmac.digest(secret.encode(), stamp.encode() + delivery.body, hashlib.sha256)
        return {
            "Content-Type": "application/json",
            "X-Prolific-Request-Signature": base64.b64encode(digest).decode(),
            "X-Prolific-Request-Timestamp": stamp,
            "X-Event-ID": delivery.id,
            "X-Timestamp": f"{delivery.created_at:.3f}",
        }
