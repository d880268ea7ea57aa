"""What an address tells before anybody asks it: whether it leads here, and will tomorrow."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mephisto_nb.kernel.outside.address_report import AddressFinding, Fitness
from mephisto_nb.utils.addresses import Place


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A service by which a computer is reached from outside, known by the end of its hosts' names.

    `changes` says that a name is another one after a restart (where `fixed` does not match it), and `warns` that
    visitors may get a page of the service first.
    """

    suffix: str
    name: str
    changes: bool = False
    warns: bool = False
    fixed: str = ""


#: The longer suffix first, where one ends in another.
TUNNELS = (
    Tunnel("trycloudflare.com", "a quick tunnel of Cloudflare", changes=True),
    Tunnel("ngrok-free.app", "the free ngrok", changes=True, warns=True, fixed="[a-z]+(-[a-z]+)+"),
    Tunnel("ngrok-free.dev", "the free ngrok", changes=True, warns=True, fixed="[a-z]+(-[a-z]+)+"),
    Tunnel("ngrok.io", "ngrok", changes=True, fixed="(?![0-9a-f-]*$)[a-z0-9-]+"),
    Tunnel("ngrok.app", "ngrok", changes=True, fixed="(?![0-9a-f-]*$)[a-z0-9-]+"),
    Tunnel("ngrok.dev", "ngrok", changes=True, fixed="(?![0-9a-f-]*$)[a-z0-9-]+"),
    Tunnel("lhr.life", "localhost.run without a name of its own", changes=True),
    Tunnel("localhost.run", "localhost.run", changes=True),
    Tunnel("serveo.net", "Serveo", changes=True),
    Tunnel("serveousercontent.com", "Serveo", changes=True),
    Tunnel("pinggy.link", "Pinggy, whose free tunnels end after an hour", changes=True),
    Tunnel("pinggy.online", "Pinggy", changes=True),
    Tunnel("loca.lt", "localtunnel", changes=True, warns=True),
    Tunnel("share.zrok.io", "zrok", warns=True),
    Tunnel("gradio.live", "Gradio's relay", changes=True),
    Tunnel("devtunnels.ms", "a dev tunnel", warns=True),
    Tunnel("app.github.dev", "a codespace", changes=True, warns=True),
)
PUT_IN_FRONT = "Put a proxy or tunnel that speaks HTTPS in front, and give its address as mephisto.architect.url."
#: Names that are made of an address, which many strangers share.
_SHARED = ("nip.io", "sslip.io")
#: Names that only one computer, or one network, knows.
_INNER = ("localhost", "local", "lan", "internal", "home.arpa")
_TUNNEL_REMEDY = (
    "Use one whose name stays, such as a named tunnel, a funnel or a server of your own: a published study keeps "
    "its address for good."
)


def judge_address(place: Place, *, allow_local: bool) -> Iterator[AddressFinding]:
    """Yield what an address tells by itself; `place` has a scheme.

    Parameters
    ----------
    place
        The address.
    allow_local
        Whether it may lead to this computer or network alone, and do without TLS: where nobody comes from elsewhere.
    """
    tried = "the address"
    is_inner = is_local(place.host)
    if is_inner and not allow_local:
        found = f"{place.host} is known to this computer or network alone, and a crowd's people are elsewhere."
        yield AddressFinding(
            Fitness.ERROR,
            tried,
            found,
            PUT_IN_FRONT,
        )
    if place.scheme == "http" and not allow_local:
        found = "it begins with http://, so that browsers warn of it, and whoever is on the way reads along."
        yield AddressFinding(
            Fitness.ERROR,
            tried,
            found,
            PUT_IN_FRONT,
        )
    if (tunnel := find_tunnel(place.host)) is not None:
        yield from _judge_tunnel(tunnel, place.host)
    if any(is_below(place.host, suffix) for suffix in _SHARED):
        found = f"{place.host} is a name that many strangers share, and some browsers warn of those."
        yield AddressFinding(Fitness.WARNING, tried, found, "Use a name of your own.")


def _judge_tunnel(tunnel: Tunnel, host: str) -> Iterator[AddressFinding]:
    own = host.removesuffix(tunnel.suffix).rstrip(".").rpartition(".")[2]
    if tunnel.changes and not (tunnel.fixed and re.fullmatch(tunnel.fixed, own)):
        found = f"it is that of {tunnel.name}, and another one whenever the tunnel is started again."
        yield AddressFinding(Fitness.WARNING, "the address", found, _TUNNEL_REMEDY)
    if tunnel.warns:
        found = f"{tunnel.name} may show visitors a page of its own before the task, which not everybody passes."
        yield AddressFinding(Fitness.WARNING, "the address", found, "Open it in a private window, and see what comes.")


def find_tunnel(host: str) -> Tunnel | None:
    """Return the service that a host belongs to, if it is a known one."""
    return next((one for one in TUNNELS if is_below(host, one.suffix)), None)


def is_below(host: str, suffix: str) -> bool:
    """Return whether a host is of a domain.

    Examples
    --------
    >>> is_below("a.lhr.life", "lhr.life"), is_below("lhr.life.evil", "lhr.life"), is_below("xlhr.life", "lhr.life")
    (True, False, False)
    """
    return host == suffix or host.endswith(f".{suffix}")


def is_local(host: str) -> bool:
    """Return whether a host is known to one computer or network alone: by its name, or as an address that is private.

    Examples
    --------
    >>> [is_local(host) for host in ("127.0.0.1", "10.0.0.7", "lab", "lab.local", "lab.org", "2001:4860::7")]
    [True, True, True, True, False, False]
    """
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or any(is_below(host, inner) for inner in _INNER)
