"""A whole run of a crowd that comes by addresses: from the address in its form to answers that say who gave them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import ConfigError, MephistoError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.providers.external import make_link_names
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import parts_of
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.conftest import operator as real_operator
from tests.kernel.runs import ABOUT, crowd_of, rows, take
from tests.providers.crowds import GIVEN

__all__ = ["data_dir", "make_operator", "real_operator"]

PROLIFIC = {"preset": "prolific_by_link", "details": {"completion_code": "C1A2B3C4"}}


async def launch(operator: Operator, units: int = 2, **provider_args: Any) -> TaskRun:
    task = {**ABOUT, "task_reward": 0.1}
    config = compose("mock", provider="external", provider_args=provider_args, task=task)
    return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(units)))


async def test_people_come_by_their_ids_and_the_run_fills(real_operator: Operator) -> None:
    run = await launch(real_operator, **PROLIFIC)
    assert run.get_worker_url() == f"{run.url.rstrip('/')}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID=" + (
        "{{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    )
    report = await simulate_workers(run, lambda data: data, num_workers=2, name="p")
    await run.completed()
    assert (len(report.submitted), report.errors) == (2, [])
    assert sorted(run.results()["worker_name"]) == ["p-000", "p-001"]


async def test_one_id_finds_its_agent_from_any_device(real_operator: Operator) -> None:
    run = await launch(real_operator, **PROLIFIC)
    async with crowd_of(run) as worker, crowd_of(run) as elsewhere:
        assert await take(worker("p1")) == await take(elsewhere("p1"))
        assert await take(worker("p2")) != await take(worker("p1"))


async def test_who_opens_the_link_by_hand_is_nobody(real_operator: Operator) -> None:
    run = await launch(real_operator, **PROLIFIC)
    async with crowd_of(run.url) as stranger:
        researcher = stranger("researcher")
        researcher.link = run.get_worker_url()
        told = await researcher.register()
    assert told["agent_id"] is None
    assert "opened this link by hand" in told["failure_reason"]
    assert run.agents().empty


async def test_a_list_of_links_is_a_frame_to_hand_out(real_operator: Operator) -> None:
    run = await launch(real_operator, preset="link_list")
    links = run.get_worker_urls(make_link_names(2))
    assert links["worker_name"].tolist() == ["P-001", "P-002"]
    with pytest.raises(ConfigError, match="a link of their own"):
        run.get_worker_url()
    async with crowd_of(run) as worker, crowd_of(run.url) as stranger:
        await take(worker("P-001"))
        false = stranger("P-002")
        false.link = run.get_worker_url("P-001").replace("P-001", "P-002")
        assert (await false.register())["agent_id"] is None


async def test_a_secret_is_in_nothing_that_is_kept(
    real_operator: Operator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEPHISTO_SECRET_SONA", "c0ffee4711c0ffee")
    args = GIVEN["sona"]
    run = await launch(real_operator, preset="sona", details=args.details, secrets=args.secrets)
    async with crowd_of(run) as worker:
        await take(worker("4711"))
    assert parts_of(run).provider.exits is not None
    await real_operator.detach()
    kept = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert b"credit_token" in kept
    assert b"c0ffee4711c0ffee" not in kept


async def test_a_run_is_not_taken_up_without_its_secret(
    real_operator: Operator, make_operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEPHISTO_SECRET_SONA", "c0ffee")
    args = GIVEN["sona"]
    run = await launch(real_operator, preset="sona", details=args.details, secrets=args.secrets)
    await real_operator.detach()
    monkeypatch.delenv("MEPHISTO_SECRET_SONA")
    with pytest.raises(MephistoError, match=r"there is none under 'sona'"):
        await make_operator().reconnect(run.task_run_id)
    monkeypatch.setenv("MEPHISTO_SECRET_SONA", "c0ffee")
    again = await make_operator().reconnect(run.task_run_id)
    async with crowd_of(again) as worker:
        await take(worker("4711"))


async def test_without_its_secret_nothing_is_launched_or_written(real_operator: Operator, data_dir: Path) -> None:
    args = GIVEN["sona"]
    with pytest.raises(ConfigError, match=r"mephisto.provider.secrets.credit_token names a secret"):
        await launch(real_operator, preset="sona", details=args.details, secrets=args.secrets)
    await real_operator.shutdown()
    with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as db:
        assert db.execute("SELECT count(*) FROM task_runs").fetchone() == (0,)
