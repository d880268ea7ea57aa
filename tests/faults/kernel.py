"""A kernel to break: drives one run, and does to itself what it is told to over a socket, in lines of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.blueprints.mock import EchoRunner, MockBlueprint
from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import ClosedError, DatabaseError, NotFoundError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.ports.clock import SystemClock
from mephisto_nb.ports.task_runner import LiveAgent
from mephisto_nb.run import TaskRun
from mephisto_nb.storage import connect
from tests.faults.faulty_link import LINK, FaultyLinkArchitect, passes
from tests.inside import live_of, parts_of
from tests.kernel.runs import ABOUT, rows


class JumpingClock(SystemClock):
    """The real time, plus what somebody has set it wrong by."""

    offset = 0.0

    def now(self) -> float:
        return super().now() + self.offset


class HangingRunner(EchoRunner):
    """Sends everything back, but where it is told to hang, it hangs, and lets nobody end it."""

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        await agent.observe({"init_data": init_data})
        while not (message := await agent.get_live_update()).get("hang"):
            await agent.observe({"echo": message})
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


class HangingBlueprint(MockBlueprint):
    """The mock blueprint, whose code may hang."""

    BLUEPRINT_TYPE = "hanging"

    def make_task_runner(self) -> HangingRunner | None:
        return HangingRunner(self.shared_state) if self.args.run_live else None


class Kernel:
    """One kernel: its operator, its run, and the cell that waits for it."""

    def __init__(self, order: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self._order, self._writer = order, writer
        self._clock = JumpingClock()
        self._clock.offset = order["later"]
        self._operator = Operator(data_dir=order["data_dir"], database=order["database"], clock=self._clock)
        self._run: TaskRun | None = None
        self._cell: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._is_leaving = False

    def tell(self, event: str, **more: Any) -> None:
        self._writer.write(json.dumps({"event": event, **more}).encode() + b"\n")

    async def start(self) -> None:
        """Launch a run, or take it up again; then wait for it in a cell."""
        state = SharedTaskState(static_task_data=rows(self._order["assignments"]))
        try:
            if self._order["run_id"] is None:
                self._run = await self._operator.launch_task_run(self._config(), state)
            else:
                self._run = await self._operator.reconnect(self._order["run_id"], state)
        except NotFoundError:
            self.tell("over", error=None)  # the last kernel had ended the run just before it was killed
            return
        self.tell("running", run_id=self._run.task_run_id, url=self._run.url)
        self._cell = asyncio.create_task(self._wait())

    def tell_failure(self, starting: asyncio.Task[None]) -> None:
        if error := starting.exception():
            self.tell("over", error=repr(error))

    async def obey(self, command: dict[str, Any]) -> None:
        match command:
            case {"do": "block", "seconds": seconds}:
                _block(seconds)
            case {"do": "jump", "seconds": seconds}:
                self._clock.offset += seconds
            case {"do": "link", "what": what, "seconds": seconds}:
                LINK.disturb(what, seconds)
            case {"do": "end", "how": how} if self._run is not None:
                self._endings.add(asyncio.create_task(self._end(how)))
            case {"do": "tell absence"} if self._run is not None:
                self.tell("absence", text=str(parts_of(self._run).link.absence))
            case {"do": "tell attention"} if self._run is not None:
                told = "\n".join(self._run.attention) if live_of(self._run).is_running else None
                self.tell("attention", text=told)
            case {"do": "detach"}:
                self._is_leaving = True
                if self._cell is not None:
                    self._cell.cancel()
                await self._operator.detach()
                os._exit(0)

    def _config(self) -> Any:
        return compose(
            "hanging",
            architect="faulty_link",
            architect_args={"operator_absence_in_seconds": 120},  # should the harness itself be killed
            blueprint_args=self._order["blueprint"],
            provider_args={"signed_links": False},  # the crowd lives in another process, and knows the URL alone
            task={
                # Whoever drops out comes again before their unit is free: what one may hold is tested elsewhere.
                "allowed_concurrent": 1000,
                **ABOUT,
                "task_reward": 0.1,
                "no_submission_patience": 12 * 3600,
                "task_lifetime_in_seconds": 24 * 3600,
                "assignment_duration_in_seconds": self._order["assignment_duration"],
            },
        )

    def interrupt(self) -> None:
        """Do as Jupyter does: the cell that waits is cancelled, and nothing else. The person runs it again."""
        if self._cell is not None and not self._is_leaving:
            self._cell.cancel()
            self._cell = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        try:
            await self._operator.wait_for_runs_then_shutdown()
        except ClosedError:
            self.tell("over", error=None)  # interrupted when all was over but the tidying up
        except Exception:  # noqa: BLE001 - told to the harness
            self.tell("over", error=traceback.format_exc())
        else:
            self.tell("over", error=None)

    async def _end(self, how: str) -> None:
        try:
            while True:
                try:
                    await getattr(self._run, how)()
                    return
                except DatabaseError:  # it says so at once, and a person tries again
                    await passes(0.2)
        except Exception:  # noqa: BLE001 - told to the harness
            self.tell("over", error=traceback.format_exc())


def _block(seconds: float) -> None:
    """Be a cell that does not await, and that Ctrl+C interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait(seconds)
    signal.signal(signal.SIGINT, before)


async def open_kernel(order: dict[str, Any], writer: asyncio.StreamWriter) -> Kernel:
    """Make the operator; where the database is locked just then it says so, and a person runs the cell again."""
    while True:
        try:
            return Kernel(order, writer)
        except DatabaseError:
            await passes(0.2)


async def main(order: dict[str, Any]) -> None:
    reader, writer = await asyncio.open_unix_connection(order["socket"])
    writer.write(json.dumps({"event": "started", "pid": os.getpid()}).encode() + b"\n")
    kernel = await open_kernel(order, writer)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, kernel.interrupt)
    starting = asyncio.create_task(kernel.start())
    starting.add_done_callback(kernel.tell_failure)
    while line := await reader.readline():
        await kernel.obey(json.loads(line))


def run(order: dict[str, Any]) -> None:
    """Be a kernel until told otherwise, in a process of its own."""
    log = os.open(Path(order["data_dir"]) / "kernel.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    connect.BUSY_TIMEOUT = order["busy_timeout"]
    LocalArchitect.closed_notice = 0.0  # type: ignore[assignment, method-assign]
    registry.ARCHITECTS.register(FaultyLinkArchitect)
    registry.BLUEPRINTS.register(HangingBlueprint)
    try:
        asyncio.run(main(order))
    finally:
        traceback.print_exc()
        os._exit(0)
