"""What goes wrong on the way, when a test or a rehearsal wants it to: by chance with a seed, or at a given request."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Mishap(StrEnum):
    """What can happen to one request; the name says whether it is carried out."""

    #: 429; nothing is done.
    TOO_MANY = "too_many"
    #: 500; nothing is done.
    ERROR = "error"
    #: 502 with a page of HTML; nothing is done.
    BAD_GATEWAY = "bad_gateway"
    #: The connection is cut; nothing is done.
    CUT_BEFORE = "cut_before"
    #: It is carried out, and answered 500.
    ERROR_AFTER = "error_after"
    #: It is carried out, and answered 200 with what is no JSON.
    GARBAGE_AFTER = "garbage_after"
    #: It is carried out, and the connection is cut.
    LOST_AFTER = "lost_after"
    #: It is carried out, and never answered.
    HANG_AFTER = "hang_after"


@dataclass(slots=True)
class _Wanted:
    """A mishap that somebody asked for at the next requests of a kind."""

    mishap: Mishap
    on: str
    times: int
    retry_after: float | None


@dataclass(slots=True)
class Mishaps:
    """The plan of what goes wrong; nothing does, unless asked for.

    Parameters
    ----------
    seed
        Of what is left to chance.
    shares
        How many of all requests meet each mishap, as ``{Mishap.ERROR: 0.05}``.
    burst
        How many requests after one that was too many are too many as well.
    hooks_dropped, hooks_doubled
        How many of all deliveries never leave, and leave twice.
    hooks_late
        By up to how many seconds deliveries are late, each by another time: so they come out of order.
    unknown_statuses
        How often a submission is shown in a state that nobody has heard of.
    unknown_fields
        Whether every object has a field more.

    Examples
    --------
    >>> plan = Mishaps(seed=1)
    >>> plan.happen(Mishap.LOST_AFTER, on="POST /bulk-bonus-payments/")
    >>> plan.of_request("POST", "/bulk-bonus-payments/1/pay/"), plan.of_request("POST", "/bulk-bonus-payments/1/pay/")
    (<Mishap.LOST_AFTER: 'lost_after'>, None)
    """

    seed: int = 0
    shares: dict[Mishap, float] = field(default_factory=dict)
    burst: int = 0
    hooks_dropped: float = 0.0
    hooks_doubled: float = 0.0
    hooks_late: float = 0.0
    unknown_statuses: float = 0.0
    unknown_fields: bool = False
    #: What has happened: the mishap, and the request.
    happened: list[tuple[Mishap, str]] = field(default_factory=list)
    #: What the next answer 429 says in ``Retry-After``; None: no such header.
    retry_after: float | None = None
    _wanted: list[_Wanted] = field(default_factory=list)
    _left_of_burst: int = 0
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._random.seed(self.seed)

    def happen(self, mishap: Mishap | str, on: str = "", times: int = 1, retry_after: float | None = None) -> None:
        """Have the next requests meet a mishap: those that begin with `on`, a method and a path below ``/api/v1``."""
        self._wanted.append(_Wanted(Mishap(mishap), on, times, retry_after))

    def of_request(self, method: str, path: str) -> Mishap | None:
        """Return what happens to a request, and note it."""
        request = f"{method} {path}"
        found = self._asked_for(request) or self._by_chance()
        if found is not None:
            self.happened.append((found, request))
        return found

    def ways_of_a_delivery(self) -> list[float]:
        """Return how late each copy of a delivery leaves."""
        if self._is(self.hooks_dropped):
            return []
        copies = 2 if self._is(self.hooks_doubled) else 1
        return [self._random.uniform(0, self.hooks_late) if self.hooks_late else 0.0 for _ in range(copies)]

    def shown_status(self, status: str) -> str:
        """Return the state that is shown of a submission."""
        return "ON HOLD" if self._is(self.unknown_statuses) else status

    def _asked_for(self, request: str) -> Mishap | None:
        for one in self._wanted:
            if one.times > 0 and request.startswith(one.on):
                one.times -= 1
                self.retry_after = one.retry_after
                return one.mishap
        return None

    def _by_chance(self) -> Mishap | None:
        if self._left_of_burst > 0:
            self._left_of_burst -= 1
            return Mishap.TOO_MANY
        for mishap, share in self.shares.items():
            if self._is(share):
                self._left_of_burst = self.burst if mishap is Mishap.TOO_MANY else 0
                return mishap
        return None

    def _is(self, share: float) -> bool:
        return share > 0 and self._random.random() < share


class Limit:
    """How many requests a second are answered, in the stand-in's time.

    Parameters
    ----------
    per_second
        None: any number.
    now
        What time it is.
    """

    def __init__(self, per_second: float | None, now: Callable[[], float]) -> None:
        self._per_second, self._now = per_second, now
        self._left, self._at = per_second or 0.0, now()

    def take(self) -> bool:
        """Return whether one more is answered."""
        if self._per_second is None:
            return True
        now = self._now()
        self._left = min(max(self._per_second, 1.0), self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class MishapDoor:
    """Stands before the server, and has happen what the plan says.

    Parameters
    ----------
    app
        What answers.
    plan
        What goes wrong.
    limit
        Beyond it, requests are answered 429.
    cut
        Cuts the connection that a request came by.
    """

    def __init__(self, app: App, plan: Mishaps, limit: Limit, cut: Callable[[Scope], None]) -> None:
        self.plan = plan
        #: Set when the stand-in stops: nobody hangs any longer.
        self.over = asyncio.Event()
        self._app, self._limit, self._cut = app, limit, cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or not."""
        path = str(scope["path"])
        if scope["type"] != "http" or not path.startswith("/api/v1"):
            await self._app(scope, receive, send)
            return
        mishap = self.plan.of_request(scope["method"], path.removeprefix("/api/v1"))
        if mishap is None and not self._limit.take():
            mishap, self.plan.retry_after = Mishap.TOO_MANY, None
        if mishap is None:
            await self._app(scope, receive, send)
        elif mishap in (Mishap.TOO_MANY, Mishap.ERROR, Mishap.BAD_GATEWAY, Mishap.CUT_BEFORE):
            await self._refuse(mishap, scope, receive, send)
        else:
            await self._app(scope, receive, _swallow)
            await self._spoil(mishap, scope, receive, send)

    async def _refuse(self, mishap: Mishap, scope: Scope, receive: Receive, send: Send) -> None:
        if mishap is Mishap.CUT_BEFORE:
            self._cut(scope)
            await _gone(receive)
        elif mishap is Mishap.TOO_MANY:
            wait, self.plan.retry_after = self.plan.retry_after, None
            headers = [] if wait is None else [(b"retry-after", f"{wait:g}".encode())]
            await _answer(send, 429, b'{"detail": "Request was throttled."}', headers)
        elif mishap is Mishap.BAD_GATEWAY:
            await _answer(send, 502, b"<html><h1>502 Bad Gateway</h1></html>", kind=b"text/html")
        else:
            await _answer(send, 500, json.dumps({"message": "Internal Server Error", "detail": "Try later."}).encode())

    async def _spoil(self, mishap: Mishap, scope: Scope, receive: Receive, send: Send) -> None:
        if mishap is Mishap.LOST_AFTER:
            self._cut(scope)
            await _gone(receive)
        elif mishap is Mishap.HANG_AFTER:
            await self.over.wait()
            await _gone(receive)
        elif mishap is Mishap.GARBAGE_AFTER:
            await _answer(send, 200, b'{"results": [{"id"')
        else:
            await _answer(send, 500, b"Internal Server Error", kind=b"text/plain")


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that a connection is cut."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _swallow(message: MutableMapping[str, Any]) -> None:
    """Take an answer that nobody is to see."""


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
    kind: bytes = b"application/json",
) -> None:
    size = str(len(body)).encode()
    all_headers = [(b"content-type", kind), (b"content-length", size), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
