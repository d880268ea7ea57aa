"""What would cost too much, or cannot be paid, is refused by a launch with sum and mend, and nothing is posted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import BudgetExceededError, ConfigError, ConfirmationNeededError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.testing.prolific import ProlificStandIn
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.conftest import operator as real_operator
from tests.kernel.runs import ABOUT, nothing_is_left, rows
from tests.providers.prolific.test_provider_run import crowd

__all__ = ["crowd", "data_dir", "make_operator", "real_operator"]
pytestmark = pytest.mark.slow

#: What is set, what the call says, and what is refused by whom in which words.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = {
    "over the budget of the call": (
        {},
        {"budget": "10 GBP"},
        BudgetExceededError,
        r"Launching 30 units of 'moods' comes to £21.00 with fees, but .* is £10.00, .*at most 14, or raise the budget",
    ),
    "over the budget of the month": (
        {"file": "budget: {month: 20 GBP}"},
        {},
        BudgetExceededError,
        r"comes to £21.00 with fees, but the budget of the month .* is £20.00.*at most 28, or raise .*budget.month in ",
    ),
    "over the budget by what the crowd says": (
        {"file": "budget: {month: 30 GBP}", "own": {"submission_places": 60}},
        {},
        BudgetExceededError,
        r"for £42.00 altogether, comes to £21.00 with fees, but .* £21.00 committed, so £9.00 is free. Want less, or ",
    ),
    "not confirmed": (
        {"file": "budget: {ask_above: 15 GBP}"},
        {},
        ConfirmationNeededError,
        r"may cost up to £21.00 .* above £15.00. .* launch it with confirm='£21.00', or confirm=True",
    ),
    "under the minimum": (
        {"task": {"task_reward": 0.29}},
        {},
        ConfigError,
        r"is paid £0.29 for 3 minutes, which is £5.80 an hour. Prolific's minimum is £6.00: pay £0.30 at least",
    ),
    "more than there is": (
        {"balance": 2000},
        {},
        ConfigError,
        r"It costs £21.00 with all fees, and the workspace has £20.00. Put £1.00 more in, on Prolific, or offer fewer",
    ),
    "more than there are people": (
        {"own": {"filters": {"Age": [18, 100]}}},
        {},
        ConfigError,
        r"29 people pass the filters, and 30 are wanted. Loosen mephisto.provider.filters, or want fewer people",
    ),
    "a wrong token": (
        {"token": "tok-wrong"},
        {},
        ConfigError,
        r"does not take the token of 'prolific' \(status 401\). Make a new one .* mnb.register_prolific",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_it_is_refused_before_anything_is_posted(
    real_operator: Operator, crowd: ProlificStandIn, case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given, call, error, words = CASES[case]
    crowd.participants(29)
    (tmp_path / "config.yml").write_text(given.get("file", ""))
    if "token" in given:
        monkeypatch.setenv("PROLIFIC_TOKEN", given["token"])
    crowd.books.accounts[crowd.workspace_id].total = given.get("balance", 100_000)
    task = {**ABOUT, "task_reward": 0.5, "currency": "GBP", "assignment_duration_in_seconds": 600}
    own = {"base_url": crowd.url, "estimated_minutes": 3, **given.get("own", {})}
    config = compose("mock", provider="prolific", provider_args=own, task={**task, **given.get("task", {})})
    with pytest.raises(error, match=words):
        await real_operator.launch_task_run(config, SharedTaskState(static_task_data=rows(30)), **call)
    assert (crowd.world.studies, crowd.world.groups, crowd.hooks.hooks) == ({}, {}, {})
    assert real_operator.task_runs().empty
    assert nothing_is_left(real_operator._runs.directory.parent)
