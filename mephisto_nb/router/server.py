"""A router's life: lock the directory, listen, serve the run, and end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, WebSocketRoute

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, LaunchError, PortInUseError
from mephisto_nb.model.packets import LARGEST_FRAME
from mephisto_nb.router.config import RouterConfig, RunFiles, read_config
from mephisto_nb.router.core import Exit, Router
from mephisto_nb.router.folder import RunFolder, names_another, read_state, write_state
from mephisto_nb.router.http.addresses import Addresses, OurAddresses
from mephisto_nb.router.http.answers import ERROR_HANDLERS, BelowFolder, security_headers
from mephisto_nb.router.http.connections import Waiting, http_protocol, socket_protocol
from mephisto_nb.router.http.pages import Pages
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.intake.bodies import BodyReader
from mephisto_nb.router.intake.crowd_events import CrowdEventRoute
from mephisto_nb.router.intake.multipart import remove_partial
from mephisto_nb.router.operator.link import CurrentLink
from mephisto_nb.router.operator.operator_socket import OperatorSocket
from mephisto_nb.router.workers.worker_routes import WorkerRoutes
from mephisto_nb.router.workers.worker_socket import WorkerEndpoint
from mephisto_nb.utils.machine import birth_of, open_files
from mephisto_nb.utils.private_files import FILE, make_private_folder, write_private

if sys.platform != "win32":
    import resource

_SHUTDOWN_SECONDS = 5
#: Long enough for a kernel that is busy with a cell, short enough for a phone that has left the network.
_PING_EVERY, _PONG_WITHIN = 20.0, 120.0
_BACKLOG = 1024
_OPEN_FILES = 16_384
#: Where a port of our own is looked for: below those that systems give to connections that go out. One of these may
#: take the port of a router that has died, even one that tries to reach it, and then it cannot come back there.
_OWN_PORTS, _TRIES = range(20_000, 32_000), 20
_NOTIFY_SECONDS = 5.0
#: How often a router whose run is over looks whether its directory is still there (seconds).
_LOOK_EVERY = 60.0

log = logging.getLogger(__name__)


class LockedError(LaunchError):
    """Another router serves this directory."""


def run(directory: Path, notifier: Notifier) -> Exit:
    """Serve the run of `directory` until it ends.

    Raises
    ------
    LockedError
        Another router serves it.
    PortInUseError
        Its port belongs to another program.
    ConfigError
        Its configuration or its database cannot be used.
    """
    files = RunFiles(directory)
    config = read_config(files.config)
    make_private_folder(directory)
    allow_many_sockets()
    lock = FileLock(files.lock, mode=FILE)
    _take(lock, files)
    folder = RunFolder(files, lock)
    try:
        return _run_locked(config, folder, notifier)
    finally:
        folder.release()


def _take(lock: FileLock, files: RunFiles) -> None:
    """Take the lock of a directory, unless another router lives that has lost it: workers are where that one is.

    Raises
    ------
    LockedError
        There is another router.
    """
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError(f"Another router serves {files.directory} already.") from None
    if names_another(files.state):
        lock.release()
        raise LockedError(
            f"Another router serves {files.directory} already. Its lock was removed, and it takes it again."
        )


def _run_locked(config: RouterConfig, folder: RunFolder, notifier: Notifier) -> Exit:
    files = folder.files
    claim(files.state)
    make_private_folder(files.uploads)
    remove_partial(files.uploads)
    # The port of an earlier router of this run is tried first, so that workers' pages find it again.
    listener = listen(config.host, config.port, preferred=_last_port(files.state))
    with contextlib.closing(listener):
        server = _Server(config, folder, listener, notifier)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            return runner.run(server.serve_run())


class _Server(uvicorn.Server):
    """uvicorn, with our signals, and with a line to the log and to `Notifier` once it listens."""

    def __init__(self, config: RouterConfig, folder: RunFolder, listener: socket.socket, notifier: Notifier) -> None:
        self._run_config, self._folder, self._listener, self._notifier = config, folder, listener, notifier
        self._files = files = folder.files
        link = CurrentLink()
        self._store = Store.open(files.store, config.run_id, on_message=link.wake)
        self._exit = Exit.DONE
        room = float(shutil.disk_usage(files.directory).free - config.limits.disk_free)
        self._router = Router(config, self._store, link, self._end, self._note_closed, folder, room)
        waiting = Waiting(config.limits, open_files())
        super().__init__(
            uvicorn.Config(
                OurAddresses(make_app(self._router, files), Addresses(config)),
                http=http_protocol(waiting),  # type: ignore[arg-type]
                ws=socket_protocol(waiting),  # type: ignore[arg-type]
                # One frame of the operator; worker sockets have a much lower limit of their own.
                ws_max_size=max(LARGEST_FRAME, config.limits.socket_message),
                ws_ping_interval=_PING_EVERY,
                ws_ping_timeout=_PONG_WITHIN,
                h11_max_incomplete_event_size=config.limits.request_head,
                # Compression costs memory per socket, and lets a small frame become a large one.
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=security_headers(config),
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )

    async def serve_run(self) -> Exit:
        """Serve until the run ends, or a signal asks for the end."""
        self._store.start(self._router.health.tell)
        self._router.start()
        departures = asyncio.create_task(self._router.run())
        departures.add_done_callback(self._on_watch_end)
        try:
            with _signals(self._on_signal):
                await self.serve(sockets=[self._listener])
        finally:
            departures.cancel()
            await asyncio.gather(departures, return_exceptions=True)
            self._router.stop()
            self._router.desk.close()
            await self._store.close()
        log.info("The router has ended (%s).", self._exit.name.lower())
        return self._exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Requests that wait for an agent would keep the server waiting for them.
        self._router.stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own would raise the signal again at the end, which would cut the tidying up short.
        yield

    def _announce(self) -> None:
        url, port = url_of(self._listener), self._listener.getsockname()[1]
        state = {"run_id": self._run_config.run_id, **_who(), "port": port, "url": url}
        self._folder.announce(state)
        log.info("The router of run %s listens on %s.", self._run_config.run_id, url)
        if not url.startswith(("http://127.", "http://[::1]")):
            log.info("It can be reached from other machines.")
        self._notifier.ready(port)

    async def _note_closed(self, closed_at: float) -> None:
        """Note in ``router.json`` that we only say that the task is closed; and end once that is no longer ours."""
        try:
            # Beside the loop: whoever looks after the directory may have to wait for its disk.
            await asyncio.to_thread(self._folder.leave, closed_at)
        except ConfigError as error:
            log.error("That the run is over could not be written down: %s", error)
        self._look_for_state()

    def _look_for_state(self) -> None:
        if read_state(self._files.state).get("pid") != os.getpid():
            self._end(Exit.DONE)  # the run's directory was removed, or given to another router
        else:
            asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look_for_state)

    def _end(self, reason: Exit) -> None:
        log.info("The router ends: %s.", reason.name.lower().replace("_", " "))
        self._exit = reason
        self.should_exit = True

    def _on_watch_end(self, task: asyncio.Task[None]) -> None:
        # Nobody would notice who leaves, nor what fails: one that is started again does.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("The router cannot look after its run any more.", exc_info=error)
            self._end(Exit.CRASHED)

    def _on_signal(self) -> None:
        # A second signal is a person who does not want to wait.
        self.force_exit = self.should_exit
        self._end(Exit.DONE)


@contextlib.contextmanager
def _signals(handler: Callable[[], None]) -> Generator[None, None, None]:
    """Call `handler` on the loop for SIGINT and SIGTERM, and on Windows for Ctrl+Break, which is all it has."""
    loop = asyncio.get_running_loop()
    handled = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        handled.append(signal.SIGBREAK)
    before = {sig: signal.signal(sig, lambda *_: loop.call_soon_threadsafe(handler)) for sig in handled}
    try:
        yield
    finally:
        for sig, previous in before.items():
            signal.signal(sig, previous)


def _who() -> JSONObject:
    """Return what tells this process from every other: its number alone may be a stranger's later."""
    return {"pid": os.getpid(), "born": birth_of(os.getpid())}


def claim(state: Path) -> None:
    """Put this process in the place of an earlier router in ``router.json``, whose port is kept.

    An architect that finds the lock held takes the process named there for the router. The number of a dead one may
    belong to a stranger by now.
    """
    if earlier := read_state(state):
        earlier.pop("closed_at", None)
        write_state(state, {**earlier, **_who()})


def _last_port(state: Path) -> int | None:
    port = read_state(state).get("port")
    return port if isinstance(port, int) and 0 < port < 65536 else None


def make_app(router: Router, files: RunFiles) -> Starlette:
    """Make the application that serves one run."""
    config, store = router.config, router.store
    worker_endpoint = WorkerEndpoint(
        config, store, router.roll, router.hub, router.live, router.departures, router.desk, router.shares
    )
    operator_socket = OperatorSocket(router)
    note_upload = router.health.note_upload
    bodies = BodyReader(
        config.limits, files.uploads, router.quota, router.roll, router.desk, router.shares, note_upload
    )
    routes: list[BaseRoute] = [
        WebSocketRoute("/", worker_endpoint.__call__),
        WebSocketRoute("/socket", worker_endpoint.__call__),
        WebSocketRoute("/operator", operator_socket.__call__),
        *WorkerRoutes(router, bodies).routes(),
        *CrowdEventRoute(config, store, bodies).routes(),
        *Pages(config, files, router.link.state, lambda: router.hub.closed_at).routes(),
    ]
    below = [Middleware(BelowFolder, folder=config.folder)] if config.folder else []
    app = Starlette(routes=routes, exception_handlers=ERROR_HANDLERS, middleware=below)
    # A redirect would repeat the host that a stranger names.
    app.router.redirect_slashes = False
    return app


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
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Notifier:
    """Reports to the program that started the router how that went: in a file, if it wants to be sure who speaks.

    Parameters
    ----------
    address
        Where the program listens. Anybody on this machine may connect there; None: nobody waits.
    file
        Where the report is written before, in a folder of the program's own. Who listens reads it there, and takes
        whoever connects for a knock at the door; None: the report goes over the connection alone.

    Raises
    ------
    OSError
        No program listens there. Without a file the connection is made here: one that breaks without a line is a
        report too, that the router has died.
    """

    def __init__(self, address: tuple[str, int] | None, file: Path | None = None) -> None:
        self._address, self._file = address, file
        self._socket = self._connect() if file is None else None

    def _connect(self) -> socket.socket | None:
        return None if self._address is None else socket.create_connection(self._address, timeout=_NOTIFY_SECONDS)

    def ready(self, port: int) -> None:
        """Report that the router listens."""
        self._report({"ready": True, "port": port, "pid": os.getpid()})

    def failed(self, error: str, message: str) -> None:
        """Report that the router could not start."""
        self._report({"ready": False, "error": error, "message": message})

    def _report(self, line: JSONObject) -> None:
        try:
            if self._file is not None:
                write_private(self._file, json.dumps(line))
                self._socket = self._connect()
            if self._socket is not None:
                self._socket.sendall(json.dumps(line).encode() + b"\n")
        except OSError as error:
            # The other program has gone. The run goes on: its operator may still come, and if not, it ends.
            log.info("Nobody could be told how the start went: %s", error)
        finally:
            if self._socket is not None:
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
