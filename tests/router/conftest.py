import contextlib

import aiohttp
import pytest

from tests.router.harness import Browser, RouterProcess, shake_hands, write_config


@pytest.fixture
async def start_router(tmp_path):
    """Start routers on `tmp_path`; the settings are those of ``router_config.json``."""
    started = []

    async def start(**settings):
        write_config(tmp_path, **settings)
        started.append(await RouterProcess.start(tmp_path))
        return started[-1]

    yield start
    for router in started:
        if router.process.returncode is None:
            await router.kill()


@pytest.fixture
async def router(start_router):
    return await start_router()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def browser(router, session):
    return Browser(router.address, session)


@pytest.fixture
async def operator(router):
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(shake_hands(router.address))
