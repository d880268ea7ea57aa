"""Two thousand spoilt requests, and the schema that they are made from."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route, WebSocketRoute

from mephisto_nb.router.config import RouterConfig, RunFiles
from mephisto_nb.router.core import Router
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.operator.link import CurrentLink
from mephisto_nb.router.server import make_app
from tests.router.harness import RouterProcess, shake_hands, write_config
from tests.security import fuzz
from tests.security.shots import Gunner
from tests.security.strangers import resident_bytes

SCHEMA = json.loads((Path(__file__).parents[2] / "mephisto_nb" / "router" / "openapi.json").read_text())


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A router of its own, for what is written into it stays there."""
    directory = tmp_path_factory.mktemp("target")
    write_config(directory, operator_absence_in_seconds=3600, **fuzz.SETTINGS)
    router = RouterProcess(directory)
    asyncio.run(introduce(router.address, ["agent_1", "agent_2"]))
    yield router
    router.kill()


async def introduce(address, agents):
    async with shake_hands(address) as operator:
        for agent in agents:
            await operator.give_agent(agent)


@pytest.fixture
def routes(tmp_path):
    """The routes as they are: their paths and methods."""
    router = Router(
        RouterConfig("run1", "t" * 40), Store.open(tmp_path / "inbox.db", "run1"), CurrentLink(), lambda reason: None
    )
    return make_app(router, RunFiles(tmp_path)).routes


def test_the_published_schema_describes_exactly_the_routes(routes):
    described = {(path, method.upper()) for path, methods in SCHEMA["paths"].items() for method in methods}
    http = [route for route in routes if isinstance(route, Route)]
    there = {(route.path.replace(":path", ""), method) for route in http for method in route.methods - {"HEAD"}}
    assert described == there


def test_the_published_schema_names_exactly_the_sockets(routes):
    assert set(SCHEMA["x-websockets"]) == {route.path for route in routes if isinstance(route, WebSocketRoute)}
    messages = {name for socket in SCHEMA["x-websockets"].values() for name in socket["messages"]}
    assert messages <= set(SCHEMA["components"]["schemas"])


async def test_the_schema_is_published_as_it_stands(browser):
    assert await (await browser.get("/openapi.json")).json() == SCHEMA


async def volley(address, shots):
    """Fire some shots, one after the other."""
    async with shake_hands(address) as operator:
        return await fuzz.fire(address, operator, shots, guns=1)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(dice=st.randoms(use_true_random=False))
def test_what_hypothesis_comes_up_with_is_refused_in_a_clear_way(target, dice):
    gunner = Gunner(SCHEMA, ["agent_1", "agent_2"], dice)
    tally = asyncio.run(volley(target.address, [gunner.shot() for _ in range(5)]))
    assert not tally.failures


async def test_two_thousand_requests_later_the_run_goes_on(target):
    tally, growth = await fuzz.bombard(target, requests=2000, seed=20)
    assert not tally.failures
    assert tally.requests + tally.messages >= 2000
    assert growth < 32 * 1024 * 1024
    assert resident_bytes(target.process.pid) < 250 * 1024 * 1024


def test_all_that_left_no_traceback_in_the_log(target):
    """Runs last in this file."""
    assert "Traceback" not in target.log
