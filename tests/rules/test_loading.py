"""A run that is read again, whatever the clocks said meanwhile."""

from __future__ import annotations

import pytest

from mephisto_nb.model.records import RunSnapshot, TaskRun
from mephisto_nb.rules.run_state import state_from_snapshot
from tests.rules.rehearsal import Rehearsal

RUN = TaskRun("run", "task", "name", "requester", "mock", "local", "mock", {}, [], 0.0, 0.0)


@pytest.mark.parametrize("put_right_by", [-3600.0, 0.0, 3600.0])
@pytest.mark.parametrize("late_answer", [False, True])
def test_a_page_finds_its_active_agent_though_the_clock_went_back(put_right_by: float, late_answer: bool) -> None:
    run = Rehearsal(1, 1)
    run.now = 7200.0
    before = run.take("ann", "page")
    run.leave(before)
    run.now += put_right_by
    now = run.take("ann", "page")
    if late_answer:
        run.submit(before)
    state = run.state
    snapshot = RunSnapshot(
        RUN, list(state.assignments.values()), run.units, list(state.agents.values()), state.last_seq, state.last_n, []
    )
    again = state_from_snapshot(snapshot, state.rules)
    assert again.by_registration == {(now.worker_id, "page"): now.agent_id}
