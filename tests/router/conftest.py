import aiohttp
import pytest

from tests.router.harness import Browser, RouterProcess, shake_hands, write_config


def stop(started):
    for router in started:
        if router.process.returncode is None:
            router.kill()


@pytest.fixture
def start_router(tmp_path):
    """Start routers on `tmp_path`; the settings are those of ``router_config.json``."""
    started = []

    def start(**settings):
        write_config(tmp_path, **settings)
        started.append(RouterProcess(tmp_path))
        return started[-1]

    yield start
    stop(started)


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    """One router for all tests that leave it as it was; each makes agents of its own."""
    directory = tmp_path_factory.mktemp("router")
    limits = {"json_body": 100_000, "small_body": 20_000, "upload_body": 300_000, "socket_message": 50_000}
    write_config(
        directory,
        operator_absence_in_seconds=3600,  # other tests may come in between
        task_config={"task_title": "é"},
        content_security_policy="default-src 'self'",
        frame_ancestors=["https://www.mturk.com"],
        limits={**limits, "files": 3, "errors_per_second": 1000},
    )
    router = RouterProcess(directory)
    yield router
    stop([router])


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
