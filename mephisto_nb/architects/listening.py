"""Where a router of this machine listens, by which address others reach it, and whether that can work."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import sys
import time
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from mephisto_nb.errors import ConfigError, PortInUseError
from mephisto_nb.utils.addresses import is_frame_source, read_address

#: How long a router that is started again waits for its old port, if another program has it, and how often it looks
#: (seconds).
_PORT_PATIENCE, _LOOK_AGAIN = 3.0, 0.2
#: Listening here is listening on every address of the machine.
EVERYWHERE = "0.0.0.0"
#: An address of nobody's, kept for documentation; a way towards it is looked up, and nothing is sent.
_ELSEWHERE = ("192.0.2.1", 9)


def find_own_address() -> str | None:
    """Return the address by which this machine goes out, without asking the network; None if there is no way out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    known = ipaddress.ip_address(address)
    return None if known.is_loopback or known.is_unspecified else address


def as_folder(url: str) -> str:
    """Return an address with a slash at the end of its path, if it has one: from there, pages name what they load."""
    parts = urlsplit(url.strip())
    path = "/".join(["", *filter(None, parts.path.split("/")), ""]) if parts.path.strip("/") else ""
    if not path and parts.query:
        path = "/"
    return urlunsplit(parts._replace(path=path))


def check_addresses(url: str, addresses: Sequence[str], frame_ancestors: Sequence[str]) -> None:
    """Raise `ConfigError` for an address by which nobody could come, or a source of frames that names no pages."""
    for name, text in (("url", url), *(("addresses", one) for one in addresses)):
        try:
            if text:
                read_address(text)
        except ValueError as error:
            raise ConfigError(
                f"mephisto.architect.{name} holds {text!r}, which is no address ({error}). Name a host, as in "
                "lab.example, or a whole address, as in https://lab.example."
            ) from error
    for text in frame_ancestors:
        if not is_frame_source(text):
            raise ConfigError(
                f"mephisto.architect.frame_ancestors holds {text!r}, which names no pages. Give addresses, as in "
                'frame_ancestors=["https://lab.example"]; names in other alphabets as browsers send them, with xn--.'
            )


async def wait_for_port(host: str, port: int) -> None:
    """Wait a moment for a port that a router had, if another program has it: a connection of that one may end soon."""
    until = time.monotonic() + _PORT_PATIENCE
    while True:
        try:
            check_port(host, port)
        except PortInUseError:
            if time.monotonic() >= until:
                return
            with contextlib.suppress(TimeoutError):  # nobody tells when a port is free again
                async with asyncio.timeout(_LOOK_AGAIN):
                    await asyncio.Event().wait()
        else:
            return


def check_port(host: str, port: int) -> None:
    """Raise `ConfigError` for what is no port, and `PortInUseError` for one that cannot be listened on."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"mephisto.architect.port is {port}; ports go from 0 (any free one) to 65535.")
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"mephisto.architect.port is {port}, but {host}:{port} cannot be listened on ({error.strerror}). "
                "Use another port, or 0 for any free one."
            ) from error
