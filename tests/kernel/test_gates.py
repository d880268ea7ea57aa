"""Gates of real runs: crowds whose accuracy is known are filtered to the number, and a restart changes nothing."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import DatabaseError
from mephisto_nb.kernel import gates
from mephisto_nb.kernel.gates import RowSource, make_row
from mephisto_nb.model.gates import GateFinding
from mephisto_nb.model.records import Worker
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.rules.gates._base import AnswerCheck, SentAnswer
from mephisto_nb.rules.gates.table import GATES
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import SimulatedWorker, simulate_workers
from mephisto_nb.utils.user_code import in_own_thread
from tests.inside import frames_of, live_of, parts_of
from tests.kernel.runs import ABOUT, crowd_of, launch, rows, take

PAGES: dict[str, dict[str, Any]] = {
    "mock": {},
    "static_html": {"task_html": "<p>${text}</p><input name=label>"},
    "form": {"form": {"instruction": "<p>${text}</p>", "fields": {"label": "text"}}},
}
GOLDS = [{"text": f"gold {n}", "label": "even" if n % 2 == 0 else "odd"} for n in range(12)]
TRAINED = {"onboarding_qualification": "trained"}


async def launch_as(operator: Operator, blueprint: str, gates: dict[str, Any], **shared: Any) -> TaskRun:
    """Launch a run of 200 rows of any blueprint."""
    config = compose(
        blueprint,
        blueprint_args={**PAGES[blueprint], **gates},
        provider_args={"signed_links": False},
        task={**ABOUT, "task_reward": 0.1, "allowed_concurrent": 1},
    )
    return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(200), **shared))


def right(text: str) -> str:
    return "even" if int(text.split()[1]) % 2 == 0 else "odd"


def is_right(name: str, accuracy: float, text: str) -> bool:
    """Return whether a worker of this accuracy is right about a text: by chance, but the same each time."""
    return random.Random(f"{name} {text}").random() < accuracy


def has_all(state: RunState, sent: int) -> bool:
    """Return whether so many answers have come in and been judged."""
    return sum(agent.submitted_at is not None for agent in state.agents.values()) == sent and not state.gates.unjudged


async def let_work(run: TaskRun, accuracies: dict[str, float], units: int) -> dict[str, str]:
    """Let one worker of each accuracy do so many units at most; give why workers were turned away, by name."""
    codes: dict[str, str] = {}
    sent: dict[str, Any] = {}

    async def work(name: str, accuracy: float) -> None:
        def answer(data: Any) -> Any:
            return {"label": right(data["text"]) if is_right(f"{name}-000", accuracy, data["text"]) else "wrong"}

        report = await simulate_workers(run.url, answer, num_workers=1, units_per_worker=units, name=name)
        assert report.errors == []
        codes.update(report.codes)
        sent.update(report.submitted)

    async with asyncio.TaskGroup() as group:
        for name, accuracy in accuracies.items():
            group.create_task(work(name, accuracy))
    await parts_of(run).engine.wait_until(lambda state: has_all(state, len(sent)))
    return codes


CROWD = {**{f"careful-{n}": 1.0 for n in range(6)}, **{f"careless-{n}": 0.0 for n in range(4)}} | {
    f"mixed-{n}": 0.6 for n in range(10)
}


@pytest.mark.parametrize("blueprint", PAGES)
async def test_a_crowd_is_screened_to_the_number(operator: Operator, blueprint: str) -> None:
    run = await launch_as(operator, blueprint, {}, screening=GOLDS, screening_answer="label")
    codes = await let_work(run, CROWD, units=3)
    gates = run.gates()
    assert (set(gates["gate"]), len(gates), gates["worker_name"].nunique()) == ({"screening"}, 20, 20)
    known = {
        row.worker_name: is_right(row.worker_name, CROWD[row.worker_name[:-4]], row.row["text"])
        for row in gates.itertuples()
    }
    assert dict(zip(gates["worker_name"], gates["passed"], strict=True)) == known
    assert codes == {name: "screening_failed" for name, passed in known.items() if not passed}
    passed = [name for name, ok in known.items() if ok]
    assert dict(run.results()["worker_name"].value_counts()) == dict.fromkeys(passed, 2)
    assert (len(passed) >= 6, len(codes) >= 4, len(passed) + len(codes)) == (True, True, 20)


@pytest.mark.parametrize("blueprint", PAGES)
async def test_a_crowd_is_filtered_by_gold_to_the_number(operator: Operator, blueprint: str) -> None:
    gates = {"min_golds": 3, "max_incorrect_golds": 1, "block_qualification": "banned"}
    run = await launch_as(operator, blueprint, gates, golds=GOLDS, gold_answer="label")
    codes = await let_work(run, CROWD, units=5)
    expected: dict[str, tuple[int, int]] = {}
    for name, found in run.gates().groupby("worker_name"):
        wrong = [not is_right(name, CROWD[name[:-4]], row["text"]) for row in found["row"]]
        # The third gold is given only to those who got at most one of two wrong.
        assert len(wrong) == (2 if sum(wrong[:2]) == 2 else 3)
        expected[name] = (len(wrong), sum(wrong))
    failed = {name for name, (_, wrong) in expected.items() if wrong > 1}
    assert codes == dict.fromkeys(failed, "gold_failed")
    assert dict(run.results()["worker_name"].value_counts()) == dict.fromkeys(set(expected) - failed, 2)
    assert {f"careless-{n}-000" for n in range(4)} <= failed
    facts = frames_of(run).database.people.get_worker_facts(run.task_run_id, "link", sorted(expected))
    assert {name for name, known in facts.items() if "banned" in known.grants} == failed
    assert all(known.grants["moods-wrong-golds"] == expected[n][1] for n, known in facts.items() if expected[n][1])


async def test_a_dashboard_counts_the_work_and_money_counts_everything(operator: Operator) -> None:
    run = await launch_as(operator, "mock", {"min_golds": 2}, golds=GOLDS, gold_answer="label")
    await let_work(run, {"careful": 1.0}, units=5)
    assert (live_of(run).progress, sum(run.counts.values())) == ((3, 200, 0), 200)
    assert (len(run.results()), sorted(run.results(gates=True)["unit_index"])) == (3, [-2, -2, 0, 0, 0])
    assert sum(parts_of(run).engine.state.pay.values()) == 202
    assert {name for name in run.results(gates=True) if name.startswith("input.")} == {"input.text"}


# -- introductions ---------------------------------------------------------------------------------------------


async def introduce(worker: SimulatedWorker, answer: Any) -> dict[str, Any]:
    """Let a newcomer hand in the introduction; give what the page gets then."""
    agent_id = await take(worker)
    assert agent_id.startswith("onboarding_"), agent_id
    return await worker.hand_in(agent_id, answer)


async def test_the_introduction_is_judged_in_python_and_holds_in_other_runs(operator: Operator) -> None:
    shared = {"onboarding_data": {"question": "?"}, "validate_onboarding": lambda data: data["ok"]}
    first = await launch(operator, rows(3), blueprint=TRAINED, shared=shared)
    second = await launch(operator, rows(3), blueprint=TRAINED, shared=shared, task_name="another")
    async with crowd_of(first.url) as worker, crowd_of(second.url) as again:
        details = await worker("ann").register()
        assert (details["status"], details["init_task_data"]) == ("onboarding", {"question": "?"})
        assert (await introduce(worker("ann"), {"ok": True}))["init_task_data"] == {"text": "text 0"}
        assert (await introduce(worker("bob"), {"ok": False}))["failure_code"] == "onboarding_failed"
        assert (await again("ann").register())["init_task_data"] == {"text": "text 0"}
        assert (await again("bob").register())["failure_code"] == "onboarding_failed"
    found = first.gates().set_index("worker_name")
    assert (found.loc["ann", "passed"], found.loc["bob", "passed"]) == (True, False)
    assert found.loc["bob", "answer"] == {"ok": False}


async def test_a_slow_judge_holds_up_nobody_but_whom_it_judges(operator: Operator) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def judge(data: dict[str, Any]) -> bool:
        if data["name"] == "ann":
            asked.set()
            await go_on.wait()
        return True

    run = await launch(operator, rows(3), blueprint=TRAINED, shared={"validate_onboarding": judge})
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group:
        slow = group.create_task(introduce(worker("ann"), {"name": "ann"}))
        await asked.wait()
        assert (await introduce(worker("bob"), {"name": "bob"}))["agent_id"] is not None
        assert not slow.done()
        go_on.set()
        assert (await slow)["agent_id"] is not None


async def test_a_judge_that_fails_is_told_and_asked_again(operator: Operator) -> None:
    mended = False

    def judge(data: Any) -> bool:
        return bool(data["ok"] if mended else data["misspelt"])

    run = await launch(operator, rows(2), blueprint=TRAINED, shared={"validate_onboarding": judge})
    async with crowd_of(run.url) as worker:
        details = await introduce(worker("ann"), {"ok": True})
        assert (details["failure_code"], "not your fault" in details["failure_reason"]) == ("not_judged", True)
        assert "validate_onboarding raised KeyError('misspelt')" in run.attention[0]
        assert run.events()["why"].str.contains("validate_onboarding raised KeyError").any()
        mended = True
        assert (await worker("ann").register())["init_task_data"] == {"text": "text 0"}


# -- restarts in the middle of gates ---------------------------------------------------------------------------

Make = Callable[..., Operator]


async def restart(make_operator: Make, run: TaskRun, **shared: Any) -> TaskRun:
    """Let another operator take the run up, as another kernel would."""
    return await make_operator().reconnect(run.task_run_id, SharedTaskState(**shared))


async def test_a_restart_in_the_middle_of_the_introduction(operator: Operator, make_operator: Make) -> None:
    shared = {"validate_onboarding": lambda data: data["ok"]}
    run = await launch(operator, rows(2), blueprint=TRAINED, shared=shared)
    async with crowd_of(run.url) as worker:
        before = await take(worker("ann"), "page")
        await operator.detach()
        again = await restart(make_operator, run, **shared)
        assert await take(worker("ann"), "page") == before
        assert (await worker("ann").hand_in(before, {"ok": True}))["init_task_data"] == {"text": "text 0"}
    assert again.gates()["passed"].tolist() == [True]


async def test_a_restart_between_an_answer_and_its_verdict(operator: Operator, make_operator: Make) -> None:
    asked = asyncio.Event()

    async def never(data: Any) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    run = await launch(operator, rows(2), blueprint=TRAINED, shared={"validate_onboarding": never})
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group:
        waiting = group.create_task(introduce(worker("ann"), {"ok": False}))
        await asked.wait()
        await operator.detach()
        again = await restart(make_operator, run, validate_onboarding=lambda data: data["ok"])
        assert (await waiting)["failure_code"] == "onboarding_failed"
    assert again.gates()["passed"].tolist() == [False]
    assert again.events()["why"].str.startswith("onboarding:").sum() == 1


async def test_a_restart_while_a_page_waits_for_the_verdict_on_gold(operator: Operator, make_operator: Make) -> None:
    asked = asyncio.Event()

    async def never(answer: Any, row: Any) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    run = await launch_as(operator, "mock", {"use_golds": True}, golds=GOLDS, judge_gold=never)
    async with crowd_of(run.url) as worker, asyncio.TaskGroup() as group:
        agent_id = await take(worker("ann"))
        await worker("ann").submit(agent_id, {"label": "?"})
        await asked.wait()
        waiting = group.create_task(worker("ann").register("next page"))
        await parts_of(run).engine.wait_until(lambda state: bool(state.gates.held))
        await operator.detach()
        again = await restart(make_operator, run, golds=GOLDS, judge_gold=lambda answer, row: True)
        assert (await waiting)["init_task_data"] == {"text": "text 0"}
    assert again.gates()["passed"].tolist() == [True]


async def test_gates_that_data_has_opened_stay_after_a_restart_without_it(
    operator: Operator, make_operator: Make
) -> None:
    run = await launch_as(operator, "mock", {}, golds=GOLDS, gold_answer="label")
    await operator.detach()
    again = await restart(make_operator, run)
    async with crowd_of(run.url) as worker:
        details = await worker("ann").register()
    assert (details["agent_id"], details["failure_code"]) == (None, "trouble")
    assert "SharedTaskState" in again.attention[0]


# -- checks of the work ----------------------------------------------------------------------------------------


async def test_right_answers_reach_no_page_and_are_held_against_what_comes(operator: Operator) -> None:
    data = [{"text": f"text {n}", "colour": "red"} for n in range(3)]
    gates = {"attention_checks": {"see": "colour"}, "after_failed_check": "repeat", "max_failed_checks": 0}
    run = await launch(operator, data, blueprint=gates)
    async with crowd_of(run.url) as worker:
        details = await worker("ann").register()
        assert details["init_task_data"] == {"text": "text 0"}
        await worker("ann").submit(details["agent_id"], {"see": "blue"})
        assert (await worker("ann").register())["failure_code"] == "checks_failed"
    await simulate_workers(run.url, lambda row: {"see": "Red"}, num_workers=1)
    await run.completed()
    results = run.results()
    assert results["status"].tolist() == ["soft_rejected", "completed", "completed", "completed"]
    assert run.gates()["passed"].tolist() == [False, True, True, True]
    assert results["input.colour"].tolist() == ["red"] * 4


async def test_who_is_faster_than_anybody_can_be_is_marked(operator: Operator) -> None:
    run = await launch(operator, rows(1), blueprint={"minimum_seconds": 600})
    await simulate_workers(run.url, lambda row: {}, num_workers=1)
    await run.completed()
    (found,) = run.gates().to_dict("records")
    assert (found["gate"], found["passed"], found["detail"]["minimum_seconds"]) == ("time", False, 600)
    assert run.results()["status"].tolist() == ["completed"]


async def test_worker_and_researcher_hear_that_gate_units_are_used_up(operator: Operator) -> None:
    gates = {"max_screening_units": 1}
    run = await launch_as(operator, "mock", gates, screening=GOLDS, screening_answer="label")
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
        details = await worker("bob").register()
    assert (details["failure_code"], "nothing to do with you" in details["failure_reason"]) == ("screening_full", True)
    assert run.attention == ["All 1 screening units are used up (max_screening_units), so nobody new can be looked at."]


async def test_a_database_that_fails_for_a_moment_leaves_no_page_waiting(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    golds = [{"text": "I could sing!", "mood": "glad"}]
    run = await launch(operator, rows(1), shared={"golds": golds, "gold_answer": "mood"})
    database, failures = frames_of(run).database, [DatabaseError("locked")]
    real = database.runs.read_results

    def read(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(database.runs, "read_results", read)
    async with crowd_of(run.url) as worker, asyncio.timeout(20):
        ann = worker("ann")
        await ann.submit(await take(ann, "1"), {"mood": "glad"})
        await ann.submit(await take(ann, "2"), {"mood": "glad"})
        await run.completed()
    assert list(run.gates()["passed"]) == [True]


async def test_copied_answers_are_marked_paid_for_and_done_again_by_others(operator: Operator) -> None:
    text, own = "A text of more than forty characters, all in all.", "My own words about it, which are more than forty."
    gates = {"units_per_assignment": 2, "copied_from": ["row", "others"], "after_failed_check": "repeat"}
    run = await launch(operator, [{"text": text}], blueprint={**gates, "max_failed_checks": 0, "maximum_seconds": 600})
    async with crowd_of(run.url) as worker:
        for name, words in (("ann", own), ("bob", own.upper()), ("eve", f" {text}"), ("zoe", "Short words of mine.")):
            await worker(name).submit(await take(worker(name)), {"why": words})
            await parts_of(run).engine.wait_until(lambda state: bool(state.launched) or state.is_complete)
    await run.completed()
    facts = frames_of(run).database.people.get_worker_facts(run.task_run_id, "link", ["ann", "bob", "eve", "zoe"])
    assert {name for name, known in facts.items() if "moods-failed-checks-blocked" in known.grants} == {"bob", "eve"}
    found = {row.worker_name: row.detail.get("copied") for row in run.gates().itertuples()}
    assert found == {"ann": None, "bob": {"why": "others"}, "eve": {"why": "row"}, "zoe": None}
    assert run.results().set_index("worker_name")["status"].to_dict() == {
        "ann": "completed", "bob": "soft_rejected", "eve": "soft_rejected", "zoe": "completed"
    }  # fmt: skip
    assert set(run.gates()["gate"]) == {"suspicious_answer"}
    assert run.payments.owed().set_index("worker_name")["owed"].to_dict() == {"bob": 0.1, "eve": 0.1}


# -- a gate of one's own ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class ShoutingSettings:
    """Whether capitals are refused."""

    no_shouting: bool = False


class ShoutingCheck(AnswerCheck[ShoutingSettings]):
    """Fails an answer in capitals."""

    NAME = "shouting"
    SETTINGS = ShoutingSettings

    @classmethod
    def is_open(cls, settings: ShoutingSettings, shared: SharedTaskState) -> bool:
        return settings.no_shouting

    def look(self, sent: SentAnswer) -> GateFinding | None:
        return self.found(not str(sent.fields["label"]).isupper(), {"label": sent.fields["label"]})


@pytest.fixture
def shouting() -> Iterator[None]:
    """Add a line to the table of gates."""
    GATES.append(ShoutingCheck)
    yield
    GATES.remove(ShoutingCheck)


@pytest.mark.usefixtures("shouting")
async def test_a_gate_is_a_class_and_a_line_of_the_table(operator: Operator, make_operator: Make) -> None:
    gates = {"no_shouting": True, "minimum_seconds": 0.001, "attention_checks": {"see": "see"}, "max_failed_checks": 0}
    run = await launch(operator, [{"text": f"text {n}", "see": "cat"} for n in range(3)], blueprint=gates)
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"label": "LOUD", "see": "cat"})
        await worker("bob").submit(await take(worker("bob")), {"label": "quiet", "see": "cat"})
        assert (await worker("ann").register())["failure_code"] == "checks_failed"
        await operator.detach()
        again = await restart(make_operator, run)
        assert (await worker("ann").register())["failure_code"] == "checks_failed"
        assert (await worker("bob").register())["agent_id"] is not None
    found = again.gates().set_index(["worker_name", "gate"])
    assert found["passed"].to_dict() == {
        ("ann", "attention"): True, ("ann", "shouting"): False, ("ann", "time"): True,
        ("bob", "attention"): True, ("bob", "shouting"): True, ("bob", "time"): True,
    }  # fmt: skip
    assert found.loc[("ann", "shouting"), "detail"] == {"label": "LOUD"}
    facts = frames_of(again).database.people.get_worker_facts(run.task_run_id, "link", ["ann", "bob"])
    assert [facts[name].grants.get("moods-failed-checks") for name in ("ann", "bob")] == [1, None]


@pytest.mark.usefixtures("shouting")
async def test_checks_that_are_judged_later_come_with_the_others(operator: Operator) -> None:
    shared = {"judge_attention": lambda answer, row: answer["label"] == "quiet"}
    run = await launch(operator, rows(3), blueprint={"no_shouting": True}, shared=shared)
    async with crowd_of(run.url) as worker:
        for name, label in (("ann", "quiet"), ("bob", "mumbled"), ("eve", "LOUD")):
            await worker(name).submit(await take(worker(name)), {"label": label})
    await run.completed()
    found = {(row.worker_name, row.gate): row.passed for row in run.gates().itertuples()}
    assert found == {
        ("ann", "shouting"): True, ("ann", "attention"): True,
        ("bob", "shouting"): True, ("bob", "attention"): False,
        ("eve", "shouting"): False,
    }  # fmt: skip


# -- where rows come from --------------------------------------------------------------------------------------


def drawing(rows: Iterator[dict[str, Any]]) -> Callable[..., Any]:
    """Return what finds a row among those that are drawn: the numbers that a worker has seen give the next number."""
    gate: Any = SimpleNamespace(answers=(), OTHER="screening_data_factory", NAME="screening")
    source, worker = RowSource(gate, drawn=rows), Worker("w1", "ann", "link")

    async def find(*seen: int) -> int | None:
        keys = {make_row({"n": n}, (), "a row").key for n in seen}
        row = await source.find(worker, keys)
        return None if row is None else row.row["n"]  # type: ignore[return-value]

    return find


def numbers(count: int) -> Iterator[dict[str, Any]]:
    return ({"n": n} for n in range(count))


async def test_a_row_that_one_worker_has_seen_is_kept_for_others() -> None:
    find = drawing(numbers(3))
    assert [await find(0), await find(0), await find(), await find()] == [1, 2, 0, None]


async def test_a_source_that_repeats_what_a_worker_has_seen_ends() -> None:
    find = drawing(itertools.cycle(numbers(2)))
    async with asyncio.timeout(10):
        assert [await find(0, 1), await find(0), await find(0, 1)] == [None, 1, None]


async def test_two_who_need_a_row_at_once_get_one_each() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[dict[str, Any]]:
        for row in numbers(2):
            inside.set()
            go_on.wait(20)
            yield row

    find = drawing(slow())
    both = [asyncio.create_task(find()) for _ in range(2)]
    await in_own_thread(inside.wait)
    await in_own_thread(lambda: None)  # by now the other has asked, too
    go_on.set()
    assert sorted(await asyncio.gather(*both)) == [0, 1]


def test_what_a_frame_lacks_is_null_in_a_row() -> None:
    row = make_row({"text": pd.NA, "at": pd.NaT, "n": np.int64(3)}, (), "row 1 of golds")
    assert row.row == {"text": None, "at": None, "n": 3}


async def test_a_failure_of_ours_leaves_no_answer_without_its_verdict(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("our own mistake")

    run = await launch(operator, rows(2), blueprint=TRAINED, shared={"validate_onboarding": lambda data: True})
    async with crowd_of(run.url) as worker, asyncio.timeout(20):
        with monkeypatch.context() as patch:
            patch.setattr(gates, "conclude", fail)
            assert (await introduce(worker("ann"), {}))["failure_code"] == "bad_registration"
        assert "our own mistake" in "".join(run.attention)
        assert (await worker("ann").register())["init_task_data"] == {"text": "text 0"}
