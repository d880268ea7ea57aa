"""A computer's clock that is set days forward or back ends no run and no agent, and is named within seconds."""

from __future__ import annotations

import pytest

from mephisto_nb import Operator
from mephisto_nb.kernel.absence import Attendance, describe_jump
from mephisto_nb.model.records import Submission
from mephisto_nb.ports.clock import SystemClock
from mephisto_nb.router.deadlines import Vigil
from mephisto_nb.rules.submissions import submit
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.utils.steady_time import JUMP, JumpWatch, SteadyTime
from tests.inside import live_of, parts_of, watch
from tests.kernel.runs import crowd_of, launch, rows, take
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
    assert attendance.take_absences() == []
    attendance.end()


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
