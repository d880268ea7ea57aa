"""A router on this very machine, in a process of its own that outlives the kernel; and how other computers reach it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from mephisto_nb._typing import JSONObject
from mephisto_nb.architects.config_file import ConfigFile
from mephisto_nb.architects.listening import (
    EVERYWHERE,
    as_folder,
    check_addresses,
    check_port,
    find_own_address,
    wait_for_port,
)
from mephisto_nb.architects.router_lives import RouterLives
from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import (
    ConfigError,
    LaunchError,
    NotFoundError,
    PortInUseError,
    RouterError,
    RouterGoneError,
    WorldError,
)
from mephisto_nb.ports.architect import Architect, Channel, RouterPlan
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.machine import is_proven_alive
from mephisto_nb.utils.private_files import FILE, make_private_folder, open_private
from mephisto_nb.utils.proofs import Secret

logger = get_logger(__name__)

#: How long a router may take until it answers, in seconds.
START_TIMEOUT = 30.0
#: How long it may take to end, once told to.
_END_TIMEOUT = 10.0
#: How often it is looked meanwhile who the router says that it is.
_LOOK_AGAIN = 0.5
#: How many may stand at the door at which a router knocks once it is ready: it waits behind strangers.
_AT_THE_DOOR = 64
#: How many routers of runs that are over may go on at once.
_NOTICES = 5
#: What SQLite says of a file that is no database, or one no more.
_SPOILT = ("not a database", "malformed")


@dataclass
class LocalArchitectArgs:
    """Where the router listens.

    Parameters
    ----------
    hostname
        The address to listen on, of IPv4. The default lets nobody in from outside this machine; use ``0.0.0.0`` (behind
        a firewall, or a proxy that speaks TLS) to let workers in.
    port
        0: any free port; or one that must be free.
    url
        How workers reach the router, where that differs: the address of a proxy or tunnel in front of it, which may
        show it in a folder (``https://lab.example/study/``). Without it, links name `hostname`; and where that is
        ``0.0.0.0``, the address by which this machine goes out.
    try_url
        Whether that address is tried from this machine before a crowd that sends people by itself is offered the run. A
        network that cannot reach its own address from inside, or goes out by a proxy alone, needs ``false``.
    addresses
        Further addresses by which browsers may come, beside `url`, `hostname` and this machine's own: hosts
        (``lab.example``), or whole addresses (``https://lab.example``). Requests to any other are refused.
    frame_ancestors
        Whose pages may show the task in a frame, as ``["https://lab.example"]``; without it, the crowd's alone.
    operator_absence_in_seconds
        How long a router without an operator goes on taking submissions before it ends itself.
    closed_notice_in_seconds
        For how long the router goes on once the run is over, to say that the task is closed to whoever still comes, and
        to give those their answer to keep whose page was open. A launch at its `port` ends it; and of the runs of one
        data directory, so do the routers of the five that ended last alone.
    worker_share
        Which part of what all workers together may store, have open and be served with at the router one of them may
        have, over all units, introductions and returns: a tenth, or up to 1, which bounds nobody.
    limits
        What the router takes, where its own limits do not fit, by name: ``{"agent_stored": 2_000_000_000}`` lets
        each worker store 2 GB. All of them: `mephisto_nb.router.config.Limits`.
    server_type, server_source_path, should_run_server
        Of Mephisto 1.x. The router is this package's own, and always runs: the first and the last are left out, and a
        server of one's own is refused.
    """

    _architect_type: str = "local"
    hostname: str = "127.0.0.1"
    port: int = 0
    url: str = ""
    try_url: bool = True
    addresses: list[str] = field(default_factory=list)
    frame_ancestors: list[str] = field(default_factory=list)
    operator_absence_in_seconds: float = 604800.0
    closed_notice_in_seconds: float = 259200.0
    worker_share: float = 0.1
    limits: dict[str, int] = field(default_factory=dict)
    server_type: str = "node"
    server_source_path: str = ""
    should_run_server: bool | None = None


@dataclass(frozen=True, slots=True)
class _Notice:
    """A router that only says that its task is closed, since when, and where."""

    directory: Path
    port: int
    closed_at: float


def _closed_at(notice: _Notice) -> float:
    return notice.closed_at


def _read_notice(path: Path) -> _Notice | None:
    try:
        state = json.loads(path.read_bytes())
        return _Notice(path.parent, int(state["port"]), float(state["closed_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is at work, or was ended in the middle of a word


class LocalArchitect(Architect[LocalArchitectArgs]):
    """Starts a router as a process of this machine, and finds it again after the kernel was restarted."""

    ARCHITECT_TYPE = "local"
    ALIASES = ("mock",)
    ArgsClass = LocalArchitectArgs

    def __init__(self, args: LocalArchitectArgs, directory: Path) -> None:
        super().__init__(args, directory)
        self.is_reached_from_here = args.try_url
        #: Kept, because displays ask for the URL and must not read files.
        self._port: int | None = None
        #: Waits for the process, where this very kernel started it.
        self._reaper: threading.Thread | None = None
        self._config = ConfigFile(directory)
        self._starting = asyncio.Lock()
        self._lives = RouterLives(self.troubles, self.news)

    # -- launching -------------------------------------------------------------------------------------------

    def assert_task_args(self) -> None:
        """Refuse settings that cannot work, and a port that belongs to another program."""
        if self.args.server_source_path not in ("", "???"):
            raise ConfigError(
                f"mephisto.architect.server_source_path is {self.args.server_source_path!r}: the router is "
                "mephisto_nb's own. Remove the key."
            )
        if self.args.server_type != "node":
            logger.warning(
                "mephisto.architect.server_type is %r, which is left out: the router is mephisto_nb's own.",
                self.args.server_type,
            )
        if self.args.operator_absence_in_seconds <= 0:
            raise ConfigError("mephisto.architect.operator_absence_in_seconds must be more than 0 seconds.")
        if not self.args.closed_notice_in_seconds >= 0:
            raise ConfigError("mephisto.architect.closed_notice_in_seconds must be 0 seconds or more.")
        if not 0 < self.args.worker_share <= 1:
            raise ConfigError(
                f"mephisto.architect.worker_share is {self.args.worker_share!r}: it is more than 0, and 1 at most, as "
                "in 0.1 for a tenth."
            )
        if self.args.url and urlsplit(self.args.url.strip()).scheme not in ("http", "https"):
            raise ConfigError(
                f"mephisto.architect.url is {self.args.url!r}, which is no whole address. Give it as workers' browsers "
                "need it, as in https://lab.example/study/."
            )
        check_addresses(self.args.url, self.args.addresses, self.args.frame_ancestors)
        if ":" in self.args.hostname:
            raise ConfigError(
                f"mephisto.architect.hostname is {self.args.hostname!r}, but a router listens on IPv4 addresses alone, "
                "and its port is a setting of its own. Use 0.0.0.0 to let others in, and where they come by IPv6, a "
                "proxy in front of it, whose address is mephisto.architect.url."
            )
        if self.args.port not in {notice.port for notice in _notices_beside(self.directory)}:
            check_port(self._host, self.args.port)
        if self._host == EVERYWHERE and not self.args.url and self._own_address is None:
            logger.warning(
                "mephisto.architect.hostname lets others in, but this machine's own address is not known, so links "
                "will say 127.0.0.1 and work on this computer alone. Set mephisto.architect.port and url, as in "
                'architect_args={"hostname": %r, "port": 3000, "url": "http://ADDRESS:3000"}.',
                self.args.hostname,
            )

    async def deploy(self, plan: RouterPlan) -> str:
        """Start the router and give its URL once it answers."""
        make_private_folder(self.directory)
        await self.shutdown()  # a run that is resumed: its last router may still say that the task is closed
        await asyncio.to_thread(_make_way, self.directory, self.args.port)
        # The state of an earlier router stays: the new one takes its port, so that the links of the run go on to work.
        self._config.write(_router_config(plan, self.args, self._host, self._own_address))
        return await self._start()

    async def revive(self) -> str:
        """Find the running router again, or start a dead one at its old address."""
        if not self.directory.is_dir():  # moved: if it were made anew here, nobody could move it back
            raise RouterError(f"The directory of the run, {self.directory}, is not there: it was moved or removed.")
        try:
            make_private_folder(self.directory)  # whoever else could write there would say where the router is
        except (ConfigError, WorldError) as error:
            raise RouterError(str(error)) from error
        async with self._starting:  # the run's link may be at it already, and what it starts may end at once
            if self._is_running():
                self._port = self._state()["port"]
                return self.url
            make_plan, address = self.make_plan, (self._host, self._own_address)
            try:
                self._config.keep(make_plan and (lambda: _router_config(make_plan(), self.args, *address)))
                url = await self._start()
            except (WorldError, OSError) as error:
                if self._is_running():  # another kernel was first
                    raise RouterError(str(error)) from error
                raise RouterGoneError(f"{error}{_remedy(error, self.directory)}") from error
            self._lives.note_end()
            return url

    async def shutdown(self) -> None:
        """End the router at once, if it still runs."""
        await asyncio.to_thread(self._end)

    @property
    def closed_notice(self) -> float:  # type: ignore[override]
        """For how many seconds the router goes on to say that the task is closed, once its run is over."""
        return self.args.closed_notice_in_seconds

    # -- talking to it ---------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address that workers use."""
        if self.args.url:
            return as_folder(self.args.url)
        return self._local_url if self._own_address is None else f"http://{self._own_address}:{self._read_port()}"

    def get_channel(self) -> Channel:
        """Return the link to the router."""
        config = self._config.read()
        return WebSocketChannel(self._local_url, config["run_id"], Secret(config["token"]))

    async def fetch_file(self, filename: str) -> Path:
        """Return the path of an uploaded file, which is on this machine already."""
        path = self._path("files") / Path(filename).name
        if not path.is_file():
            raise NotFoundError(f"There is no uploaded file {filename!r} in this run.")
        return path

    @property
    def _host(self) -> str:
        # Mephisto 1.x's configurations say "localhost", which may mean IPv6 to one program and IPv4 to another.
        return "127.0.0.1" if self.args.hostname == "localhost" else self.args.hostname

    @property
    def _local_url(self) -> str:
        host = "127.0.0.1" if self._host == EVERYWHERE else self._host
        return f"http://{host}:{self._read_port()}"

    @cached_property
    def _own_address(self) -> str | None:
        """The address of this machine, where others may come by it."""
        return find_own_address() if self._host == EVERYWHERE else None

    def _read_port(self) -> int:
        if self._port is None:
            self._port = int(self._state()["port"])
        return self._port

    # -- the process -----------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self.directory / name

    def _state(self) -> JSONObject:
        try:
            state: JSONObject = json.loads(self._path("router.json").read_text())
        except (OSError, ValueError) as error:
            raise RouterError(f"The router of this run did not say where it is ({error}).") from error
        return state

    def _is_running(self) -> bool:
        try:
            with FileLock(self._path("router.lock"), blocking=False, mode=FILE):
                pass
        except Timeout:
            return self._path("router.json").exists()
        with contextlib.suppress(RouterError):
            return is_proven_alive(self._state())  # one whose lock was removed takes it again soon
        return False

    async def _start(self) -> str:
        before = self._place()
        if before is not None and not self.args.port:
            await wait_for_port(self._host, before[1])
        report = _Report(self._path(f".router_report-{secrets.token_hex(8)}.json"))
        async with _listening(report) as port:
            with open_private(self._path("router.log"), "ab") as log:
                process = spawn([*command(self.directory, port), "--report", str(report.path)], log)
            self._reaper = _reap(process, report)
            try:
                answer = await report.wait(START_TIMEOUT)
            except TimeoutError:
                _kill(process)
                raise LaunchError(
                    f"The router did not answer in {START_TIMEOUT:g} s. {_last_words(self.directory)}"
                ) from None
            except asyncio.CancelledError:
                _kill(process)
                raise
        if not answer.get("ready"):
            await asyncio.to_thread(self._reaper.join, _END_TIMEOUT)
            kind = PortInUseError if answer.get("error") == "port_in_use" else LaunchError
            raise kind(f"The router did not start: {answer.get('message') or _last_words(self.directory)}")
        self._port = answer["port"]
        self._lives.note_place(before, (self.url, answer["port"]))
        return self.url

    def _place(self) -> tuple[str, int] | None:
        """Return at which address, and at which port, the last router was; None: there was none, or it is not known."""
        with contextlib.suppress(RouterError, KeyError, TypeError, ValueError):
            return self.url, self._read_port()
        return None

    def _end(self) -> None:
        if not self._is_running():
            return
        _ask_to_end(self._path("router.lock"), self._state)
        if self._reaper is not None:
            self._reaper.join(_END_TIMEOUT)


def _router_config(plan: RouterPlan, args: LocalArchitectArgs, host: str, own_address: str | None) -> JSONObject:
    return {
        "run_id": plan.task_run_id,
        "token": secrets.token_hex(32),
        "host": host,
        "port": args.port,
        "task_config": plan.task_config,
        "content_security_policy": plan.content_security_policy,
        "frame_ancestors": [*plan.frame_ancestors, *args.frame_ancestors],
        "disconnect_after": plan.disconnect_after,
        "linked_files": dict(plan.linked_files),
        "operator_absence_in_seconds": args.operator_absence_in_seconds,
        "folder": "" if (folder := urlsplit(as_folder(args.url)).path) == "/" else folder,
        "addresses": [*filter(None, [args.url.strip(), own_address]), *args.addresses],
        "worker_share": args.worker_share,
        "crowd_events_key": plan.crowd_events_key,
        "limits": dict(args.limits),
    }


def _last_words(directory: Path) -> str:
    log = directory / "router.log"
    lines = log.read_text(errors="replace").splitlines()
    return f"Its log {log} ends: {' | '.join(lines[-3:]) or 'nothing'}"


def _remedy(error: Exception, directory: Path) -> str:
    """Return what to do about a router that does not start because its database is none any more."""
    if not any(words in str(error) for words in _SPOILT):
        return ""
    return (
        f" Move {directory / 'inbox.db'} away, and those that are called inbox.db-wal and inbox.db-shm; keep them, for "
        "what workers were told has arrived, and has not come here yet, is in there alone. Then the run goes on by "
        "itself, with a new one."
    )


def _ask_to_end(lock: Path, read_state: Callable[[], JSONObject]) -> None:
    """Send SIGTERM to the router that holds a lock, and wait until it has let go of it, and has not only lost it."""
    asked: JSONObject = {}
    until = time.monotonic() + _END_TIMEOUT
    while True:
        # An earlier state may have been copied over router.json; the router soon puts its own there again.
        try:
            state = read_state()
        except RouterError:
            if not asked:
                raise
            state = asked  # its directory is being removed; it ends nevertheless
        pid = _living(state)
        if pid is not None and pid != asked.get("pid"):
            asked = state
            _terminate(pid)
        try:
            with FileLock(lock, timeout=_LOOK_AGAIN, mode=FILE):
                pass
        except Timeout:
            pass
        else:
            if not is_proven_alive(_latest(asked, read_state)):
                return
            threading.Event().wait(_LOOK_AGAIN)  # its lock was removed; nobody tells of the end of a process
        if time.monotonic() > until:
            raise RouterError(f"The router in {lock.parent} does not end.")


def _latest(asked: JSONObject, read_state: Callable[[], JSONObject]) -> JSONObject:
    """Return what a router says of itself now, which at its end is that nobody need wait for it."""
    with contextlib.suppress(RouterError):
        state = read_state()
        return state if state.get("pid") == asked.get("pid") else asked
    return asked


def _living(state: JSONObject) -> int | None:
    """Return the process that ``router.json`` names; None: it has ended, and its number may be a stranger's."""
    pid = state.get("pid")
    is_known = state.get("born") is not None  # elsewhere than on POSIX systems a number is all there is
    return pid if isinstance(pid, int) and pid > 0 and (not is_known or is_proven_alive(state)) else None


def _notices_beside(directory: Path) -> list[_Notice]:
    """Return the routers of other runs beside one that only say that their task is closed, the oldest first."""
    found = (_read_notice(path) for path in directory.parent.glob("*/router.json"))
    return sorted((one for one in found if one is not None and one.directory != directory), key=_closed_at)


def _make_way(directory: Path, port: int) -> None:
    """End what says that a task is closed at the port that is wanted, and all but the latest."""
    for place, notice in enumerate(reversed(_notices_beside(directory))):
        if place >= _NOTICES or notice.port == port:
            LocalArchitect(LocalArchitectArgs(), notice.directory)._end()


class _Report:
    """What a router says of its start, in a file of the run's directory, where nobody else can write.

    Anybody on this machine can connect to a port and say that the router is ready, and where. So nothing that is said
    there is read, and whoever comes, the router among them, only has the file looked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: asyncio.Future[JSONObject] = asyncio.get_running_loop().create_future()

    async def wait(self, timeout: float) -> JSONObject:
        """Return the report; raise `TimeoutError` if there is none by then, whether or not anybody knocked."""
        done, _ = await asyncio.wait([self.found], timeout=timeout)
        if not done:
            self.look()
        if not self.found.done():
            raise TimeoutError
        return self.found.result()

    def look(self) -> None:
        """Read the report, if it is there: it is put there whole."""
        if not self.found.done():
            with contextlib.suppress(FileNotFoundError):
                self.found.set_result(json.loads(self.path.read_bytes()))

    def note_end(self) -> None:
        """The router has ended: it has said all that it will say."""
        self.look()
        if not self.found.done():
            self.found.set_result({"ready": False})


@contextlib.asynccontextmanager
async def _listening(report: _Report) -> AsyncIterator[int]:
    """Listen for the router's knock, at the port that is given; its report is taken away afterwards."""
    with socket.create_server(("127.0.0.1", 0), backlog=_AT_THE_DOOR) as door, socket.socket() as last:
        for one in (door, last):
            one.setblocking(False)
        answering = asyncio.create_task(_answer_the_door(door, report))
        try:
            yield door.getsockname()[1]
        finally:
            report.found.cancel()
            report.path.unlink(missing_ok=True)
            last.connect_ex(door.getsockname())  # whoever comes next is the last, and be it this one
            await answering


async def _answer_the_door(door: socket.socket, report: _Report) -> None:
    """Have the report looked for whenever somebody connects, until it is found, and send them away unheard.

    Not a server of asyncio: one that is closed while somebody comes in forgets to close what they came in by. So does
    one that is cancelled as it accepts; this one ends by a knock.
    """
    while not report.found.done():
        try:
            knock, _ = await asyncio.get_running_loop().sock_accept(door)
        except ConnectionError:  # gone again already
            continue
        except OSError:  # no more files may be opened: who waits looks for the report in the end
            return
        knock.close()
        report.look()


def _reap(process: RouterProcess, report: _Report) -> threading.Thread:
    """Wait for the process beside everything else, so that its end is noticed at once and leaves no zombie."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has ended long before the router
            loop.call_soon_threadsafe(report.note_end)

    # A daemon, because the router outlives the kernel.
    reaper = threading.Thread(target=wait, name="mephisto_nb-router", daemon=True)
    reaper.start()
    return reaper


#: Starts a router as ``python -m mephisto_nb.router`` does, but for the folder that one happens to be in: whatever
#: others have put there by the name of a module must not be run, nor a notebook's own random.py. Our own place comes
#: last.
ROUTER_COMMAND = (
    sys.executable,
    "-P",
    "-c",
    f"import runpy, sys; sys.path.append({str(Path(__file__).resolve().parents[2])!r}); "
    "runpy.run_module('mephisto_nb.router', run_name='__main__', alter_sys=True)",
)


def command(directory: Path, notify_port: int) -> list[str]:
    """Return the command that starts a router."""
    return [*ROUTER_COMMAND, str(directory), "--notify", f"127.0.0.1:{notify_port}"]


class RouterProcess(Protocol):
    """What is asked of a router's process; `subprocess.Popen` is one."""

    def wait(self) -> int:
        """Return once it has ended."""

    def kill(self) -> None:
        """End it at once."""


def spawn(command: list[str], log: IO[bytes]) -> RouterProcess:
    """Start a command as a process that outlives this one.

    Tests, which start hundreds of routers, put something faster in the place of this function.
    """
    options: dict[str, Any] = {"start_new_session": True}  # outlives the kernel, and its interrupts
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        options = {"creationflags": flags}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)


def _kill(process: RouterProcess) -> None:
    process.kill()
    process.wait()  # at once; and from then on it writes nothing any more


def _terminate(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)  # on Windows: TerminateProcess
