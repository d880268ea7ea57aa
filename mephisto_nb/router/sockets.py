"""The listening socket, and the line that tells the architect that it listens."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import random
import socket
import sys

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, PortInUseError

if sys.platform != "win32":
    import resource

_BACKLOG = 1024
_OPEN_FILES = 16_384
#: Where a port of our own is looked for: below those that systems give to connections that go out. One of these may
#: take the port of a router that has died, even one that tries to reach it, and then it cannot come back there.
_OWN_PORTS, _TRIES = range(20_000, 32_000), 20
_NOTIFY_SECONDS = 5.0


def listen(host: str, port: int, preferred: int | None = None) -> socket.socket:
    """Listen on `host` and `port`.

    Parameters
    ----------
    host
        A name or address.
    port
        The port, or 0 for any that is free.
    preferred
        The port to try first if any will do.

    Raises
    ------
    PortInUseError
        Another program listens there.
    ConfigError
        The address is none of this machine, or the port is not allowed.
    """
    if port != 0:
        return _listen(host, port)
    for candidate in (preferred, *random.sample(_OWN_PORTS, _TRIES)):
        try:
            if candidate:
                return _listen(host, candidate)
        except PortInUseError:
            continue
        except ConfigError:
            break  # the system tells better below what is wrong
    return _listen(host, 0)


def url_of(listener: socket.socket) -> str:
    """Give the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Notifier:
    """Tells the one who started the router, over a connection made right at the start, how that went.

    That the connection breaks without a line tells him too: the router has died.
    """

    def __init__(self, address: tuple[str, int] | None) -> None:
        self._socket = None if address is None else socket.create_connection(address, timeout=_NOTIFY_SECONDS)

    def ready(self, port: int) -> None:
        """Tell that the router listens."""
        self._tell({"ready": True, "port": port, "pid": os.getpid()})

    def failed(self, error: str, message: str) -> None:
        """Tell that the router could not start."""
        self._tell({"ready": False, "error": error, "message": message})

    def _tell(self, line: JSONObject) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendall(json.dumps(line).encode() + b"\n")
        except OSError:
            # Nobody is there to be told. The run goes on: its operator may still come, and if not, it ends.
            pass
        finally:
            self._socket.close()
            self._socket = None


def allow_many_sockets() -> None:
    """Raise the limit on open files, and so on sockets, as far as it may be (POSIX only; macOS begins at 256)."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            # Where it is refused, fewer workers can be served; that is no reason to serve none.
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_files() -> float:
    """Give how many files this process may have open; infinity where that is not known."""
    if sys.platform == "win32":
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol has to be named, or asyncio leaves Nagle's algorithm on, and every answer waits 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise ConfigError(f"The router cannot listen on {host!r}: {error}.") from error
    try:
        _claim(listener)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = f"Port {port} on {host} belongs to another program. Choose another, or port 0 for any."
            raise PortInUseError(text) from error
        raise ConfigError(f"The router cannot listen on {host} port {port}: {error}.") from error
    listener.setblocking(False)
    return listener


def _claim(listener: socket.socket) -> None:
    if sys.platform == "win32":
        # There, SO_REUSEADDR would let two programs share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        # So that a router can be restarted while connections of the last one are in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
