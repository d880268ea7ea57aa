"""What goes wrong with requests of the stand-in, when it is told to."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import aiohttp
import pytest

from mephisto_nb.errors import ClosedError, PortInUseError
from mephisto_nb.testing.prolific import Mishap, Mishaps, ProlificStandIn, StandInSettings
from mephisto_nb.testing.prolific.mishaps import Limit
from tests.prolific import Asker, draft, hand_in

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("mishap", "status"), [("too_many", 429), ("error", 500), ("bad_gateway", 502)])
async def test_a_refused_request_does_nothing(prolific: ProlificStandIn, ask: Asker, mishap: str, status: int) -> None:
    prolific.mishaps.happen(mishap, on="POST /studies/", retry_after=7)
    headers = {"Authorization": f"Token {prolific.token.reveal()}"}
    async with ask.session.post(f"{prolific.url}/api/v1/studies/", json=draft(), headers=headers) as answer:
        assert answer.status == status
        assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert prolific.world.studies == {}
    assert prolific.mishaps.happened == [(Mishap(mishap), "POST /studies/")]


async def test_a_connection_is_cut_before_or_after_the_effect(prolific: ProlificStandIn, ask: Asker) -> None:
    for mishap, studies in ((Mishap.CUT_BEFORE, 0), (Mishap.LOST_AFTER, 1)):
        prolific.mishaps.happen(mishap)
        with pytest.raises(aiohttp.ClientError):
            await ask("POST", "/studies/", draft())
        assert len(prolific.world.studies) == studies


async def test_an_answer_is_garbage_or_an_error_after_the_effect(prolific: ProlificStandIn, ask: Asker) -> None:
    prolific.mishaps.happen(Mishap.GARBAGE_AFTER)
    with pytest.raises(json.JSONDecodeError):
        await ask("POST", "/studies/", draft())
    prolific.mishaps.happen(Mishap.ERROR_AFTER)
    with pytest.raises(json.JSONDecodeError):
        await ask("POST", "/studies/", draft())
    assert len(prolific.world.studies) == 2


async def test_an_answer_that_never_comes_ends_with_the_stand_in(ask: Asker, prolific: ProlificStandIn) -> None:
    prolific.mishaps.happen(Mishap.HANG_AFTER)
    hanging = asyncio.create_task(ask("POST", "/studies/", draft()))
    while not prolific.world.studies:
        await asyncio.sleep(0)
    await prolific.stop()
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_unknown_states_and_fields_are_shown(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    prolific.mishaps.unknown_fields, prolific.mishaps.unknown_statuses = True, 1.0
    shown = (await ask("GET", f"/submissions/{one}/"))[1]
    assert (shown["status"], "field_of_2031" in shown) == ("ON HOLD", True)
    row = (await ask("GET", f"/studies/{study_id}/submissions/"))[1]["results"][0]
    assert (row["status"], "field_of_2031" in row) == ("ON HOLD", True)


def test_chance_has_a_seed_and_bursts() -> None:
    def drawn(seed: int) -> list[Mishap | None]:
        plan = Mishaps(seed, {Mishap.TOO_MANY: 0.1, Mishap.ERROR: 0.1}, burst=2)
        return [plan.of_request("GET", "/users/me/") for _ in range(200)]

    first = drawn(1)
    assert first == drawn(1) != drawn(2)
    start = first.index(Mishap.TOO_MANY)
    assert first[start : start + 3] == [Mishap.TOO_MANY] * 3
    assert {None, Mishap.TOO_MANY, Mishap.ERROR} == set(first)


def test_a_limit_lets_as_many_in_as_time_allows() -> None:
    now = [0.0]
    limit = Limit(2, lambda: now[0])
    taken = [limit.take() for _ in range(3)]
    now[0] = 0.5
    assert [*taken, limit.take(), limit.take()] == [True, True, False, True, False]
    assert all(Limit(None, lambda: 0.0).take() for _ in range(9))


async def test_a_stand_in_starts_and_stops_as_often_as_one_likes() -> None:
    prolific = ProlificStandIn()
    with pytest.raises(ClosedError):
        _ = prolific.url
    await prolific.start()
    await prolific.start()
    with pytest.raises(PortInUseError):
        await ProlificStandIn(port=int(prolific.url.rpartition(":")[2])).start()
    await prolific.stop()
    await prolific.stop()
    async with prolific:
        assert prolific.url
    assert prolific.token.reveal() not in repr(prolific)


async def test_it_runs_by_itself_and_prints_where() -> None:
    command = [sys.executable, "-m", "mephisto_nb.testing.prolific", "--token", "abc", "--currency", "USD"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[1]
    token = (await process.stdout.readline()).decode().split()[1]
    headers = {"Authorization": f"Token {token}"}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/users/me/", headers=headers) as answer:
        assert (await answer.json())["currency_code"] == "USD"
    process.terminate()
    await process.communicate()


async def test_time_goes_on_by_itself_unless_it_is_given() -> None:
    async with ProlificStandIn(StandInSettings(publishing=0.02)) as prolific, aiohttp.ClientSession() as session:
        ask = Asker(prolific, session)
        made = await ask.study()
        await ask("POST", f"/studies/{made['id']}/transition/", {"action": "PUBLISH"})
        study = prolific.world.study(made["id"])
        async with asyncio.timeout(10):
            while study.status != "ACTIVE":
                await prolific.world.change()
