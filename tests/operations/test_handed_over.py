"""A launch understands what a person hands over, or says what to write."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import ConfigError
from mephisto_nb.operations.handed_over import read_handed_over
from mephisto_nb.operations.operator import Operator
from tests.operations.runs import ABOUT, mock_config, rows

TASK = {**ABOUT, "task_reward": 0.1}
FORM = {"fields": {"mood": "text"}}
PAGE = mnb.compose("static_html", task=TASK, blueprint_args={"task_html": "<p>${text}</p><input name=mood>"})


@pytest.mark.parametrize("data", [rows(2), pd.DataFrame(rows(2))], ids=["a list", "a frame"])
async def test_rows_alone_are_launched(operator: Operator, data: Any) -> None:
    run = await operator.launch_task_run(PAGE, data)
    await run.parts.engine.wait_until(lambda state: len(state.launched) > 0)
    assert run.progress == (0, 2)
    await run.force_shutdown()


async def test_a_task_is_launched_as_the_one_thing_that_it_is(operator: Operator) -> None:
    run = await operator.launch_task_run(mnb.form_task(FORM, rows(1), **TASK))
    assert run.task_name == "moods"
    await run.force_shutdown()


def test_a_conversation_is_the_one_thing_that_it_is_too() -> None:
    task = mnb.chat_task(None, rows(1), **TASK)
    assert read_handed_over(task)[1].static_task_data == rows(1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((mock_config(), 7), "shared_state is a int. Pass mephisto_nb.SharedTaskState"),
        ((mock_config(), pd.Series(["a"])), "is a Series. Pass .*or the rows alone, as a DataFrame or a list"),
        ((pd.DataFrame(rows(1)), None), "The configuration is a DataFrame. Hand over what .*compose"),
        ((None, None), "The configuration is a NoneType"),
        ((mnb.form_task(FORM, rows(1), **TASK), rows(1)), r"has its data already.* alone: launch_task_run\(task\)"),
    ],
)
async def test_anything_else_is_refused_with_what_to_write(operator: Operator, given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await operator.launch_task_run(*given)


def test_a_preview_takes_the_same() -> None:
    assert mnb.preview(PAGE, pd.DataFrame(rows(1))).row({"mood": "a"})["input.text"].tolist() == ["text 0"]
