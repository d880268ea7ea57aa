"""What an address tells before anybody asks it: whether it leads here, and will tomorrow.

Stands alone because all of it is known without a network, where an address cannot be asked from here.
"""

from __future__ import annotations

from collections.abc import Iterator

from mephisto_nb.kernel.outside.address_report import AddressFinding, Fitness
from mephisto_nb.utils.addresses import Place
from mephisto_nb.utils.host_names import Tunnel, find_tunnel, is_below, is_local

PUT_IN_FRONT = "Put a proxy or tunnel that speaks HTTPS in front, and give its address as mephisto.architect.url."
#: Names that are made of an address, which many strangers share.
_SHARED = ("nip.io", "sslip.io")
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
    if is_local(place.host) and not allow_local:
        found = f"{place.host} is known to this computer or network alone, and a crowd's people are elsewhere."
        yield AddressFinding(Fitness.ERROR, tried, found, PUT_IN_FRONT)
    if place.scheme == "http" and not allow_local:
        found = "it begins with http://, so that browsers warn of it, and whoever is on the way reads along."
        yield AddressFinding(Fitness.ERROR, tried, found, PUT_IN_FRONT)
    if (tunnel := find_tunnel(place.host)) is not None:
        yield from _judge_tunnel(tunnel, place.host)
    if any(is_below(place.host, suffix) for suffix in _SHARED):
        found = f"{place.host} is a name that many strangers share, and some browsers warn of those."
        yield AddressFinding(Fitness.WARNING, tried, found, "Use a name of your own.")


def _judge_tunnel(tunnel: Tunnel, host: str) -> Iterator[AddressFinding]:
    if tunnel.is_passing(host):
        found = f"it is that of {tunnel.name}, and another one whenever the tunnel is started again."
        yield AddressFinding(Fitness.WARNING, "the address", found, _TUNNEL_REMEDY)
    if tunnel.warns:
        found = f"{tunnel.name} may show visitors a page of its own before the task, which not everybody passes."
        yield AddressFinding(Fitness.WARNING, "the address", found, "Open it in a private window, and see what comes.")
