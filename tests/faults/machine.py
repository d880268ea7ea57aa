"""The machine that a run is on: its kernel, router and database, and how each of them breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sqlite3
from pathlib import Path
from typing import Any

from mephisto_nb.architects.local import LocalArchitect, LocalArchitectArgs
from mephisto_nb.errors import MephistoError
from mephisto_nb.testing.page_client import PageClient
from tests.faults import lost_files
from tests.faults.faulty_link import passes
from tests.faults.plan import Fault, Plan
from tests.faults.postgresql import PostgreSQL
from tests.faults.zygote import Zygote
from tests.kernel.runs import end_routers

#: How long a machine sleeps, or its kernel is gone, that is left for a weekend (seconds).
WEEKEND = 60 * 3600.0
#: Room for a few bytes more than nothing: the least that a file may grow to on a full disk.
_FULL = 512
#: Within so many seconds `run.attention` has to name what is wrong with files.
_NAMED_WITHIN = 10.0


async def has_ended(process: int) -> None:
    """Wait for the end of a process, and let go of its descriptor."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, ended.set)
    await ended.wait()
    loop.remove_reader(process)
    os.close(process)


class Machine:
    """A kernel with a run, and its router; each fault of `plan.MACHINE_FAULTS` is a method of this name."""

    def __init__(self, plan: Plan, directory: Path, zygote: Zygote, postgresql: PostgreSQL | None = None) -> None:
        self.plan, self.directory = plan, directory
        self._zygote, self._postgresql = zygote, postgresql
        self.database = postgresql.create() if postgresql else f"sqlite:///{directory / 'mephisto_nb.db'}"
        self.url, self.run_id = "", ""
        #: Holds the error of the run (None: it ended well) once it is over.
        self.over: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        #: The kernel's process, which may have gone and left its number to another.
        self._process: int | None = None
        self._pid = -1
        self._absence: asyncio.Future[str]
        self._attention: asyncio.Future[str | None]
        self._asking = asyncio.Lock()
        #: Held while a database has no name: nobody could keep its content if its process were killed just then.
        self._inbox_lost, self._records_lost = asyncio.Lock(), asyncio.Lock()
        #: Held while no kernel has the records open: what is taken away then, nobody can put back.
        self._records_shut = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._generation = 0
        #: Which kernel drives the run; None: the last one has been told to go, which takes as long as its task code.
        self._driver: int | None = None
        #: How much later it is than the clock of this machine says.
        self._later = 0.0
        self._kernel = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start a kernel: it launches the run, or takes it up again."""
        self._generation += 1
        self._driver = self._generation
        socket = self.directory / f"k{self._generation}"
        order = {
            "socket": str(socket),
            "data_dir": str(self.directory),
            "database": self.database,
            "run_id": self.run_id or None,
            "assignments": self.plan.assignments,
            "blueprint": {"units_per_assignment": self.plan.units_per_assignment, "run_live": self.plan.live},
            "assignment_duration": self.plan.assignment_duration,
            "busy_timeout": self.plan.busy_timeout,
            "later": self._later,
        }
        connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.get_running_loop().create_future()
        )
        server = await asyncio.start_unix_server(lambda *streams: connected.set_result(streams), socket)
        async with server:
            self._zygote.fork(order)
            reader, self._writer = await connected
        self._pid = json.loads(await reader.readline())["pid"]
        self._process = os.pidfd_open(self._pid)
        running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(self._listen(reader, running))
        await running

    async def end(self, how: str) -> None:
        """Shut the run down."""
        async with self._kernel:
            self._command(do="end", how=how)

    async def ask_absence(self) -> str:
        """Return what the run says about how long its kernel was away."""
        self._absence = asyncio.get_running_loop().create_future()
        self._command(do="tell absence")
        return await self._absence

    async def is_named(self, words: str) -> None:
        """Wait until `run.attention` has these words; raise if it has not in time, while the same kernel drives it."""
        kernel = self._driver
        try:
            async with asyncio.timeout(_NAMED_WITHIN):
                while kernel is not None and self._driver == kernel and not self.over.done():
                    if (told := await self._ask_attention()) is None or words in told:
                        return
                    await passes(0.1)
        except TimeoutError:
            raise MephistoError(f"{words!r} is not in run.attention after {_NAMED_WITHIN:g} s") from None

    async def _is_served(self) -> None:
        """Wait until a router has the inbox open: what is taken away while none has, nobody can put back."""
        async with PageClient() as page:
            while not self.over.done():
                with contextlib.suppress(ConnectionError):
                    await page.get(f"{self.url}/is_alive")
                    return
                await passes(0.05)

    async def _ask_attention(self) -> str | None:
        """Return what the run says; nothing, where the kernel does not answer at once, and None once it has ended."""
        async with self._asking:
            self._attention = asyncio.get_running_loop().create_future()
            self._command(do="tell attention")
            await asyncio.wait({self._attention}, timeout=1.0)
            return self._attention.result() if self._attention.done() else ""

    async def close(self) -> None:
        """End whatever is left."""
        async with self._kernel:
            await self._kill()
        await end_routers(self.directory)

    def state(self) -> dict[str, Any]:
        """What the router says of itself."""
        found: dict[str, Any] = json.loads((self.run_directory / "router.json").read_text())
        return found

    @property
    def run_directory(self) -> Path:
        return self.directory / "runs" / self.run_id

    async def _listen(self, reader: asyncio.StreamReader, running: asyncio.Future[None]) -> None:
        while line := await _line(reader):
            event = json.loads(line)
            if event["event"] == "running":
                self.run_id, self.url = event["run_id"], event["url"]
            elif event["event"] == "attention":
                if not self._attention.done():
                    self._attention.set_result(event["text"])
            elif event["event"] == "absence":
                self._absence.set_result(event["text"])
            elif not self.over.done():
                self.over.set_result(event["error"])
            if not running.done():
                running.set_result(None)
        if not running.done():
            running.set_exception(MephistoError("the kernel ended before it had its run"))

    def _command(self, **command: Any) -> None:
        assert self._writer is not None
        with contextlib.suppress(ConnectionError):
            self._writer.write(json.dumps(command).encode() + b"\n")

    async def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        await self._gone()

    async def _gone(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        await has_ended(process)
        if self._listening is not None:
            await self._listening
        if self._writer is not None:
            self._writer.close()

    async def _anew(self) -> None:
        if not self.over.done():
            await self.start()

    def _signal(self, sig: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                signal.pidfd_send_signal(self._process, sig)

    def _kill_router(self) -> None:
        # Its lock proves that the process is this run's router, and not a stranger who got its number.
        with contextlib.suppress(ProcessLookupError):
            if LocalArchitect(LocalArchitectArgs(), self.run_directory)._is_running():
                os.kill(self.state()["pid"], signal.SIGKILL)

    # -- faults ----------------------------------------------------------------------------------------------

    async def break_down(self, fault: Fault) -> None:
        """Let one thing break, and become whole again."""
        if not self.over.done():
            await getattr(self, fault.kind)(fault.seconds)

    async def kernel_stopped(self, seconds: float) -> None:
        async with self._kernel:
            self._signal(signal.SIGSTOP)
            await passes(seconds)
            self._signal(signal.SIGCONT)

    async def kernel_blocked(self, seconds: float) -> None:
        async with self._kernel:
            self._command(do="block", seconds=seconds)
            await passes(seconds)

    async def kernel_interrupted(self, seconds: float) -> None:
        async with self._kernel:
            self._signal(signal.SIGINT)
            self._command(do="block", seconds=10.0)
            await passes(seconds)
            self._signal(signal.SIGINT)
            self._signal(signal.SIGINT)

    async def kernel_restarted(self, seconds: float) -> None:
        async with self._kernel, self._records_shut:
            self._driver = None
            self._command(do="detach")
            await self._gone()
            await passes(seconds)
            await self._anew()

    async def kernel_killed(self, seconds: float) -> None:
        async with self._kernel, self._records_lost:
            await self._kill()
            await passes(seconds)
            await self._anew()

    async def kernel_long_gone(self, seconds: float) -> None:
        """Let nobody drive the run for a weekend, through which its router takes answers."""
        async with self._kernel, self._records_lost:
            await self._kill()
            await passes(seconds)
            self._later += WEEKEND
            await self._anew()

    async def machine_asleep(self, seconds: float) -> None:
        """Let a weekend pass in which neither the kernel nor the router can do anything."""
        async with self._kernel, self._inbox_lost:
            self._signal(signal.SIGSTOP)
            self._kill_router()
            await passes(seconds)
            self._later += WEEKEND
            await asyncio.to_thread(_set_back, self.run_directory / "inbox.db", WEEKEND)
            self._command(do="jump", seconds=WEEKEND)
            self._signal(signal.SIGCONT)

    async def router_killed(self, seconds: float) -> None:
        async with self._inbox_lost:
            self._kill_router()

    async def both_killed(self, seconds: float) -> None:
        async with self._kernel, self._inbox_lost, self._records_lost:
            self._signal(signal.SIGKILL)
            self._kill_router()
            await self._gone()
            await passes(seconds)
            await self._anew()

    async def link_cut(self, seconds: float) -> None:
        await self._disturb("cut", seconds)

    async def link_delayed(self, seconds: float) -> None:
        await self._disturb("delayed", seconds)

    async def link_doubled(self, seconds: float) -> None:
        await self._disturb("doubled", seconds)

    async def link_reordered(self, seconds: float) -> None:
        await self._disturb("reordered", seconds)

    async def _disturb(self, what: str, seconds: float) -> None:
        async with self._kernel:
            self._command(do="link", what=what, seconds=seconds)
        await passes(seconds)

    async def router_disk_full(self, seconds: float) -> None:
        await _full_disk(self.state()["pid"], seconds)

    async def kernel_disk_full(self, seconds: float) -> None:
        async with self._kernel:
            await _full_disk(self._pid, seconds)

    async def database_locked(self, seconds: float) -> None:
        database = sqlite3.connect(
            self.directory / "mephisto_nb.db", isolation_level=None, timeout=10, check_same_thread=False
        )
        with contextlib.closing(database):
            await asyncio.to_thread(database.execute, "BEGIN EXCLUSIVE")
            await passes(seconds)

    async def postgresql_restarted(self, seconds: float) -> None:
        assert self._postgresql is not None
        await asyncio.to_thread(self._postgresql.restart)

    async def inbox_removed(self, seconds: float) -> None:
        async with self._inbox_lost:
            await self._is_served()
            lost_files.remove(self.run_directory / "inbox.db", seconds)
            await self.is_named("inbox.db was")

    async def inbox_replaced(self, seconds: float) -> None:
        async with self._inbox_lost:
            copy = await asyncio.to_thread(lost_files.copy_of, self.run_directory / "inbox.db")
            await passes(seconds)
            await self._is_served()
            lost_files.replace(self.run_directory / "inbox.db", copy, seconds)
            await self.is_named("inbox.db was")

    async def records_removed(self, seconds: float) -> None:
        async with self._records_lost:
            async with self._records_shut:
                lost_files.remove(self.directory / "mephisto_nb.db", seconds)
            await self.is_named("mephisto_nb.db was")

    async def records_replaced(self, seconds: float) -> None:
        async with self._records_lost:
            copy = await asyncio.to_thread(lost_files.copy_of, self.directory / "mephisto_nb.db")
            await passes(seconds)
            async with self._records_shut:
                lost_files.replace(self.directory / "mephisto_nb.db", copy, seconds)
            await self.is_named("mephisto_nb.db was")

    async def run_directory_moved(self, seconds: float) -> None:
        """Move the run's directory away, until somebody is told, and back."""
        async with self._kernel, self._inbox_lost:  # no kernel takes up a run without it
            elsewhere = self.directory / "elsewhere"
            os.rename(self.run_directory, elsewhere)
            try:
                await self.is_named(f"{self.run_directory}, is not there any more")
                await passes(seconds)
            finally:
                os.rename(elsewhere, self.run_directory)

    async def clock_jumps(self, seconds: float) -> None:
        async with self._kernel:
            self._command(do="jump", seconds=seconds)


def _set_back(store: Path, seconds: float) -> None:
    """Have a router's store say that the router was last there so much earlier."""
    with contextlib.closing(sqlite3.connect(store, timeout=10)) as database, database:
        database.execute("UPDATE meta SET value = value - ? WHERE key = 'last_here'", (seconds,))


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Read a line; nothing where the other side is gone, which a process that is killed may say rudely."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def _full_disk(pid: int, seconds: float) -> None:
    """Let no file of a process grow any more for a while: each write fails as it does on a full disk."""
    with contextlib.suppress(ProcessLookupError):
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FULL, before[1]))
        await passes(seconds)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
