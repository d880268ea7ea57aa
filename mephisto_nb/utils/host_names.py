"""Names of hosts: which of them only one computer or network knows, and which lead through a known tunnel."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass


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

    def is_passing(self, host: str) -> bool:
        """Return whether a host of the service has another name once the tunnel is started again."""
        own = host.removesuffix(self.suffix).rstrip(".").rpartition(".")[2]
        return self.changes and not (self.fixed and re.fullmatch(self.fixed, own))


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
#: Names that only one computer, or one network, knows.
_INNER = ("localhost", "local", "localdomain", "lan", "internal", "home.arpa")


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
