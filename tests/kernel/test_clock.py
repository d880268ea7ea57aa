"""A computer's clock that is set days forward or back ends no run and no agent, and is named within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from mephisto_nb import Operator
from mephisto_nb.kernel.absence import Attendance, ClockCheck, describe_jump
from mephisto_nb.model.packets import Packet, PacketType, Received
from mephisto_nb.model.records import Submission
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.ports.architect import RouterStanding
from mephisto_nb.ports.clock import SystemClock
from mephisto_nb.router.deadlines import Vigil
from mephisto_nb.rules.absence import kernel_was_away, router_was_away
from mephisto_nb.rules.departures import pass_time
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.machine import MachineTroubles
from mephisto_nb.utils.steady_time import JUMP, JumpWatch, SteadyTime
from tests.inside import live_of, parts_of, watch
from tests.kernel.runs import crowd_of, kill, launch, router_pid, rows, take
from tests.rules.rehearsal import Rehearsal

MONTH = 30 * 86_400.0
#: How the clock is set, and set right again five seconds later.
JUMPS = pytest.mark.parametrize("jump", [MONTH, -MONTH, 3600.0, -3600.0], ids=["+30 d", "-30 d", "+1 h", "-1 h"])


class Wall:
    """A clock on the wall that is set, and seconds that pass."""

    def __init__(self) -> None:
        self.wrong, self.passed = 0.0, 0.0
        self.time = SteadyTime(lambda: 1e9 + self.passed + self.wrong, lambda: self.passed)


@JUMPS
def test_steady_time_goes_on_whatever_the_wall_says(jump: float) -> None:
    wall, told = Wall(), list[float]()
    clock = SystemClock(wall.time)
    for wrong in (0.0, jump, jump, 0.0):
        wall.wrong, wall.passed = wrong, wall.passed + 5
        told.append(clock.now())
    assert told == [1e9 + 5, 1e9 + 10, 1e9 + 15, 1e9 + 20]


@JUMPS
async def test_a_kernel_names_the_jump_with_its_next_beat(jump: float) -> None:
    clock, named, looked = FakeClock(1000.0), list[float](), list[float]()
    attendance = Attendance(clock, lambda: looked.append(clock.now()), 1000.0, named.append)
    attendance.begin()
    clock.set_wall(jump)
    clock.advance(5)
    clock.set_wall(0.0)
    clock.advance(5)
    assert named == [jump, -jump]
    assert attendance.absences == []
    attendance.end()


async def test_a_kernel_names_a_jump_from_before_its_run() -> None:
    clock, named = FakeClock(1000.0), list[float]()
    clock.set_wall(-MONTH)
    attendance = Attendance(clock, lambda: None, 1000.0, named.append)
    attendance.begin()
    clock.advance(5)
    assert named == [-MONTH]
    attendance.end()


def test_all_clocks_of_a_process_say_the_same() -> None:
    before = steady_time.now()
    assert before <= SystemClock().now() <= MachineTroubles()._now() <= steady_time.now()


@JUMPS
async def test_a_router_was_not_away_when_the_wall_was_set(jump: float) -> None:
    wall, away = Wall(), list[tuple[float, float]]()
    vigil = Vigil(wall.time.now(), lambda *absence: away.append(absence), wall.time.now)
    for wrong in (0.0, jump, jump, 0.0):
        wall.wrong, wall.passed = wrong, wall.passed + 2
        vigil.look()
    assert away == []
    wall.passed += 3600  # the machine slept
    vigil.look()
    assert len(away) == 1


@JUMPS
async def test_a_run_goes_on_and_says_that_the_clock_was_set(
    timed_operator: Operator, clock: FakeClock, jump: float
) -> None:
    run = await launch(timed_operator, rows(2), no_submission_patience=3600.0)
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
        clock.set_wall(jump)
        clock.advance(5)
        said = next(one for one in run.attention if "clock of this computer" in one)
        assert describe_jump(jump, clock.now())[:60] == said[:60]
        assert said.partition(". ")[0] in str(watch(run).state()["attention"])
        clock.set_wall(0.0)
        clock.advance(5)
        await worker("ann").submit(agent_id, {"mood": "glad"})
    await parts_of(run).engine.wait_until(lambda state: bool(state.agents[agent_id].submitted_at))
    assert (run.status, live_of(run).is_running) == ("live", True)
    assert run.results()["duration_in_seconds"].min() >= 0
    assert set(run.agents()["status"]) == {"completed"}


@pytest.mark.parametrize(("by", "took"), [(-0.001, 0.0), (-MONTH, 0.0), (30.0, 30.0), (MONTH, 60.0)])
def test_no_answer_came_before_its_unit_or_after_it_was_read(by: float, took: float) -> None:
    run = Rehearsal(1)
    agent = run.take("ann")
    run.now += 60
    submit(run.step(), Submission(agent.agent_id, {}, agent.accepted_at + by))
    assert agent.submitted_at == agent.accepted_at + took


def test_small_corrections_are_no_jump() -> None:
    wrong = [0.0]
    watch_ = JumpWatch(lambda: wrong[0])
    wrong[0] = JUMP / 2
    assert watch_.look() is None


# -- clocks that are wrong when a process begins -----------------------------------------------------------------


class Computer:
    """A run whose kernel and router begin with clocks that are wrong; its worker has 1000 s from 1e9 on."""

    def __init__(self) -> None:
        self.run, self.true, self.attention = Rehearsal(1, assignment_duration=1000.0), 1e9, list[str]()
        self.run.now = self.run.state.opened_at = self.true
        self.agent = self.run.take("ann")
        self.kernel_wrong = self.router_wrong = 0.0

    def work(self, seconds: float) -> None:
        """Let time pass in which all is well."""
        self.true += seconds
        self.run.now = self.true + self.kernel_wrong
        self.run.state.service = replace(self.run.state.service, served_until=self.run.now)

    def begin(self, away: float, *, kernel: float, router: float | None) -> None:
        """Begin a kernel, and a router unless it went on (None), by clocks that are so many seconds wrong."""
        run, here = self.run, self.true + self.router_wrong
        self.true, self.kernel_wrong = self.true + away, kernel
        self.router_wrong = self.router_wrong if router is None else router
        told, run.now = self.true + self.router_wrong, self.true + kernel
        served_until = run.state.service.served_until or 0.0
        check = ClockCheck(self, SystemClock(self))  # type: ignore[arg-type]
        silent_for = away if router is None else max(0.0, told - here)
        check.compare(RouterStanding(0, 0, now=told, silent_for=silent_for), run.now, run.now)
        if run.now > served_until:
            kernel_was_away(run.step(), served_until, run.now)
        if router is not None and told > here:
            router_was_away(run.step(), here, told)
        pass_time(run.step())

    def now(self) -> float:
        return self.run.now

    @property
    def state(self) -> RunState:
        return self.run.state

    def do_soon(self, rule: Callable[[Step], object]) -> None:
        rule(self.run.step())
        self.attention += [what for what, _ in self.run.last.failures]

    def served(self) -> float:
        """Return the time of the run."""
        return self.run.now - self.run.state.service.away


@pytest.mark.parametrize("later", [None, 0.0], ids=["then alone right", "then both right"])
@pytest.mark.parametrize("router", [None, 0.0, MONTH, -MONTH], ids=["goes on", "right", "+30 d", "-30 d"])
@pytest.mark.parametrize("kernel", [0.0, MONTH, -MONTH], ids=["right", "+30 d", "-30 d"])
def test_nobody_is_timed_out_by_a_clock_wrong_at_the_start(
    kernel: float, router: float | None, later: float | None
) -> None:
    computer = Computer()
    for wrong, of_router in ((kernel, router), (0.0, later)):
        computer.work(100.0)
        served = computer.served()
        computer.begin(50.0, kernel=wrong, router=of_router)
        assert computer.agent.status is AgentStatus.IN_TASK
        assert computer.run.now < (computer.agent.deadline or 0.0) <= computer.run.now + 1000
        assert computer.served() == served
        state = computer.run.state
        assert max(state.service.away_until, state.quiet_since) <= computer.run.now
    assert ("the clocks of router and kernel differ" in computer.attention) == (
        kernel != (router or 0.0) or (later is None and bool(router))
    )


@pytest.mark.parametrize("anew", [False, True], ids=["router goes on", "router begins anew"])
@JUMPS
async def test_a_kernel_begun_with_a_wrong_clock_names_it(
    make_operator: Callable[..., Operator], jump: float, anew: bool
) -> None:
    operator = make_operator()
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
        for wrong in (jump, 0.0):
            await operator.detach()
            if anew:
                await kill(router_pid(run))
            clock = SystemClock(SteadyTime(lambda wrong=wrong: time.time() + wrong))  # type: ignore[misc]
            operator = make_operator(clock=clock)
            run = await operator.reconnect(run.task_run_id)
            await parts_of(run).link.catch_up()
            assert run.agents()["status"].tolist() == ["in task"]
            assert any("clock" in one for one in run.attention) == (bool(wrong) or jump > 0)
            assert parts_of(run).engine.state.service.away_until <= clock.now()


def test_an_absence_told_by_a_clock_ahead_counts_as_it_was() -> None:
    run = Rehearsal(1)
    run.now = 10_000.0
    router_was_away(run.step(), run.now + MONTH - 3600, run.now + MONTH)
    service = run.state.service
    assert (service.away, service.away_until, service.quiet_since) == (3600.0, run.now, run.now - (run.now - 3600))


async def test_a_message_stamped_in_the_future_mutes_nobody(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    engine = parts_of(run).engine
    async with crowd_of(run.url) as worker:
        agent_id = await take(worker("ann"))
    packet = Packet(PacketType.LIVE_UPDATE_TO_OPERATOR, agent_id, {"update_id": "a"})
    seq = engine.committed_seq + 1
    engine.receive([Received(seq, time.time() + MONTH, packet)])
    await engine.handled(seq)
    assert [one.at <= time.time() for one in engine.state.hearing.values()] == [True]


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_what_a_wrong_router_receives_has_the_kernels_time(ahead: float) -> None:
    computer, now = Computer(), 1e9
    check = ClockCheck(computer, SystemClock(computer))  # type: ignore[arg-type]
    check.compare(RouterStanding(7, 0, now=now + ahead), now, now)
    waited, new = (Received(seq, now + ahead, Packet(PacketType.SUBMIT_UNIT, "a", {})) for seq in (7, 8))
    assert [one.received_at for one in check.by_ours([waited, new])] == [now + ahead, now]


def test_an_absence_is_noted_again_where_a_step_fails() -> None:
    clock, run = FakeClock(1000.0), Rehearsal(1)
    attendance = Attendance(clock, lambda: None, 1000.0)
    clock.advance(100)
    for _ in range(2):  # the first is undone, and made again
        run.state.service = replace(run.state.service, away_until=1000.0, away=0.0)
        run.now = clock.now()
        for _ in range(2):
            attendance.note_absences(run.step())
        assert run.state.service.away_until == 1100.0
    attendance.are_stored(1100.0)
    assert attendance.absences == []
