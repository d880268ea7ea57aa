"""A launch understands what a person hands over, or says what to write."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.launching.launch_input import read_launch_input
from mephisto_nb.operator import Operator
from tests.inside import live_of, parts_of
from tests.kernel.runs import ABOUT, mock_config, rows

TASK = {**ABOUT, "task_reward": 0.1}
FORM = {"fields": {"mood": "text"}}
PAGE = mnb.compose("static_html", task=TASK, blueprint_args={"task_html": "<p>${text}</p><input name=mood>"})


@pytest.mark.parametrize("data", [rows(2), pd.DataFrame(rows(2))], ids=["a list", "a frame"])
async def test_rows_alone_are_launched(operator: Operator, data: Any) -> None:
    run = await operator.launch_task_run(PAGE, data)
    await parts_of(run).engine.wait_until(lambda state: len(state.launched) > 0)
    assert live_of(run).progress == (0, 2, 0)
    await run.force_shutdown()


async def test_a_task_is_launched_as_the_one_thing_that_it_is(operator: Operator) -> None:
    run = await operator.launch_task_run(mnb.form_task(FORM, rows(1), **TASK))
    assert run.task_name == "moods"
    await run.force_shutdown()


def test_a_conversation_is_the_one_thing_that_it_is_too() -> None:
    task = mnb.chat_task(None, rows(1), **TASK)
    assert read_launch_input(task)[1].static_task_data == rows(1)


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


@pytest.mark.parametrize(
    ("make", "call"),
    [
        (lambda: mnb.form_task(FORM, rows=rows(1), **TASK), r"form_task\(form, data, "),
        (lambda: mnb.chat_task(rows=rows(1), **TASK), r"chat_task\(conversation, data, "),
    ],
)
def test_rows_under_a_wrong_name_are_told_how_they_are_given(make: Any, call: str) -> None:
    with pytest.raises(ConfigError, match=rf"no key 'mephisto.task.rows'.*Rows are the second argument.*{call}"):
        make()


def test_a_blueprint_setting_among_task_settings_is_refused_with_help() -> None:
    with pytest.raises(ConfigError, match=r"In Python: blueprint_args=\{'units_per_assignment': ...\}\."):
        mnb.form_task(FORM, rows(1), units_per_assignment=2, **TASK)


def test_pay_may_have_its_sign_and_no_other() -> None:
    config = mnb.compose("static_html", task={**TASK, "task_reward": "$0.10"})
    assert config["mephisto"]["task"]["task_reward"] == 0.1
    with pytest.raises(ConfigError, match="task_reward is in GBP, but here USD is paid"):
        mnb.compose("static_html", task={**TASK, "task_reward": "£0.10"})


def test_what_is_still_missing_is_told_where_a_task_is_written_out(caplog: Any) -> None:
    mnb.compose("mock", task={"task_name": "moods", "task_reward": 0.1, "task_title": "Moods"})
    assert "still lacks mephisto.task.task_description, mephisto.task.task_tags" in caplog.text
    caplog.clear()
    mnb.compose("mock", task=TASK)
    mnb.compose("mock")
    assert not caplog.text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.Series(["a"]), r"is a Series, not rows.*series.to_frame\('text'\), or df\[\['text'\]\]"),
        ("rows.csv", r"is a str, not rows.*a file\?.*blueprint_args=\{'data_csv': 'rows.csv'\}"),
        (Path("rows.jsonl"), r"Path, not rows.*blueprint_args=\{'data_jsonl': 'rows.jsonl'\}"),
        ("Rain.", "is a str, not rows.*Hand over a list of dictionaries"),
    ],
)
def test_data_that_are_no_rows_are_told_how_to_become_some(data: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        mnb.form_task(FORM, data, **TASK)


def test_a_list_of_anything_but_choices_is_refused_with_a_remedy() -> None:
    made = dataclasses.make_dataclass("Tags", [("tags", list[str])])
    with pytest.raises(ConfigError, match=r"Tags.tags is a list\[str\], which .* list\[Literal\[...\]\]"):
        mnb.form_task(made, rows(1), **TASK)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: (PAGE, rows(1)), ["answer.mood"]),
        (
            lambda: (mnb.form_task({"fields": {"mood": "text", "why": "textarea"}}, rows(1), **TASK),),
            ["answer.mood", "answer.why"],
        ),
    ],
    ids=["a page", "a form"],
)
async def test_results_have_their_columns_before_there_are_answers(operator: Operator, make: Any, names: Any) -> None:
    run = await operator.launch_task_run(*make())
    results = run.results()
    assert results.empty
    assert [name for name in results if name.startswith("answer.")][: len(names)] == names
    assert operator.get_task_run(run.task_run_id).results()[names[0]].tolist() == []
    await run.force_shutdown()


@pytest.mark.parametrize("make", [lambda **kept: mnb.form_task(FORM, **kept), lambda **kept: mnb.chat_task(**kept)])
def test_settings_of_gates_may_be_given_to_a_task(make: Any) -> None:
    task = make(data=rows(1), blueprint_args={"minimum_seconds": 3.0}, **TASK)
    assert task._blueprint.args.minimum_seconds == 3.0
    assert task.config.mephisto.blueprint.minimum_seconds == 3.0


def test_a_task_is_shown_as_its_overrides_say() -> None:
    task = mnb.chat_task(data=rows(1), overrides=["mephisto.blueprint.units_per_assignment=3"], **TASK)
    assert "conversations of 3 people" in repr(task)
