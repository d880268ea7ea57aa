"""Under which addresses we are asked, and by whose pages: a browser that reaches us does so for any page it shows.

A page of a stranger can send requests wherever the browser can: a foreign ``Origin`` gives that away. By a name that
the stranger lets point to our address ("DNS rebinding") it could read the answers as well: a ``Host`` that is not ours
gives that away. Both are looked at before anything else is, on every route and socket.
"""

from __future__ import annotations

import contextlib
import logging
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from mephisto_nb.router.config import RouterConfig
from mephisto_nb.router.http.answers import Refused, bad_request, refusal
from mephisto_nb.utils.addresses import Place, read_address, read_host, read_origin

#: Where a connection leaves the target of a request that is no path, as in ``GET http://lab.example/ HTTP/1.1``.
TARGET = "mephisto_target"

log = logging.getLogger(__name__)

_read_host = lru_cache(1000)(read_host)


class Addresses:
    """Which hosts and pages are ours.

    Ours are this computer by its loopback names, the address that a connection came in on, the host that we were told
    to listen on, and the addresses that were configured. Ports of hosts make no difference, for tunnels have others;
    the port of a page does: other programs of this computer have pages, too.

    Parameters
    ----------
    config
        What the architect wrote.
    """

    def __init__(self, config: RouterConfig) -> None:
        places = [read_address(text) for text in config.addresses]
        self._hosts = {place.host for place in places}
        with contextlib.suppress(ValueError):  # an IPv6 address without brackets: connections name it as well
            self._hosts.add(read_host(config.host).host)
        self._origins = {(place.scheme, place.host, place.full_port) for place in places if place.scheme}
        #: Hosts of which it is known how their pages are reached: by these ways, and no other.
        self._settled = {place.host for place in places if place.scheme} - {
            place.host for place in places if not place.scheme
        }

    def check(self, scope: Scope) -> None:
        """Raise `Refused` for a request to a host that is not ours, or from a page that is not."""
        hosts, origins = [], []
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origins.append(value)
        if len(hosts) != 1:
            raise bad_request("A request names one host in its header 'Host'.")
        host = self._known_host(hosts[0].decode("latin-1"), scope)
        target = _target(scope)
        if target is not None:
            self._known_host(_authority(target), scope)
        if origins:
            self._check_origin(origins, host)

    def _known_host(self, text: str, scope: Scope) -> Place:
        try:
            host = _read_host(text)
        except ValueError:
            raise bad_request("The header 'Host' names no host.") from None
        server = scope.get("server")
        here = server[0].partition("%")[0] if server else ""
        if host.is_loopback or host.host in self._hosts or host.host == here:
            return host
        raise Refused(
            421,
            "unknown_host",
            "This server is not known by the address that was used. Please use the link as you were given it. (Whoever "
            "runs the task: mephisto.architect.url or mephisto.architect.addresses has to name this address.)",
        )

    def _check_origin(self, origins: list[bytes], host: Place) -> None:
        try:
            page = read_origin(origins[0].decode("latin-1"))
        except ValueError:
            raise _foreign() from None
        if len(origins) > 1:
            raise _foreign()
        if (page.scheme, page.host, page.full_port) in self._origins:
            return
        # Behind a proxy that speaks TLS the scheme is not ours, and a port that goes without saying is that of TLS.
        port = host.port if host.port is not None else Place("", None, page.scheme).full_port
        if page.host != host.host or page.full_port != port or page.host in self._settled:
            raise _foreign()


class OurAddresses:
    """Serves what is meant for us, and comes from pages of ours; refuses all else before it costs anything.

    Parameters
    ----------
    app
        What serves it.
    addresses
        What is ours.
    """

    def __init__(self, app: ASGIApp, addresses: Addresses) -> None:
        self._app, self._addresses = app, addresses
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one socket."""
        try:
            self._addresses.check(scope)
        except Refused as refused:
            if refused.code not in self._told:
                self._told.add(refused.code)
                log.warning("A request was refused (%s): its host, or its page, is not ours.", refused.code)
            await refusal(refused)(scope, receive, send)
            return
        path = str(scope["path"])
        if "://" in path and not path.startswith("/"):
            # What some clients send through proxies; the host in it was looked at.
            scope = {**scope, "path": "/" + path.partition("://")[2].partition("/")[2]}
        await self._app(scope, receive, send)


def _target(scope: Scope) -> str | None:
    """Return the target of a request that is no path; None where it is one."""
    target = scope.get(TARGET) or scope.get("raw_path") or b"/"
    return None if target.startswith((b"/", b"*", b"?")) else target.decode("latin-1")


def _authority(target: str) -> str:
    rest = target.partition("://")[2] if "://" in target else target
    return rest.partition("/")[0].partition("?")[0]


def _foreign() -> Refused:
    return Refused(
        403,
        "foreign_page",
        "This was sent by a page of another address, and only the task's own may do so. (Whoever runs the task: where "
        "that page is the task's, mephisto.architect.url or mephisto.architect.addresses has to name its address.)",
    )
