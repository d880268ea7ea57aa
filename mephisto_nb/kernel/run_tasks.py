"""The tasks of one live run, from its launch until it is over or let go of."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from filelock import FileLock

from mephisto_nb.errors import ClosedError, RouterError
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.kernel.supervisor import Supervisor
from mephisto_nb.rules.departures import leave_introductions
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger

if TYPE_CHECKING:
    from mephisto_nb.kernel.can_do_unit import Verdicts
    from mephisto_nb.kernel.gates.gate_worker import GateWorker
    from mephisto_nb.kernel.hooks import SubmissionHooks
    from mephisto_nb.kernel.talk.task_code import AgentKeeper
    from mephisto_nb.kernel.task_launcher import TaskLauncher

logger = get_logger(__name__)

#: How long a router serves latecomers once its run is over, and how long it may take to hear of it (seconds).
LINGER = 3.0
PATIENCE = 10.0


class RunKeeper:
    """Owns the tasks of one run, ends the run when its last unit has ended, and gives back what it held.

    Parameters
    ----------
    run
        The run.
    supervisor
        The owner of its tasks.
    lock
        Held for as long as this kernel drives the run.
    """

    def __init__(self, run: LiveRun, supervisor: Supervisor, lock: FileLock) -> None:
        self.run = run
        self._supervisor, self._lock = supervisor, lock
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopped = False
        #: Runs the task's own code beside workers, for blueprints that have any.
        self.agents: AgentKeeper | None = None
        #: Tells the researcher's `on_unit_submitted` of answers, if there is one.
        self.hooks: SubmissionHooks | None = None
        #: Asks the researcher's `worker_can_do_unit`, if that is async.
        self.verdicts: Verdicts | None = None
        #: Runs what the gates of the run need done.
        self.gates: GateWorker | None = None

    async def start(self) -> None:
        """Start the engine and the link, and the code of those who are at work already."""
        parts, name = self.run.parts, self.run.task_run_id
        if self.agents is not None:
            await self.agents.load()
        for part in (self.hooks, self.verdicts):
            if part is not None:
                await part.load()
        for what, work in (("engine", parts.engine.run()), ("link", parts.link.run())):
            self._tasks.append(self._supervisor.spawn(f"{what} of run {name}", work, self._failed))
        if self.agents is not None:
            await self.agents.start()
        for part in (self.hooks, self.verdicts):
            if part is not None:
                part.start()
        if self.gates is not None:
            await self.gates.start()

    def keep(self, launcher: TaskLauncher | None) -> None:
        """Start what creates the remaining work, and what ends the run when all is done."""
        name = self.run.task_run_id
        if launcher is not None:
            self._tasks.append(self._supervisor.spawn(f"launcher of run {name}", self._launch(launcher), self._failed))
        # Not among the tasks that it ends itself.
        self._supervisor.spawn(f"keeper of run {name}", self._wind_up(), self._failed)

    async def let_go(self) -> None:
        """Stop driving the run, which stays as it is; its router goes on."""
        self._stop()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._lock.release()
        self.run.let_go()

    def abandon(self) -> None:
        """Note that the loop has ended that drove the run."""
        self._lock.release()
        self.run.is_driven = False

    def _stop(self) -> None:
        """Stop the parts; who lets a run go that has failed comes here twice."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for part in (self.agents, self.hooks, self.verdicts, self.gates):
            if part is not None:
                part.stop()
        for task in self._tasks:
            task.cancel()

    async def _launch(self, launcher: TaskLauncher) -> None:
        try:
            await launcher.run()
        except ClosedError:
            return  # the run is no longer driven from here
        except Exception as error:
            self.run.launch_failure = error
            why = f"the task's data failed: {error!r}"
            await self.run.parts.engine.do(partial(_stop_launching, why=why), patiently=True)
            raise
        finally:
            await launcher.close()

    async def _wind_up(self) -> None:
        try:
            await self._end_when_complete()
        except asyncio.CancelledError:
            # The loop ends, and all that is on it: whoever waits for this run must not wait for ever.
            self._stop()
            self._lock.release()
            self.run.let_go()
            raise

    async def _end_when_complete(self) -> None:
        engine = self.run.parts.engine
        try:
            await engine.wait_until(lambda state: state.is_complete)
        except ClosedError:
            return  # let go of, or failed: told already
        if self.hooks is not None:
            await self.hooks.finish()  # who awaits the end wants the bonuses, too
        self.run.done.set()
        try:
            if engine.state.gates.at_onboarding():
                await engine.do(partial(leave_introductions, why="all units are done", who="operator"), patiently=True)
            # Ended last: a kernel that is killed before leaves a run to take up, whose inbox is still read.
            await self.run.parts.link.settle(PATIENCE)
            if self.hooks is not None:
                await self.hooks.finish()
            try:
                await self._end_offer()
            finally:
                await engine.do(lambda step: step.end_run(step.state.closing or "all units are done"), patiently=True)
        except Exception as error:
            self.run.fail(error)
            raise
        finally:
            self.run.over.set()
            await self.let_go()

    async def _end_offer(self) -> None:
        """Take the offer back from the crowd, and let the router end; it does so even if the crowd fails."""
        parts = self.run.parts
        try:
            await parts.provider.cleanup_resources_from_task_run(self.run.task_run_id)
        finally:
            try:
                await parts.link.finish(LINGER)
            except RouterError as error:
                logger.info("the router of run %s is ended by force: %s", self.run.task_run_id, error)
                await parts.architect.shutdown()

    def _failed(self, error: Exception) -> None:
        if error is self.run.launch_failure:
            return  # told when the rest of the run is done
        self.run.fail(error)
        self._stop()
        self._lock.release()


def _stop_launching(step: Step, why: str) -> None:
    step.log("run", step.state.task_run_id, None, None, why, "operator")
    step.finish_generator()
