"""How other computers may reach this one."""

from __future__ import annotations

import ipaddress
import socket

#: Listening on one of these is listening on every address of the machine.
EVERYWHERE = ("0.0.0.0", "::")
#: An address of nobody's, kept for documentation; a way towards it is looked up, and nothing is sent.
_ELSEWHERE = ("192.0.2.1", 9)


def find_own_address() -> str | None:
    """Give the address by which this machine goes out, without asking the network; None if there is no way out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    known = ipaddress.ip_address(address)
    return None if known.is_loopback or known.is_unspecified else address
