"""Databases that are put back or emptied: what may be lost is told, and nothing else is lost by it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mephisto_nb.kernel.engine import _send_anew
from mephisto_nb.kernel.numbers import LinkNumbers, find_gaps
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.operator import Operator
from mephisto_nb.ports.architect import RouterStanding
from mephisto_nb.run import TaskRun
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, kill, launch, router_pid, rows, take
from tests.rules.rehearsal import Rehearsal


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (None, ""),
        (RouterStanding(newest=7, acknowledged=5), ""),
        (RouterStanding(newest=7, acknowledged=3), ""),
        (RouterStanding(newest=2, acknowledged=0, is_strange=True), "older copy, or emptied"),
        (RouterStanding(newest=9, acknowledged=5, missing=2), "2 messages that pages were told had arrived"),
        (RouterStanding(newest=9, acknowledged=6), "1 message of workers are missing"),
    ],
)
def test_numbers_that_do_not_go_on_are_told_once(standing: RouterStanding | None, told: str) -> None:
    found = find_gaps(standing, 5, was_replaced=False)
    assert [told in gap for gap in found] == ([True] if told else [])
    assert all(". " in gap for gap in found)  # what was found, and then what to do
    assert len(find_gaps(standing, 5, was_replaced=True)) == 1


def test_what_was_told_is_not_told_at_each_new_link() -> None:
    numbers, standing = LinkNumbers(), RouterStanding(newest=9, acknowledged=8, era="e")
    assert [len(numbers.meet(standing, last_seq, was_replaced=False)) for last_seq in (5, 5, 6)] == [1, 0, 0]
    assert len(numbers.meet(replace(standing, acknowledged=9), 6, was_replaced=False)) == 1  # that is another gap
    assert numbers.meet(standing, 9, was_replaced=False) == []
    assert len(numbers.meet(standing, 5, was_replaced=False)) == 1  # and this is anew
    assert numbers.era == "e"


def test_what_is_sent_anew_is_stored_as_it_was() -> None:
    step = Rehearsal(1).step()
    waiting = Packet(PacketType.AGENT_DETAILS, "r", {"init_task_data": "x" * 100_000}, kept={"made_anew_for": "a"})
    _send_anew(step, [waiting], last_n=9)
    assert (step.changes.first_n, step.changes.packets[0].kept) == (10, waiting.kept)


async def _told(run: TaskRun, what: str) -> bool:
    """Wait until the researcher is told of something."""
    await parts_of(run).engine.wait_until(lambda _: any(what in line for line in run.attention))
    return bool(run.events().why.str.contains("database|numbers").any())


def _copy(file: Path, target: Path) -> None:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _put_back(copy: Path | None, file: Path) -> None:
    for name in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        name.unlink(missing_ok=True)
    if copy is not None:
        shutil.copy(copy, file)


@pytest.mark.parametrize("is_copy", [True, False], ids=["older copy", "emptied"])
async def test_answers_taken_by_an_inbox_put_back_are_kept(
    make_operator: Callable[..., Operator], tmp_path: Path, is_copy: bool
) -> None:
    operator = make_operator()
    run = await launch(operator, rows(6))
    inbox, engine = parts_of(run).directory / "inbox.db", parts_of(run).engine
    async with crowd_of(run.url) as worker:
        ids = {name: await take(worker(name)) for name in "abcdef"}
        _copy(inbox, tmp_path / "copy.db")
        for name in "abc":
            await worker(name).submit(ids[name], {"mood": name})
        await engine.wait_until(lambda state: sum(one.submitted_at is not None for one in state.agents.values()) == 3)
        await operator.detach()
        await kill(router_pid(run))
        _put_back(tmp_path / "copy.db" if is_copy else None, inbox)
        again = await make_operator().reconnect(run.task_run_id)
        assert await _told(again, "router's database (inbox.db) was replaced by an older copy, or emptied")
        for name in "def":
            await worker(name).submit(ids[name], {"mood": name})
        await again.completed()
    assert sorted(again.results()["answer.mood"]) == list("abcdef")


async def test_a_run_put_back_to_an_older_copy_is_told(make_operator: Callable[..., Operator], tmp_path: Path) -> None:
    operator = make_operator()
    run = await launch(operator, rows(3))
    parts = parts_of(run)
    async with crowd_of(run.url) as worker:
        ids = {name: await take(worker(name)) for name in "abc"}
        file = Path(str(parts.database.connections.url.database))
        _copy(file, tmp_path / "copy.db")
        await worker("a").submit(ids["a"], {"mood": "a"})
        await parts.engine.wait_until(lambda state: any(one.submitted_at for one in state.agents.values()))
        await parts.link.catch_up()
        await operator.detach()
        _put_back(tmp_path / "copy.db", file)
        again = await make_operator().reconnect(run.task_run_id)
        assert await _told(again, "1 message of workers are missing")
        for name in "bc":
            await worker(name).submit(ids[name], {"mood": name})
        await parts_of(again).engine.wait_until(
            lambda state: sum(bool(a.submitted_at) for a in state.agents.values()) == 2
        )
    assert sorted(again.results()["answer.mood"]) == ["b", "c"]
