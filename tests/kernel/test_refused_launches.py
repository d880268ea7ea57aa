"""Whatever is wrong with a launch is told before anything is written or started."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import (
    ConfigError,
    DataFileError,
    MephistoError,
    MissingValueError,
    PortInUseError,
    SchemaVersionError,
    UnknownKeyError,
    UnknownTypeError,
)
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from tests.kernel.runs import ABOUT, mock_config, nothing_is_left

TASK = {**ABOUT, "task_reward": 0.1}


def page(**args: Any) -> Any:
    return compose("static_html", blueprint_args={"task_html": "<p>${text}</p><input name=mood>", **args}, task=TASK)


Case = tuple[Callable[[], Any], SharedTaskState | Any, type[MephistoError], str]

CASES: dict[str, Case] = {
    "one part of a conversation once more": (
        lambda: compose("chat", blueprint_args={"after_failed_check": "repeat", "minimum_seconds": 9}, task=TASK),
        SharedTaskState(),
        ConfigError,
        "after_failed_check is 'repeat', but people do an assignment together here.* Set it to 'flag'",
    ),
    "pay for waiting that cannot be exact": (
        lambda: compose("chat", blueprint_args={"when_waited": "pay", "waiting_pay": 0.0000012}, task=TASK),
        SharedTaskState(),
        ConfigError,
        "mephisto.blueprint.waiting_pay cannot be 1.2e-06: amounts of USD have at most 5 decimal places",
    ),
    "a reward that cannot be exact": (
        lambda: mock_config(task_reward=0.0000012),
        SharedTaskState(),
        ConfigError,
        "mephisto.task.task_reward cannot be 1.2e-06",
    ),
    "an unknown key": (
        lambda: {"mephisto": {"task": {**TASK, "task_rewrad": 1}, "blueprint": {"_blueprint_type": "mock"}}},
        None,
        UnknownKeyError,
        "task_rewrad.*task_reward",
    ),
    "a missing field": (
        lambda: compose("mock", task={"task_name": "moods"}),
        None,
        MissingValueError,
        "mephisto.task.task_reward.*Give each one",
    ),
    "a blueprint that is not there": (
        lambda: {"mephisto": {"task": TASK, "blueprint": {"_blueprint_type": "static_hmtl"}}},
        None,
        UnknownTypeError,
        "static_hmtl.*static_html",
    ),
    "a data file that is not there": (
        lambda: page(data_csv="/nowhere/data.csv"),
        None,
        DataFileError,
        "data_csv.*/nowhere/data.csv",
    ),
    "a template field that no row has": (
        page,
        SharedTaskState(static_task_data=[{"texts": "a"}]),
        DataFileError,
        r"\$\{text\}.*Did you mean \$\{texts\}",
    ),
    "a number that cannot be": (
        lambda: mock_config(allowed_concurrent=-1),
        None,
        ConfigError,
        "mephisto.task.allowed_concurrent is -1; it must be 0 or more",
    ),
    "a script to run at launch": (
        lambda: mock_config(post_install_script="build.sh"),
        None,
        ConfigError,
        "post_install_script is 'build.sh'.*remove the key",
    ),
    "a port that is none": (
        lambda: compose("mock", task=TASK, architect_args={"port": 70000}),
        None,
        ConfigError,
        "mephisto.architect.port is 70000",
    ),
    "another database": (
        lambda: compose("mock", task=TASK, overrides=["mephisto.database.url='sqlite:////elsewhere.db'"]),
        None,
        ConfigError,
        r"mephisto.database.url.*Operator\(database=",
    ),
    "a qualification without a value": (
        mock_config,
        SharedTaskState(qualifications=[{"qualification_name": "fluent", "comparator": "GreaterThan"}]),
        ConfigError,
        "'fluent': GreaterThan needs a whole number",
    ),
    "data in the place of the shared state": (mock_config, 7, ConfigError, "shared_state is .*SharedTaskState"),
    "a run to go on with that is not there": (
        lambda: mock_config(resume_incomplete_run=True),
        None,
        ConfigError,
        "resume_incomplete_run is true, but no ended run of 'moods'",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_it_is_refused_with_key_value_and_mend(case: Case, operator: Operator, data_dir: Path) -> None:
    config, shared_state, error, message = case
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        await operator.launch_task_run(config(), shared_state)
    assert nothing_is_left(data_dir)


async def test_a_port_of_another_program_is_refused(operator: Operator, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = compose("mock", task=TASK, architect_args={"port": port})
        with pytest.raises(PortInUseError, match=f"mephisto.architect.port is {port}.*Use another port, or 0"):
            await operator.launch_task_run(config)
    assert nothing_is_left(data_dir)


async def test_a_database_of_a_newer_version_is_left_alone(data_dir: Path) -> None:
    await Operator(data_dir=data_dir).shutdown()
    file = data_dir / "mephisto_nb.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    with pytest.raises(SchemaVersionError, match=r"schema '9999'.*Update mephisto_nb"):
        Operator(data_dir=data_dir)
    assert nothing_is_left(data_dir)


@pytest.mark.parametrize("url", ["mysql://me@here/data", "nonsense"])
def test_a_database_of_another_kind_is_refused(url: str, data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="sqlite:///FILE"):
        Operator(data_dir=data_dir, database=url)
