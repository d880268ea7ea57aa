"""Asks the crowd whether who comes is who they say: beside the decisions, while that page waits and nobody else does.

A page that waits is stored, so that a kernel that dies meanwhile asks about it again; and once it was vouched for, its
visit is the proof.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ClosedError, WorldError
from mephisto_nb.kernel.run_tasks import OnFailure, RunHelper, Supervisor
from mephisto_nb.model.records import WorkerFacts
from mephisto_nb.model.visits import UnvouchedArrival
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity
from mephisto_nb.rules.arrivals import Arrival
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visit_steps import await_vouching, end_vouching
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.worker_pool import WorkerPool
    from mephisto_nb.rules.run_state import RunState

logger = get_logger(__name__)

#: How long a crowd may take to answer (seconds), and of how many it is remembered that it has.
TIMEOUT, _REMEMBERED = 30.0, 10_000
_LATER = Refusal(
    RefusalCode.NOT_VOUCHED,
    "The site that sent you cannot be asked just now whether your link is right. This page tries again by itself.",
    may_pass=True,
)


@dataclass(slots=True)
class _Answer:
    """What a crowd has said of somebody, for what their page sent: why not, or None; and what is known of them then."""

    identity: Identity
    data: JSONObject
    refusal: Refusal | None
    facts: WorkerFacts = field(default_factory=WorkerFacts)


def asks_crowd(provider: CrowdProvider[Any]) -> bool:
    """Return whether a crowd has something to say about who comes."""
    return type(provider).vouch_for is not CrowdProvider.vouch_for


class Vouching(RunHelper):
    """Has one run's crowd asked about each registration, once.

    Parameters
    ----------
    provider
        The crowd.
    engine, pool, supervisor
        The run, who decides about those who come, and the owner of its tasks.
    on_failure
        Hears of what failed unforeseen.
    """

    def __init__(
        self,
        provider: CrowdProvider[Any],
        engine: RunEngine,
        pool: WorkerPool,
        supervisor: Supervisor,
        on_failure: OnFailure,
    ) -> None:
        self._provider, self._engine, self._pool = provider, engine, pool
        self._supervisor, self._on_failure = supervisor, on_failure
        self._vouched: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        #: Whether the crowd did not answer the last time.
        self._is_unheard = False
        #: Whose the pages are that wait: looked at in each step, so they are found out once.
        self._waiting: dict[str, Identity] = {}
        engine.listeners.append(self._on_step)

    def puts_off(self, step: Step, arrival: Arrival, data: JSONObject) -> bool:
        """Put a decision off until the crowd was asked; return whether it was. Called for each page that asks for work.

        `data` is what the page sent.
        """
        worker = arrival.facts.worker or step.state.new_workers.get(arrival.worker_name)
        registration = arrival.registration_id
        if (arrival.worker_name, registration) in self._vouched:
            return False
        if worker is not None and (worker.worker_id, registration) in step.state.visits.by_registration:
            return False
        await_vouching(step, UnvouchedArrival(arrival.request_id, data, step.now))
        return True

    async def start(self) -> None:
        """Ask about those whom an earlier kernel did not live to answer."""
        await self._engine.do(lambda step: None, retry=True)

    def stop(self) -> None:
        """Ask no more; the next kernel does."""
        self._engine.listeners.remove(self._on_step)
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _on_step(self, step: Step) -> None:
        for waiting in list(step.state.visits.unvouched.values()):
            self._ask(waiting)

    def _ask(self, waiting: UnvouchedArrival) -> None:
        identity = self._whose(waiting)
        if isinstance(identity, Refusal):  # another secret, say, since it was stored
            self._engine.do_soon(partial(self._refuse, request_id=waiting.request_id, refusal=identity))
            return
        key = _key_of(identity)
        if key not in self._tasks:
            name = f"vouching for a worker of run {self._engine.task_run_id}"
            work = self._answer(identity, waiting.data)
            self._tasks[key] = self._supervisor.spawn(name, work, self._on_failure)

    def _whose(self, waiting: UnvouchedArrival) -> Identity | Refusal:
        found = self._waiting.get(waiting.request_id) or self._pool.register_worker({"provider_data": waiting.data})
        if isinstance(found, Identity):
            self._waiting[waiting.request_id] = found
        return found

    def _of_same(self, state: RunState, identity: Identity) -> list[UnvouchedArrival]:
        """Return the pages that wait by the ids of this registration."""
        found = [(one, self._whose(one)) for one in state.visits.unvouched.values()]
        return [one for one, who in found if isinstance(who, Identity) and _key_of(who) == _key_of(identity)]

    async def _answer(self, identity: Identity, data: JSONObject) -> None:
        key = _key_of(identity)
        try:
            answer = _Answer(identity, data, await self._ask_crowd(identity, data))
            if answer.refusal is None:
                self._remember(key)
            look_up = partial(self._look_up, answer)
            await self._engine.do(partial(self._decide, answer=answer), retry=True, look_up=look_up)
        except ClosedError:
            return  # the run is no longer driven from here; the next kernel asks anew
        finally:
            self._tasks.pop(key, None)
        unvouched = self._engine.state.visits.unvouched
        for request_id in [one for one in self._waiting if one not in unvouched]:
            del self._waiting[request_id]
        for waiting in self._of_same(self._engine.state, identity):
            self._ask(waiting)

    async def _ask_crowd(self, identity: Identity, data: JSONObject) -> Refusal | None:
        try:
            async with patience(TIMEOUT):
                await self._provider.vouch_for(identity, data)
        except ValueError as error:
            return Refusal(RefusalCode.BAD_REGISTRATION, str(error))
        except (WorldError, TimeoutError) as error:
            # Told once until it answers again: whoever floods a run could fill the log.
            level = logging.DEBUG if self._is_unheard else logging.WARNING
            logger.log(
                level, "the crowd could not be asked about a worker: %s", str(error) or "it did not answer in time"
            )
            self._is_unheard = True
            return _LATER
        except Exception as error:
            logger.exception("the provider %r could not vouch for a worker", self._provider.PROVIDER_TYPE)
            self._on_failure(error)
            return _LATER
        self._is_unheard = False
        return None

    def _remember(self, key: tuple[str, str]) -> None:
        self._vouched[key] = None
        if len(self._vouched) > _REMEMBERED:
            self._vouched.popitem(last=False)

    async def _look_up(self, answer: _Answer) -> None:
        answer.facts = await self._pool.look_up(answer.identity.worker_name)

    def _decide(self, step: Step, answer: _Answer) -> None:
        """Answer the pages that have waited for what the crowd has said of this registration.

        Who is refused is so for what their own page has sent: others may have come by the same ids, with better proof.
        """
        identity, is_final = answer.identity, answer.refusal is not None and not answer.refusal.may_pass
        mine = [one for one in self._of_same(step.state, identity) if not is_final or one.data == answer.data]
        for waited in end_vouching(step, [one.request_id for one in mine]):
            if answer.refusal is not None:
                self._pool.refuse(step, waited.request_id, answer.refusal)
                continue
            is_simulated = waited.data.get("is_simulated") is True
            about = (identity.worker_name, identity.registration_id, answer.facts, is_simulated, identity.captured)
            self._pool.register_agent(step, Arrival(waited.request_id, *about))

    def _refuse(self, step: Step, request_id: str, refusal: Refusal) -> None:
        for waited in end_vouching(step, [request_id]):
            self._pool.refuse(step, waited.request_id, refusal)


def _key_of(identity: Identity) -> tuple[str, str]:
    return identity.worker_name, identity.registration_id
