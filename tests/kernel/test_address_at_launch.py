"""Before a crowd hears of a run, its address is tried; where nobody could come, nothing is offered or left."""

from __future__ import annotations

from pathlib import Path

import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import LaunchError
from mephisto_nb.kernel.outside.address_check import check_address
from mephisto_nb.kernel.outside.address_report import Fitness
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.inside import parts_of
from tests.kernel.bad_proxy import BadProxy, answer
from tests.kernel.recruiting import NoisyProvider, Recruit, register_noisy
from tests.kernel.runs import launch, routers_in, rows, run_directories


@pytest.fixture
def recruit(monkeypatch: pytest.MonkeyPatch) -> Recruit:
    return register_noisy(monkeypatch)


def noted_of(run: TaskRun) -> list[str]:
    """Return what was noted, but for how fast this machine is now."""
    return [text for text in parts_of(run).tally.noted.texts() if "the speed" not in text]


async def test_a_run_that_nobody_could_reach_is_not_offered(
    recruit: Recruit, operator: Operator, data_dir: Path
) -> None:
    with pytest.raises(LaunchError, match="and they cannot") as raised:
        await recruit(operator, provider_args={"is_here": False})
    assert "known to this computer or network alone" in str(raised.value)
    assert "http://" in str(raised.value)
    assert NoisyProvider.offered == []
    assert run_directories(data_dir) == routers_in(data_dir) == operator.get_running_task_runs() == []


async def test_of_a_stand_in_the_people_are_here(recruit: Recruit, operator: Operator) -> None:
    run = await recruit(operator)
    assert NoisyProvider.offered == [run.task_run_id]
    assert noted_of(run) == []


async def test_behind_a_tunnel_that_leads_elsewhere_nothing_is_offered(recruit: Recruit, operator: Operator) -> None:
    async with BadProxy("", instead=lambda method, path: answer("502 Bad Gateway", b"<h1>")).serve() as tunnel:
        with pytest.raises(LaunchError, match="reaches no router behind it"):
            await recruit(operator, architect_args={"url": f"http://{tunnel.address}/study/"})
    assert NoisyProvider.offered == []


async def test_an_address_that_is_not_reached_from_here_is_judged_by_itself(
    recruit: Recruit, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {"url": "https://abc.trycloudflare.com", "try_url": False}
    run = await recruit(operator, provider_args={"is_here": False}, architect_args=elsewhere)
    (noted,) = noted_of(run)
    assert "a quick tunnel of Cloudflare" in noted
    with pytest.raises(LaunchError, match="http://"):
        await recruit(
            operator, provider_args={"is_here": False}, architect_args={**elsewhere, "url": "http://lab.example.org"}
        )


async def test_what_may_go_wrong_is_noted(
    recruit: Recruit, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mephisto_nb.kernel.outside.address_itself._SHARED", ("127.0.0.1",))
    run = await recruit(operator)
    (noted,) = noted_of(run)
    assert noted.startswith(f"Of {run.url}, the address: 127.0.0.1 is a name that many strangers share")
    assert NoisyProvider.offered == [run.task_run_id]


async def test_a_run_without_a_recruiter_is_not_tried(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("mephisto_nb.kernel.recruiting.recruiting.check_before_offer")
    assert (await launch(operator, rows(1))).task_run_id


@pytest.mark.parametrize("blueprint", ["mock", "static_html"])
async def test_of_a_page_of_ours_all_is_found_fine(recruit: Recruit, operator: Operator, blueprint: str) -> None:
    args = {"task_html": "<p>${text}</p><input name=mood>"} if blueprint == "static_html" else {}
    run = await recruit(operator, blueprint, blueprint_args=args)
    site = parts_of(run).directory / "site"
    report = await check_address(run.url, run_id=run.task_run_id, site=site, allow_local=True)
    assert {one.fitness for one in report.findings if one.tried != "the speed"} == {Fitness.FINE}
    assert any(one.tried.startswith("the script ") for one in report.findings) or blueprint == "mock"


async def test_a_run_can_be_tried_by_hand(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    report = await mnb.check_address(run, allow_local=True)
    assert (report.url, report.errors) == (run.url, [])
    assert run.task_run_id in str(report)
