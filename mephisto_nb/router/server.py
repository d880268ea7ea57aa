"""A router's life: lock, listen, serve, end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from mephisto_nb.errors import ConfigError, LaunchError
from mephisto_nb.router.app import make_app, security_headers
from mephisto_nb.router.config import MIB, RouterConfig, RunFiles, read_config
from mephisto_nb.router.core import Exit, Router
from mephisto_nb.router.http.connections import Waiting, http_protocol, socket_protocol
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.intake.multipart import remove_partial
from mephisto_nb.router.sockets import Notifier, allow_many_sockets, listen, open_files, url_of

#: One frame of the operator; worker sockets have a much lower limit of their own.
OPERATOR_FRAME = 64 * MIB
_SHUTDOWN_SECONDS = 5
#: Long enough for a kernel that is busy with a cell, short enough for a phone that has left the network.
_PING_EVERY, _PONG_WITHIN = 20.0, 120.0

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
    allow_many_sockets()
    try:
        lock = FileLock(files.lock, mode=0o600)
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError(f"Another router serves {directory} already.") from None
    with lock:
        return _run_locked(config, files, notifier)


def _run_locked(config: RouterConfig, files: RunFiles, notifier: Notifier) -> Exit:
    claim(files.state)
    files.uploads.mkdir(mode=0o700, exist_ok=True)
    remove_partial(files.uploads)
    # The port of an earlier router of this run is tried first, so that workers' pages find it again.
    listener = listen(config.host, config.port, preferred=_last_port(files.state))
    with contextlib.closing(listener):
        server = _Server(config, files, Store.open(files.store, config.run_id), listener)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            return runner.run(server.serve_run(notifier))


class _Server(uvicorn.Server):
    """uvicorn, with our signals, and with a word when it listens."""

    def __init__(self, config: RouterConfig, files: RunFiles, store: Store, listener: socket.socket) -> None:
        self._run_config, self._files, self._listener, self._store = config, files, listener, store
        self._exit = Exit.DONE
        self._on_listening: Callable[[], None] = lambda: None
        self._router = Router(config, store, self._end)
        waiting = Waiting(config.limits, open_files())
        super().__init__(
            uvicorn.Config(
                make_app(self._router, files),
                http=http_protocol(waiting),  # type: ignore[arg-type]
                ws=socket_protocol(waiting),  # type: ignore[arg-type]
                ws_max_size=max(OPERATOR_FRAME, config.limits.socket_message),
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

    async def serve_run(self, notifier: Notifier) -> Exit:
        """Serve until the run ends, or the process is told to."""
        self._on_listening = lambda: self._announce(notifier)
        self._store.start()
        self._router.start()
        departures = asyncio.create_task(self._router.run())
        try:
            with _signals(self._on_signal):
                await self.serve(sockets=[self._listener])
        finally:
            departures.cancel()
            await asyncio.gather(departures, return_exceptions=True)
            self._router.stop()
            await self._store.close()
        log.info("The router has ended (%s).", self._exit.name.lower())
        return self._exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Those who wait for an agent would keep the server waiting for them.
        self._router.stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own would raise the signal again at the end, which would cut the tidying up short.
        yield

    def _announce(self, notifier: Notifier) -> None:
        url, port = url_of(self._listener), self._listener.getsockname()[1]
        state = {"run_id": self._run_config.run_id, "pid": os.getpid(), "port": port, "url": url}
        _write_atomically(self._files.state, json.dumps(state))
        log.info("The router of run %s listens on %s.", self._run_config.run_id, url)
        if not url.startswith(("http://127.", "http://[::1]")):
            log.info("It can be reached from other machines.")
        notifier.ready(port)

    def _end(self, reason: Exit) -> None:
        log.info("The router ends: %s.", reason.name.lower().replace("_", " "))
        self._exit = reason
        self.should_exit = True

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


def claim(state: Path) -> None:
    """Put this process in the place of an earlier router in ``router.json``, whose port is kept.

    Whoever sees the lock held takes the process named there for the router. The number of a dead one may belong to
    a stranger by now.
    """
    try:
        earlier = json.loads(state.read_bytes())
    except (OSError, ValueError):
        return
    if isinstance(earlier, dict):
        _write_atomically(state, json.dumps({**earlier, "pid": os.getpid()}))


def _last_port(state: Path) -> int | None:
    try:
        port = json.loads(state.read_bytes())["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return port if isinstance(port, int) and 0 < port < 65536 else None


def _write_atomically(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and that is never seen half written."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        # The mode holds on POSIX; on Windows the directory's own permissions do.
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"The router cannot write {path}: {error}.") from error
