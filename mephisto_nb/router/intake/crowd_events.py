"""What a crowd posts of its own accord: kept for the operator as it came, for that one alone can tell whether it is so.

Who knows the key of the address need not be the crowd. So what comes there has bounds of its own, and takes no room of
workers; and without the key there is nothing to be seen: a run that has no such address answers in the same way.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mephisto_nb.model.packets import SYSTEM_SUBJECT, Packet, PacketType
from mephisto_nb.router.config import KIB, RouterConfig
from mephisto_nb.router.http.answers import Refused, json_answer
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.intake.bodies import BodyReader
from mephisto_nb.router.rules import SubmissionResult, TokenBucket
from mephisto_nb.utils.proofs import matches

#: The headers that a signature may need.
_KEPT, _KEPT_PREFIX = ("content-type", "user-agent"), "x-"
#: So many of them are kept, with names and values of so many characters. Whoever sends more spoils its own signature.
_MOST_HEADERS, _LONGEST_NAME, _LONGEST_VALUE = 40, 100, 4096
#: So many bytes of body are one event of those that may come in a second; ten seconds' worth may come at once.
_ONE_EVENT, _BURST_SECONDS = 4 * KIB, 10


class CrowdEventRoute:
    """The route ``/crowd_events/KEY``.

    Parameters
    ----------
    config
        The run's key, and how much may come.
    store
        Where it is kept.
    bodies
        Reads what comes.
    now
        Tells the time (seconds), and never goes back.
    """

    def __init__(
        self, config: RouterConfig, store: Store, bodies: BodyReader, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._key, self._limits = config.crowd_events_key, config.limits
        self._store, self._bodies, self._now = store, bodies, now
        rate = self._limits.events_per_second
        largest = -(-self._limits.event_body // _ONE_EVENT)
        self._bucket = TokenBucket(rate, max(_BURST_SECONDS * rate, largest), now())

    def routes(self) -> list[Route]:
        """Return the routes: there whether or not the run has a key, so that nobody can tell."""
        return [Route("/crowd_events/{key}", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """Keep an event; it is answered with 200 once it is on the disk."""
        if not (matches(self._key, request.path_params["key"]) and self._key):
            raise Refused(404, "not_found", "There is nothing here.")
        self._spend(1)
        body = await self._bodies.any_bytes(request, self._limits.event_body)
        self._spend((len(body) - 1) // _ONE_EVENT)
        data = {"headers": kept_headers(request.scope["headers"]), "body": base64.b64encode(body).decode()}
        message = writes.message_of(Packet(PacketType.CROWD_EVENT, SYSTEM_SUBJECT, data))
        kept, stored = self._limits.events_kept, self._limits.events_stored
        if await self._store.run(lambda txn: writes.keep_event(txn, message, kept, stored)) is SubmissionResult.CLOSED:
            raise Refused(429, "busy", "Too many events wait to be read.", retry_after=60)
        return json_answer({"status": "Received!"})

    def _spend(self, events: int) -> None:
        if events > 0 and not self._bucket.take(self._now(), events):
            raise Refused(429, "busy", "Too many events have come at once.", retry_after=10)


def kept_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return what is kept of a request's headers, names in lower case; what came several times is joined by commas.

    Examples
    --------
    >>> kept_headers([(b"X-Signature", b"abc"), (b"Cookie", b"a=b"), (b"Content-Type", b"text/plain")])
    {'x-signature': 'abc', 'content-type': 'text/plain'}
    """
    kept: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if not (name in _KEPT or name.startswith(_KEPT_PREFIX)) or len(name) > _LONGEST_NAME:
            continue
        value = f"{kept[name]}, {value}" if name in kept else value
        if len(value) <= _LONGEST_VALUE and (name in kept or len(kept) < _MOST_HEADERS):
            kept[name] = value
    return kept
