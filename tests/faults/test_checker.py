"""A checker that cannot fail is worth nothing: each violation is planted in a run that went well."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text

from mephisto_nb.operator import Operator
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.faults.checker import check, read_facts
from tests.faults.crowd import Told
from tests.faults.plan import Plan
from tests.faults.talk import Talk
from tests.inside import live_of, parts_of
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.runs import crowd_of, launch, rows, take

__all__ = ["data_dir", "make_operator"]

PLAN = Plan(0, assignments=3, units_per_assignment=1)
AN_AGENT = "(SELECT min(agent_id) FROM submissions)"
A_UNIT = f"(SELECT unit_id FROM units WHERE agent_id = {AN_AGENT})"
ANOTHER = "(SELECT max(agent_id) FROM submissions)"
HARM = {
    "lost or doubled": [f"DELETE FROM submissions WHERE agent_id = {AN_AGENT}"],
    "one answer is there twice": [
        f"UPDATE submissions SET data = (SELECT data FROM submissions WHERE agent_id = {ANOTHER})"
    ],
    "changed": [f"UPDATE submissions SET data = '{{}}' WHERE agent_id = {AN_AGENT}"],
    "held by nobody": [f"UPDATE units SET status = 'assigned', agent_id = NULL WHERE unit_id = {A_UNIT}"],
    "held by 2": [f"UPDATE agents SET unit_id = {A_UNIT} WHERE agent_id = {ANOTHER}"],
    "its log ends with": [f"UPDATE units SET status = 'accepted' WHERE unit_id = {A_UNIT}"],
    "illegal": [f"UPDATE events SET before = 'expired' WHERE subject_id = {A_UNIT} AND after = 'assigned'"],
    "has 3 units of assignment": [
        "UPDATE units SET worker_id = (SELECT min(worker_id) FROM workers)",
        "UPDATE units SET assignment_id = (SELECT assignment_id FROM assignments WHERE assignment_index = 0), "
        "unit_index = unit_index + "
        "(SELECT assignment_index FROM assignments a WHERE a.assignment_id = units.assignment_id)",
    ],
    "has not ended": ["UPDATE task_runs SET ended_at = NULL"],
    "is left launched": [f"UPDATE units SET status = 'launched' WHERE unit_id = {A_UNIT}"],
}


async def _finished_run(make_operator: Callable[..., Operator]) -> tuple[Path, Told]:
    run = await launch(make_operator(), rows(PLAN.units))
    told = Told()
    async with crowd_of(run.url) as worker:
        for name in ("ann", "ben", "cem"):
            agent_id = await take(worker(name))
            answer = {"by": name}
            await worker(name).submit(agent_id, answer)
            told.agents[agent_id], told.sent[agent_id] = name, [answer]
            told.received[agent_id] = [(answer, False)]
    await run.completed()
    await live_of(run).over.wait()
    return parts_of(run).directory, told


async def test_the_checker_notices(make_operator: Callable[..., Operator], data_dir: Path, tmp_path: Path) -> None:
    directory, told = await _finished_run(make_operator)
    assert check(read_facts(f"sqlite:///{data_dir / 'mephisto_nb.db'}", directory), told, PLAN) == []
    for number, (violation, statements) in enumerate(HARM.items()):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as database:
            database.execute("VACUUM INTO ?", (str(tmp_path / f"{number}.db"),))
        _harm(url, statements)
        problems = check(read_facts(url, directory), told, PLAN)
        assert any(violation in problem for problem in problems), (violation, problems)


def _harm(url: str, statements: list[str]) -> None:
    engine = create_engine(url)
    with engine.begin() as database:
        for statement in statements:
            database.execute(text(statement))
    engine.dispose()


async def test_the_checker_notices_what_workers_met(make_operator: Callable[..., Operator], data_dir: Path) -> None:
    directory, told = await _finished_run(make_operator)
    facts = read_facts(f"sqlite:///{data_dir / 'mephisto_nb.db'}", directory)
    agent_id = next(iter(told.agents))
    doubled = replace(facts, results=[*facts.results, facts.results[0]])
    assert any("has 2 answers" in problem for problem in check(doubled, told, PLAN))
    waiting = replace(facts, inbox=[(facts.snapshot.last_seq + 1, "submit_unit")])
    assert any("never taken out" in problem for problem in check(waiting, told, PLAN))
    told.agents["nobody"] = "dee"
    told.reloads[agent_id] = ["other"]
    told.refused[agent_id] = [("another", "409 An answer to this task has arrived already")]
    assert "was sent away" not in "\n".join(check(facts, told, PLAN))
    told.refused[agent_id] = [(facts.results[0]["data"], "409 An answer to this task has arrived already")]
    told.metadata[agent_id], told.errors = [{"tip": 1}], ["w1 met a wall"]
    problems = "\n".join(check(facts, told, PLAN))
    for found in ("which does not exist", "that was reloaded got", "was sent away", "metadata of agent", "met a wall"):
        assert found in problems


async def test_the_checker_notices_what_is_wrong_with_a_talk(
    make_operator: Callable[..., Operator], data_dir: Path
) -> None:
    directory, told = await _finished_run(make_operator)
    facts = read_facts(f"sqlite:///{data_dir / 'mephisto_nb.db'}", directory)
    agent_id = next(iter(told.agents))
    talk = told.talks[agent_id] = Talk(SimulatedWorker("ann", "", None), agent_id, "r")  # type: ignore[arg-type]
    talk.said, talk.heard = ["r-0", "r-1"], ["x", "y"]
    well = [("operator", "x"), ("worker", "r-0"), ("operator", "y"), ("worker", "r-1")]
    assert check(replace(facts, live_updates={agent_id: well}), told, PLAN) == []
    for spoilt in (well[:3], [*well, *well[3:]], [well[3], *well[:3]], well[1:], [well[2], well[0], well[1], well[3]]):
        assert check(replace(facts, live_updates={agent_id: spoilt}), told, PLAN), spoilt
