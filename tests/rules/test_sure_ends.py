"""How a visit ends by an answer is foretold only where nothing can change it; what is foretold comes true."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.model.outcomes import ExitLink, Outcome
from mephisto_nb.model.packets import SEALED_EXIT
from mephisto_nb.model.records import Agent
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.model.task_run_args import PartnerRules
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.rules.arrivals import answer
from mephisto_nb.rules.steering import pause
from mephisto_nb.rules.visits import end_for_crowd, sure_end, take_back_exits
from tests.rules.gated import Gated
from tests.rules.rehearsal import Rehearsal

THREE, ONE = VisitRules(3), VisitRules()
LINK = ExitLink(Outcome.COMPLETED, "https://crowd.example/?cc=C0DE1", "C0DE1")
CHECK: dict[str, Any] = {"attention": {"catch": "x"}}


def foretold(run: Rehearsal, agent: Agent) -> tuple[Outcome, int] | None:
    end = sure_end(run.step(), agent)
    return None if end is None else (end.outcome, end.done)


def test_only_of_the_last_unit_the_end_is_foretold() -> None:
    run = Rehearsal(1, 1, 1, 1, visits=THREE)
    told = []
    for _ in range(3):
        agent = run.take("ann", "page")
        told.append(foretold(run, agent))
        run.submit(agent)
    assert told == [None, None, (Outcome.COMPLETED, 3)]
    assert foretold(run, agent) is None


def test_what_is_foretold_is_what_comes() -> None:
    run = Rehearsal(1, visits=ONE)
    agent = run.take("ann", "page")
    end = sure_end(run.step(), agent)
    assert run.state.visits.visits[agent.visit_id].outcome is None
    pause(run.step())  # whatever the researcher does meanwhile
    run.now = 1e6  # a clock is looked at after what has come in
    run.submit(agent)
    assert end == end_for_crowd(run.state, run.state.visits.visits[agent.visit_id])


def test_where_the_work_runs_out_nothing_is_foretold() -> None:
    run = Rehearsal(1, visits=THREE)
    assert foretold(run, run.take("ann", "page")) is None


def test_without_visits_nothing_is_foretold() -> None:
    run = Rehearsal(1)
    assert foretold(run, run.take("ann")) is None


@pytest.mark.parametrize(
    "gates",
    [
        CHECK,
        {**CHECK, "judges_attention": True},
        {"minimum_seconds": 10, "max_failed_checks": 0},
        {"gold": "moods", "min_golds": 1},
        {"screening": "able"},
    ],
    ids=["attention", "judged", "time", "gold", "screening"],
)
def test_a_gate_that_may_have_a_say_keeps_it_open(gates: dict[str, Any]) -> None:
    run = Gated(1, 1, 1, visits=VisitRules(2), **gates)
    held: Any = run.come("ann", "page")
    while isinstance(held, Agent):
        assert foretold(run, held) is None
        run.do(held)
        held = run.come("ann", "page")


def test_partners_keep_it_open() -> None:
    run = Rehearsal(2, visits=ONE, partners=PartnerRules())
    run.take("ben", "other")
    assert foretold(run, run.take("ann", "page")) is None


def introduced() -> tuple[Gated, Agent]:
    run = Gated(1, visits=ONE, onboarding="trained")
    run.introduce(run.come("ann", "page"))
    return run, run.come("ann", "page")


def test_an_introduction_that_was_passed_is_no_doubt() -> None:
    run, agent = introduced()
    assert foretold(run, agent) == (Outcome.COMPLETED, 1)
    run.state.gates.await_verdict(agent.worker_id, "another introduction")
    assert foretold(run, agent) is None


def sealed_in(run: Rehearsal) -> list[Any]:
    return [packet.data.get(SEALED_EXIT, "nothing") for packet in run.last.changes.packets]


def test_details_hold_it_or_take_it_back() -> None:
    run = Rehearsal(1, visits=ONE)
    agent = run.take("ann", "page")
    answer(run.step(), "r", agent, {}, LINK)
    assert sealed_in(run) == [LINK.to_dict()]
    answer(run.step(), "r", agent, {})
    assert sealed_in(run) == [None]
    other = Rehearsal(1)
    agent = other.take("ann")
    answer(other.step(), "r", agent, {})
    assert sealed_in(other) == ["nothing"]


def test_who_leaves_loses_it() -> None:
    run = Rehearsal(1, visits=ONE)
    run.leave(run.take("ann", "page"), AgentStatus.TIMEOUT)
    assert sealed_in(run) == [None]


def test_a_doubt_takes_it_back_from_all_that_is_held() -> None:
    run, agent = introduced()
    take_back_exits(run.step(), agent.worker_id)
    (packet,) = run.last.changes.packets
    assert (packet.subject_id, packet.data) == (agent.agent_id, {"status": agent.status.value, SEALED_EXIT: None})
