"""Routers with tight limits, and what tests of strangers share."""

import contextlib

import aiohttp
import pytest

from tests.router.harness import Browser, RouterProcess, shake_hands, write_config
from tests.security.strangers import Stranger, resident_bytes

#: So low that a test reaches each of them quickly, and high enough for all that the others do.
LIMITS = {
    "request_head": 32_768,
    "head_seconds": 1,
    "body_seconds": 1,
    "json_body": 2_000_000,
    "bodies_held": 8_000_000,
    "errors_per_second": 1000,
}
POLICY = "default-src 'self'"


@pytest.fixture
def start_router(tmp_path):
    """Start routers on `tmp_path`; the settings are those of ``router_config.json``."""
    started = []

    def start(**settings):
        write_config(tmp_path, **{"content_security_policy": POLICY, **settings})
        started.append(RouterProcess(tmp_path))
        return started[-1]

    yield start
    for router in started:
        if router.process.returncode is None:
            router.kill()


@contextlib.contextmanager
def besieged_router(directory, **environment):
    """Start a router for all tests that leave it as it was."""
    write_config(directory, content_security_policy=POLICY, operator_absence_in_seconds=3600, limits=LIMITS)
    router = RouterProcess(directory, **environment)
    yield router
    router.kill()


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    with besieged_router(tmp_path_factory.mktemp("besieged")) as router:
        yield router


@pytest.fixture(scope="session", params=["httptools", "h11"])
def either_router(request, tmp_path_factory):
    """A router on each of the two libraries that read HTTP."""
    with besieged_router(tmp_path_factory.mktemp(request.param), http=request.param) as router:
        yield router


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def browser(router, session):
    return Browser(router.address, session)


@pytest.fixture
async def operator(router):
    async with shake_hands(router.address) as operator:
        await operator.forget_the_past()
        yield operator


@pytest.fixture
async def agent(operator):
    """An agent in its task."""
    return await operator.give_agent()


@pytest.fixture
async def stranger(router):
    """A raw connection to the router."""
    async with Stranger.come(router.line["port"]) as stranger:
        yield stranger


@pytest.fixture
def grows_less_than(router):
    """Return a check that the router's memory has grown by less than so many bytes since the test began."""
    before = resident_bytes(router.process.pid)

    def check(limit):
        grown = resident_bytes(router.process.pid) - before
        assert grown < limit, f"the router grew by {grown:,} bytes"

    return check
