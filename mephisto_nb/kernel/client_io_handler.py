"""The link between a run and its router: packets come in as events of the run, and what its steps decide goes out.

A `Channel` that breaks is replaced for as long as the run lasts, and a dead router is started anew; both sides go on
from the last number that the other has acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import LinkRefusedError, RouterError, RouterStoreError
from mephisto_nb.kernel.absence import Absence, Attendance, ClockCheck, describe_jump, last_served
from mephisto_nb.kernel.link_progress import LinkProgress
from mephisto_nb.kernel.numbers import note_gaps
from mephisto_nb.kernel.outside.crowd_events import CrowdEvents
from mephisto_nb.kernel.sending import Sender
from mephisto_nb.model.changes import AddMetadata
from mephisto_nb.model.packets import Packet, PacketType, Received, cut_report
from mephisto_nb.model.records import PAGE_ERROR, WorkerFacts
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.ports.architect import (
    Acknowledged,
    Ahead,
    Architect,
    Channel,
    Incoming,
    Messages,
    Missed,
    Presence,
    RouterTroubles,
    Synced,
)
from mephisto_nb.ports.clock import Clock, Timer
from mephisto_nb.ports.crowd_provider import Identity
from mephisto_nb.rules.absence import is_served, router_was_away
from mephisto_nb.rules.arrivals import Arrival
from mephisto_nb.rules.eligibility import Refusal
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import hears_ahead, is_heard, is_not_recorded
from mephisto_nb.utils.logging import get_logger, tell
from mephisto_nb.utils.machine import MachineTrouble
from mephisto_nb.utils.patience import patience

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.talk.agents import AgentsAtWork
    from mephisto_nb.kernel.worker_pool import WorkerPool

logger = get_logger(__name__)

#: How often in a row a stranger may answer in the router's place before that is told as a failure.
_LOOKS = 3
#: How long to wait at least before a router is asked again that could store nothing (seconds).
_STORE_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was looked up for a batch of packets: who registers (or why nobody does), and what is known of them."""

    identities: Mapping[int, Identity | Refusal]
    facts: Mapping[str, WorkerFacts]


class AsksCrowd(Protocol):
    """Who asks the crowd about those who come: `Vouching`."""

    def puts_off(self, step: Step, arrival: Arrival, data: JSONObject) -> bool:
        """Put a decision off until the crowd was asked; return whether it was."""


class ClientIOHandler:
    """Takes packets in from the pages of one run's workers, directs each to the right place, and sends packets out.

    Registrations, answers and departures go to the `WorkerPool`; live messages to the `pending_actions` of the agent
    that they are from, where `get_live_update` finds them. What `observe` sends goes out by `send_live_update`.

    Parameters
    ----------
    engine
        The run.
    pool
        Who registers workers and agents.
    architect, clock
        Who knows where the router is, and gives channels to it; and what time it is.
    agents
        Who hears live messages at once.
    note
        Called with what the researcher should know, and what that is of.
    vouching
        Who asks the crowd about those who come, where it has something to say.
    """

    def __init__(
        self,
        engine: RunEngine,
        pool: WorkerPool,
        architect: Architect[Any],
        clock: Clock,
        agents: AgentsAtWork,
        note: Callable[[str, str], None] = lambda trouble, of: None,
        vouching: AsksCrowd | None = None,
    ) -> None:
        self._engine, self._pool, self._architect, self._vouching = engine, pool, architect, vouching
        self._clock, self._agents = clock, agents
        self._sender = Sender(engine, pool, clock, lambda why: _show_unsent(self, self._progress, why))
        self._progress = LinkProgress(engine, self._sender.request_sync)
        self._channel: Channel | None = None
        self._timer: Timer | None = None
        self._news = asyncio.Condition()
        self._is_running, self._synced, self._num_synced = False, 0, 0
        #: Why the router cannot be reached, if so.
        self.trouble: str | None = None
        #: What is wrong with the router, or was, as it has told.
        self.router_troubles: tuple[MachineTrouble, ...] = ()
        #: When the kernel was last away, and what it caught up with.
        self.absence = Absence(begun=clock.now())
        name_jump = partial(_name_jump, self, clock, note)
        self._attendance = Attendance(clock, self._sender.request_sync, last_served(engine.state), name_jump)
        self._clocks = ClockCheck(engine, clock)
        #: Called when a channel opens or breaks, or a page comes or goes.
        self.listeners: list[Callable[[], None]] = []
        self.crowd_events = CrowdEvents()
        #: Which agents' pages are connected.
        self.present: set[str] = set()
        #: Since when there is no channel (epoch seconds); None: there is one.
        self.away_since: float | None = clock.now()
        engine.listeners.append(self._on_step)

    @property
    def is_connected(self) -> bool:
        """Whether the router can be talked to now."""
        return self._channel is not None

    # -- channels --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a channel to the router open, for ever. Called once, as a task of the run."""
        self._is_running = True
        self._attendance.begin()
        self._arm()
        try:
            while True:
                try:
                    channel = await self.launch_channels()
                    await self._serve(channel)
                except LinkRefusedError:
                    raise
                except RouterStoreError as error:
                    await self._disconnect()
                    self.trouble = f"{error} What workers send is not taken; their pages keep it, and try again."
                    if told := tuple(one for one in error.troubles if isinstance(one, MachineTrouble)):
                        self._take(RouterTroubles(told))
                    pause = max(self._progress.pause_after(error, was_open=False), _STORE_PAUSE)
                except RouterError as error:
                    logger.debug("the channel of run %s broke: %s", self._engine.task_run_id, error)
                    if self._channel is None:
                        self.trouble = f"The router cannot be reached; what workers send waits in it. {error}"
                    pause = self._progress.pause_after(error, was_open=self._channel is not None)
                    self.trouble = self._progress.trouble or self.trouble
                finally:
                    await self._disconnect()
                await asyncio.sleep(pause)
        finally:
            self._is_running = False
            self._attendance.end()
            self._arm()

    async def launch_channels(self) -> Channel:
        """Open the channel to the run's router: the architect finds it, and starts it if it is dead.

        Raises
        ------
        RouterError
            There is no router to be found or started, or it does not answer.
        LinkRefusedError
            It is not this run's router.
        """
        for _ in range(_LOOKS - 1):
            # A router may die between the two, and a stranger take its port; the next look finds that it is dead.
            with contextlib.suppress(LinkRefusedError):
                return await self.add_channel(await _find_router(self._architect, self._engine))
        return await self.add_channel(await _find_router(self._architect, self._engine))

    async def add_channel(self, channel: Channel) -> Channel:
        """Connect a channel; each side learns what the other has, and goes on from there."""
        last_seq, asked_at = self._engine.committed_seq, self._clock.now()
        channel.known = self._engine.numbers.known
        try:
            last_n = await channel.connect(last_seq)
            was_replaced = await self._engine.agree(last_n)
        except BaseException:
            await channel.close()
            raise
        if gaps := self._engine.numbers.meet(channel.standing, last_seq, was_replaced=was_replaced):
            self._engine.do_soon(partial(note_gaps, gaps=gaps))
        self._clocks.compare(channel.standing, asked_at, self.away_since)
        self._engine.delivered(last_n)
        self._sender.go_on_from(last_n, last_seq)
        self._progress.note_open()
        self._channel, self.away_since, self.trouble = channel, None, self._progress.trouble
        tell(self.listeners)
        self._sender.request_sync()
        await _tell(self._news)
        return channel

    async def settle(self, timeout: float, late_exit: JSONObject | None = None) -> None:
        """Wait until both sides have everything of each other; from then on the router takes nothing more.

        First the router hears that nobody is at work any more, so that it takes no more answers; then what it had
        taken until then is handled here. `late_exit` is how those go back who come afterwards.

        Raises
        ------
        RouterError
            There was no channel, or the router did not take everything, within `timeout` seconds in which this kernel
            was free to hear of it.
        """
        self._sender.is_settling, self._sender.late_exit = True, late_exit
        try:
            async with patience(timeout):
                await _wait_for(self._news, lambda: self._channel is not None and not self._engine.outbox)
                await self.catch_up()
        except TimeoutError:
            raise RouterError("the router did not take the last packets in time") from None

    async def catch_up(self) -> None:
        """Wait until all is handled here that the router has now; where it cannot be reached, until it can."""
        # Twice, because the first answer may be to a question that was asked before.
        for _ in range(2):
            before = self._num_synced
            self._sender.request_sync()
            await _wait_for(self._news, lambda before=before: self._num_synced > before)  # type: ignore[misc]
            await self._engine.handled(self._synced)

    def served_time(self) -> float:
        """Return the time of the run, in seconds: that of the clock, but it stands still while nobody is served."""
        away_until = self._engine.state.service.away_until
        untold = sum(max(0.0, until - max(since, away_until)) for since, until in self._attendance.absences)
        return self._clock.now() - self._engine.state.service.away - untold

    async def finish(self, linger: float) -> None:
        """Tell the router that the run is over, and that it ends itself after `linger` seconds.

        Raises
        ------
        RouterError
            There is no channel.
        """
        if self._channel is None:
            raise RouterError("there is no link to the router")
        await self._channel.finish(linger)

    async def send_live_update(self, after: str, packet: Packet) -> None:
        """Send what `observe` was given at once, before it is committed, if there is a channel.

        The page takes it if the message called `after` was the last that it got; in any case the update follows in
        its place among the effects.
        """
        if self._channel is not None:
            with contextlib.suppress(RouterError):  # noticed by `run`; the update follows by the next channel
                await self._channel.send_ahead(after, packet)

    # -- packets in ------------------------------------------------------------------------------------------

    async def prepare(self, received: Sequence[Received]) -> Prepared:
        """Return who registers, and what is known of them: one look-up for the whole batch. Called by the engine."""
        identities = {
            message.seq: self._pool.register_worker(message.packet.data)
            for message in received
            if message.packet.packet_type is PacketType.REGISTER_AGENT
        }
        names = sorted({found.worker_name for found in identities.values() if isinstance(found, Identity)})
        if names:
            await self._pool.fetch_data(self._engine.state, len(names))
        return Prepared(identities, await self._pool.read_facts(names) if names else {})

    def handle(self, step: Step, received: Received, prepared: Prepared) -> None:
        """Direct one packet to the right place. Called by the engine, in the step that decides about it."""
        received = replace(received, received_at=min(received.received_at, step.now))
        if (packet_type := received.packet.packet_type) is PacketType.REGISTER_AGENT:
            _register(self._pool, self._vouching, step, received, prepared)
        elif packet_type is PacketType.ROUTER_AWAY:
            _note_absence(self._attendance, step, received.packet.data)
        elif packet_type is PacketType.CROWD_EVENT:
            self.crowd_events.take(received)
        elif packet_type is PacketType.LIVE_UPDATE_TO_OPERATOR:
            _take_message(self._agents, step, received)
        elif direct := _DIRECTIONS.get(packet_type):
            direct(self._pool, step, received)
        else:
            _log_unknown(step, packet_type)

    def set_aside(self, step: Step, received: Received) -> None:
        """Answer a page that waits for an agent that it gets none. Called by the engine for a packet that fails."""
        if received.packet.packet_type is PacketType.REGISTER_AGENT:
            self._pool.refuse(step, received.packet.subject_id)
        elif received.packet.packet_type is PacketType.SUBMIT_ONBOARDING:
            self._pool.refuse_onboarding(step, received.packet.data)

    def pass_time(self, step: Step) -> None:
        """Have the pool look whose time is over. Called by the engine, once the router has nothing older."""
        self._attendance.note_absences(step)
        is_served(step)
        self._pool.pass_time(step)

    # -- one channel -----------------------------------------------------------------------------------------

    async def _serve(self, channel: Channel) -> None:
        show: Callable[[], None] = partial(_show_trouble, self, self._progress)
        why: BaseException | None = None
        sender = asyncio.create_task(self._sender.keep_sending(channel), name="mephisto_nb-link-sender")
        watch = asyncio.create_task(self._progress.watch(show), name="mephisto_nb-link-watch")
        try:
            async for incoming in channel.incoming():
                self._take(incoming)
                if self.trouble is not None and self._progress.is_made():
                    show()
                if not isinstance(incoming, Ahead):
                    await _tell(self._news)
        except RouterError as error:
            why = error
        finally:
            failure = await _end(sender, watch)
        if (why := failure or why) is not None:  # as sending fails, the channel is closed
            raise why

    def _take(self, incoming: Incoming) -> None:
        match incoming:
            case Ahead():
                _hear_ahead(self._agents, self._engine.state, incoming, self._clock.now())
            case Missed():
                _miss(self._agents, self._engine.state, incoming)
            case Messages(received):
                self.absence.note(self._engine.receive(self._clocks.by_ours(received)), self._clock.now())
            case Acknowledged(n):
                self._engine.delivered(n)
            case Presence(agents):
                self.present.update(agent for agent, here in agents.items() if here)
                self.present.difference_update(agent for agent, here in agents.items() if not here)
                tell(self.listeners)
            case RouterTroubles(troubles):
                self.router_troubles = troubles
                tell(self.listeners)
            case Synced(last_seq):
                self._synced, self._num_synced = last_seq, self._num_synced + 1
                self._progress.note_answer()
                self._engine.clock_may_go_on(last_seq)

    async def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        self.present.clear()
        self._agents.link_lost()
        self.away_since = self.away_since or self._clock.now()
        tell(self.listeners)
        if channel is not None:
            await channel.close()

    def _on_step(self, step: Step) -> None:
        self._attendance.are_stored(step.state.service.away_until)
        self.crowd_events.hand_on(self._engine.committed_seq)
        self._arm()
        self._sender.wake()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = self._engine.state.next_deadline() if self._is_running else None
        # Nobody is timed out before all that the router has received until then was handled: an answer that came
        # in time may still be on its way. So the time, when it has come, asks the router first.
        self._timer = None if when is None else self._clock.call_at(when, self._sender.request_sync)


async def _find_router(architect: Architect[Any], engine: RunEngine) -> Channel:
    """Return a channel to the router, and have the event log say what has become of that since."""
    await architect.revive()
    while architect.news:
        engine.do_soon(partial(_log_of_router, why=architect.news.pop(0)))
    return architect.get_channel()


def _log_of_router(step: Step, why: str) -> None:
    step.log("run", step.state.task_run_id, None, None, why, "router")


async def _wait_for(news: asyncio.Condition, condition: Callable[[], bool]) -> None:
    async with news:
        await news.wait_for(condition)


async def _tell(news: asyncio.Condition) -> None:
    async with news:
        news.notify_all()


# Where packets go.


def _register(pool: WorkerPool, vouching: AsksCrowd | None, step: Step, received: Received, prepared: Prepared) -> None:
    request_id, identity = received.packet.subject_id, prepared.identities[received.seq]
    if isinstance(identity, Refusal):
        pool.refuse(step, request_id, identity)
        return
    facts = prepared.facts.get(identity.worker_name, WorkerFacts())
    data = received.packet.data
    is_simulated, only_looks = _says(data, "is_simulated"), _says(data, "only_looks")
    arrival = Arrival(
        request_id, identity.worker_name, identity.registration_id, facts, is_simulated, identity.captured
    )
    if only_looks:
        pool.look_ahead(step, arrival)
    elif vouching is None or not vouching.puts_off(step, arrival, data["provider_data"]):
        pool.register_agent(step, arrival)


def _log_unknown(step: Step, packet_type: PacketType) -> None:
    _log_of_router(step, f"a packet {packet_type.value!r} has no meaning")


def _take_message(agents: AgentsAtWork, step: Step, received: Received) -> None:
    # Its task code finds it among the agent's `pending_actions` once the step is committed.
    agent_id, data, at = received.packet.subject_id, received.packet.data, received.received_at
    agent = step.state.agents.get(agent_id)
    if agent is not None and is_heard(step, agent, data, at):
        step.add_live_update(agent_id, "worker", agents.voices.recorded(agent_id, data), at)
    elif agent is not None:
        agents.missed(agent_id, data.get("update_id"))


def _hear_ahead(agents: AgentsAtWork, state: RunState, ahead: Ahead, now: float) -> None:
    # It counts for what its worker may say from now on: nothing is heard that will not be recorded.
    agents.heard_ahead(ahead.after, ahead.packet, partial(hears_ahead, state, ahead.packet, now))


def _miss(agents: AgentsAtWork, state: RunState, missed: Missed) -> None:
    agents.missed(missed.agent_id, missed.update_id)
    is_not_recorded(state, missed.agent_id, missed.update_id)


async def _end(sender: asyncio.Task[None], watch: asyncio.Task[None]) -> BaseException | None:
    """End what goes on beside a channel; return why sending has failed, if it has."""
    sender.cancel()
    watch.cancel()
    await asyncio.wait({sender, watch})
    return None if sender.cancelled() else sender.exception()


def _show_trouble(link: ClientIOHandler, progress: LinkProgress) -> None:
    link.trouble = progress.trouble
    tell(link.listeners)


def _show_unsent(link: ClientIOHandler, progress: LinkProgress, why: str | None) -> None:
    if progress.unsent != why:
        progress.unsent = why
        _show_trouble(link, progress)


def _name_jump(link: ClientIOHandler, clock: Clock, note: Callable[[str, str], None], seconds: float) -> None:
    note(describe_jump(seconds, clock.now()), "the computer's clock")
    tell(link.listeners)


def _submit(pool: WorkerPool, step: Step, received: Received) -> None:
    pool.complete_agent(step, received.packet.subject_id, received.packet.data, received.received_at)


def _submit_onboarding(pool: WorkerPool, step: Step, received: Received) -> None:
    pool.register_agent_from_onboarding(step, received.packet.subject_id, received.packet.data, received.received_at)


def _submit_metadata(pool: WorkerPool, step: Step, received: Received) -> None:
    agent_id, data = received.packet.subject_id, received.packet.data
    if agent_id in step.state.agents:
        step.note(AddMetadata(agent_id, data, received.received_at))
    else:  # of the introduction, say: its sender was told that it has arrived, so it has to be found somewhere
        step.log("agent", agent_id, None, None, "feedback outside of a unit", "worker", data)


def _log_frontend_error(pool: WorkerPool, step: Step, received: Received) -> None:
    report = cut_report(received.packet.data)  # a router of an earlier version has not
    step.log("agent", received.packet.subject_id, None, None, PAGE_ERROR, "worker", report)
    step.page_errors.append(received.packet.subject_id)


def _return(pool: WorkerPool, step: Step, received: Received) -> None:
    reason = received.packet.data.get("reason")
    about = str(reason) if reason else ""
    pool.handle_updated_agent_status(step, received.packet.subject_id, AgentStatus.RETURNED, about)


def _note_absence(attendance: Attendance, step: Step, told: JSONObject) -> None:
    if any(since < told["since"] for since, _ in attendance.absences):
        attendance.note_absences(step)  # what is older counts first
    router_was_away(step, told["since"], told["until"])


def _disconnect(pool: WorkerPool, step: Step, received: Received) -> None:
    pool.handle_updated_agent_status(step, received.packet.subject_id, AgentStatus.DISCONNECT)


_DIRECTIONS: Mapping[PacketType, Callable[[WorkerPool, Step, Received], None]] = {
    PacketType.SUBMIT_UNIT: _submit,
    PacketType.SUBMIT_ONBOARDING: _submit_onboarding,
    PacketType.SUBMIT_METADATA: _submit_metadata,
    PacketType.LOG_ERROR: _log_frontend_error,
    PacketType.RETURN_UNIT: _return,
    PacketType.AGENT_DISCONNECTED: _disconnect,
}


def _says(data: JSONObject, what: str) -> bool:
    """Return whether a registration says of itself that a program came (`is_simulated`), or that it takes no work.

    A person who says so loses by it, and nobody else.
    """
    provider_data = data.get("provider_data")
    return isinstance(provider_data, dict) and provider_data.get(what) is True
