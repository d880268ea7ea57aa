"""The engine under failure: nothing is lost, nothing is done twice, and what is wrong is said."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.errors import ClosedError, ConflictError, DatabaseError, TransitionError
from mephisto_nb.kernel import writer
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.run import TaskRun
from tests.inside import live_of, parts_of
from tests.kernel.runs import crowd_of, launch, rows, take, work_to_the_end


class Fragile:
    """A database that fails on demand, in between working as before."""

    def __init__(self, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._apply, self._load_run = database.apply, database.runs.load_run
        self._loop = asyncio.get_running_loop()
        self.reads_fail = False
        self.writes_failing = 0
        self.commits_first = False
        self.failed, self.waiting = asyncio.Event(), asyncio.Event()
        self._wait = writer.Retry._wait
        monkeypatch.setattr(writer.Retry, "_wait", lambda *args: self.wait(*args))
        monkeypatch.setattr(database, "apply", self.apply)
        monkeypatch.setattr(database.runs, "load_run", self.load_run)

    def apply(self, group: Sequence[Changes]) -> list[Exception | None]:
        if not self.writes_failing:
            return list(self._apply(group))
        self.writes_failing -= 1
        if self.commits_first:
            self._apply(group)
        self._loop.call_soon_threadsafe(self.failed.set)
        return [DatabaseError("the disk is full")] * len(group)

    def load_run(self, task_run_id: str) -> Any:
        if self.reads_fail:
            raise DatabaseError("the disk is gone")
        return self._load_run(task_run_id)

    async def wait(self, waiting: writer.Retry, error: Exception, last: float) -> float:
        self.waiting.set()
        return await self._wait(waiting, error, last)

    def fail(self, *, reads: bool = False) -> None:
        self.writes_failing, self.reads_fail = 1_000_000, reads
        self.failed.clear()

    def mend(self) -> None:
        self.writes_failing, self.reads_fail = 0, False


@pytest.fixture
def fragile(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Fragile]:
    """Make the operator's database fragile, and the engine quick to try again."""
    monkeypatch.setattr(writer, "FIRST", 0.0)
    monkeypatch.setattr(writer, "MOST", 0.001)
    return lambda: Fragile(operator._runs.database, monkeypatch)


@pytest.mark.parametrize("reads", [False, True])
async def test_a_database_that_fails_for_a_while_loses_nothing_and_says_so(
    reads: bool, operator: Operator, fragile: Callable[[], Fragile]
) -> None:
    run, database = await launch(operator, rows(10)), fragile()
    async with crowd_of(run.url) as worker:
        agents = await asyncio.gather(*(take(worker(f"worker-{i}")) for i in range(5)))
        database.fail(reads=reads)
        await asyncio.gather(*(worker("any").submit(agent_id, {"by": agent_id}) for agent_id in agents))
        await database.waiting.wait()
        assert any("The database does not answer" in reason for reason in run.attention)
        database.mend()
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.COMPLETED] == 5)
        assert run.attention == []
        assert set(run.results()["answer.by"]) == set(agents)


async def test_a_database_may_fail_for_a_very_long_while(operator: Operator, fragile: Callable[[], Fragile]) -> None:
    run, database = await launch(operator, rows(1)), fragile()
    database.writes_failing = 400
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await run.completed()
    await live_of(run).over.wait()
    assert (run.status, database.writes_failing) == ("ended", 0)


async def test_a_generator_is_gone_on_with_after_the_database_was_away(
    operator: Operator, fragile: Callable[[], Fragile]
) -> None:
    def drawn() -> Iterator[dict[str, Any]]:
        for index in range(8):
            database.writes_failing = 1  # the very commit of this row fails once
            yield {"index": index}

    class Late:
        writes_failing = 0

    database: Any = Late()
    run = await launch(operator, drawn(), max_num_concurrent_units=1)
    database = fragile()
    await work_to_the_end(run)
    assert live_of(run).launch_failure is None
    assert len(run.units()) == 8


async def test_a_person_is_told_at_once_that_nothing_was_stored(
    operator: Operator, fragile: Callable[[], Fragile]
) -> None:
    run = await launch(operator, rows(2))
    await parts_of(run).link.catch_up()  # else what the link's beginning is noted by may be the first that fails
    database = fragile()
    database.fail(reads=True)
    with pytest.raises(DatabaseError, match="the disk is full"):
        await run.steering.expire_units()
    database.mend()
    await parts_of(run).engine.do(lambda step: None, retry=True)
    assert await run.steering.expire_units() == 2


async def test_what_was_committed_after_all_is_not_done_twice(
    operator: Operator, fragile: Callable[[], Fragile], data_dir: Path
) -> None:
    run, database = await launch(operator, rows(2)), fragile()
    async with crowd_of(run.url) as worker:
        database.commits_first, database.writes_failing = True, 1
        agent_id = await take(worker("ann"))
        database.writes_failing = 1
        await worker("ann").post("/submit_metadata", {"USED_AGENT_ID": agent_id, "metadata": {"tip": 1}})
        await database.failed.wait()
        await worker("ann").submit(agent_id, {})
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.COMPLETED] == 1)
    with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as rows_of:
        assert rows_of.execute("SELECT count(*) FROM agent_metadata").fetchone() == (1,)
    assert len(run.agents()) == 1


async def test_a_unit_that_somebody_else_changed_is_read_again(operator: Operator, data_dir: Path) -> None:
    run = await launch(operator, rows(2))
    first = run.units()["unit_id"][0]
    with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as other:
        other.execute("UPDATE units SET status = 'expired' WHERE unit_id = ?", (first,))
        other.commit()
    async with crowd_of(run.url) as worker:
        details = await worker("ann").register()
        assert details["init_task_data"] == {"text": "text 1"}
        await worker("ann").submit(details["agent_id"], {})
    await run.completed()
    assert run.counts == {"completed": 1, "expired": 1}


async def test_a_conflict_that_does_not_end_is_told_to_who_asked(operator: Operator) -> None:
    run = await launch(operator, rows(1))

    def clash(step: Any) -> None:
        raise ConflictError("somebody was first")

    with pytest.raises(ConflictError):
        await parts_of(run).engine.do(clash)
    assert (run.status, run.counts) == ("live", {"launched": 1})


async def test_a_rule_that_fails_changes_nothing_and_harms_nothing(operator: Operator) -> None:
    run = await launch(operator, rows(2))

    def half(step: Any) -> None:
        one, other = step.state.units.values()
        step.change_unit(one, UnitStatus.EXPIRED, "first half", "test")
        step.change_unit(other, UnitStatus.ACCEPTED, "not from here", "test")

    outcomes = await asyncio.gather(
        parts_of(run).engine.do(half), parts_of(run).engine.do(lambda step: 42), return_exceptions=True
    )
    assert isinstance(outcomes[0], TransitionError)
    assert outcomes[1] == 42
    assert run.counts == {"launched": 2}


async def test_a_bad_packet_is_set_aside_and_the_others_go_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_init_data(shared: Any, unit_data: Any) -> Any:
        return {"text": shared["text"], "seven": 7 // shared["number"]}

    run = await launch(operator, [{"text": str(number), "number": number} for number in range(3)])
    monkeypatch.setattr(parts_of(run).blueprint, "get_init_data", get_init_data)
    async with crowd_of(run.url) as worker:
        details = await worker("ann").register()
        assert (details["agent_id"], details["failure_code"]) == (None, "bad_registration")
        await parts_of(run).engine.do(lambda step: _expire_first(step))
        names = ("bob", "eve")
        agents = await asyncio.gather(*(take(worker(name)) for name in names))
        await asyncio.gather(*(worker("any").submit(agent_id, {}) for agent_id in agents))
    await run.completed()
    assert run.events()["why"].str.contains("could not be handled and was set aside: ZeroDivisionError").sum() == 1
    assert set(run.results()["worker_name"]) == set(names)


def _expire_first(step: Any) -> None:
    unit = next(iter(step.state.units.values()))
    step.change_unit(unit, UnitStatus.EXPIRED, "poisoned", "test")


async def test_a_provider_that_fails_on_one_worker_serves_the_others(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    identify = LinkProvider.identify

    def fail(self: LinkProvider, data: dict[str, Any]) -> Any:
        return identify(self, data | {"worker_name": {"ann": "ann"}[data["worker_name"]]})

    monkeypatch.setattr(LinkProvider, "identify", fail)
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        assert (await worker("bob").register())["failure_code"] == "bad_registration"
        await take(worker("ann"))


async def test_who_listens_to_steps_may_fail(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    parts_of(run).engine.listeners.insert(0, lambda step: 1 // 0)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await run.completed()
    assert run.status != "failed"


async def test_two_runs_that_meet_the_same_new_workers_share_them(operator: Operator) -> None:
    one, other = await launch(operator, rows(30)), await launch(operator, rows(30), task_name="colours")
    names = [f"worker-{i}" for i in range(30)]
    async with crowd_of(one.url) as worker, crowd_of(other.url) as again:
        await asyncio.gather(*(take(hired(name)) for name in names for hired in (worker, again)))
    people = [dict(zip(run.agents()["worker_name"], run.agents()["worker_id"], strict=True)) for run in (one, other)]
    assert people[0] == people[1]
    assert set(people[0]) == set(names)


async def test_who_waits_for_a_run_that_is_let_go_of_is_told(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    waiting = [asyncio.create_task(wait(run)) for wait in (_waits_for_ever, TaskRun.completed)]
    await parts_of(run).engine.do(lambda step: None)
    await operator.detach()
    assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [ClosedError] * 2
    with pytest.raises(ClosedError):
        await parts_of(run).engine.do(partial(_expire_first))


async def _waits_for_ever(run: TaskRun) -> None:
    await parts_of(run).engine.wait_until(lambda state: False)


async def test_an_outage_that_is_over_makes_no_later_pause_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    def fails(times: int) -> Callable[[], Awaitable[None]]:
        left = [DatabaseError("locked")] * times

        async def attempt() -> None:
            if left:
                raise left.pop()

        return attempt

    monkeypatch.setattr(asyncio, "sleep", sleep)
    retry = writer.Retry()
    await retry.persist(fails(3))
    await retry.persist(fails(1))
    assert pauses == [0.25, 0.5, 1.0, 0.25]
