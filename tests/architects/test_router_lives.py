"""A router that ends again and again, or comes back elsewhere, is told; and what it is started from is kept."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from mephisto_nb.architects import listening
from mephisto_nb.architects.local import LocalArchitect, LocalArchitectArgs
from mephisto_nb.architects.router_lives import RouterLives
from mephisto_nb.errors import RouterError, RouterGoneError
from mephisto_nb.ports.architect import RouterPlan
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.utils.machine import MachineTroubles
from tests.architects.test_local import architect, directory, pid_in
from tests.kernel.runs import kill

__all__ = ["directory"]

pytestmark = pytest.mark.usefixtures("routers_by_command")

HERE, THERE = ("http://127.0.0.1:1", 1), ("http://127.0.0.1:2", 2)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def lives(clock: FakeClock) -> tuple[RouterLives, MachineTroubles, list[str]]:
    troubles, news = MachineTroubles(), list[str]()
    return RouterLives(troubles, news, clock.now), troubles, news


def test_a_router_that_ends_again_and_again_is_told_once(clock: FakeClock) -> None:
    router, troubles, news = lives(clock)
    router.note_end()
    assert troubles.all() == ()
    for _ in range(2):
        clock.advance(300.0)
        router.note_end()
    (told,) = troubles.all()
    assert "has ended 3 times since" in told.reason
    assert told.is_past
    assert news == ["the router's process had ended, and was started again"] * 3


def test_ends_that_lie_far_apart_are_no_row(clock: FakeClock) -> None:
    router, troubles, news = lives(clock)
    for _ in range(3):
        clock.advance(3600.0)
        router.note_end()
    assert troubles.all() == ()
    assert len(news) == 3


def test_another_address_is_told_until_it_is_the_first_again(clock: FakeClock) -> None:
    router, troubles, news = lives(clock)
    router.note_place(None, HERE)
    router.note_place(HERE, HERE)
    assert (troubles.all(), news) == ((), [])
    router.note_place(HERE, THERE)
    router.note_place(THERE, THERE)
    (told,) = troubles.all()
    assert f"{THERE[0]}, and no longer {HERE[0]}" in told.reason
    assert "run.get_worker_urls" in told.remedy
    assert news == ["the router came back at port 2, and was at port 1"]
    router.note_place(THERE, HERE)
    assert troubles.all() == ()


def test_a_proxy_that_leads_to_the_old_port_is_told(clock: FakeClock) -> None:
    router, troubles, _ = lives(clock)
    router.note_place(("https://lab.example/", 1), ("https://lab.example/", 2))
    (told,) = troubles.all()
    assert "at port 2" in told.reason
    assert "https://lab.example/" in told.remedy


async def test_links_that_lead_nowhere_any_more_are_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_PORT_PATIENCE", 0.0)
    url = await architect(directory).deploy(RouterPlan("run", directory))
    await kill(pid_in(directory))
    one = architect(directory)
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        assert await one.revive() != url
    (told,) = one.troubles.all()
    assert f"{one.url}, and no longer {url}" in told.reason
    assert len(one.news) == 2


async def test_a_port_that_is_free_again_soon_is_waited_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = await architect(directory).deploy(RouterPlan("run", directory))
    await kill(pid_in(directory))
    stranger = socket.create_server(("127.0.0.1", int(url.rpartition(":")[2])))
    check = listening.check_port

    def check_and_let_go(host: str, port: int) -> None:
        try:
            check(host, port)
        finally:
            stranger.close()

    monkeypatch.setattr(listening, "check_port", check_and_let_go)
    one = architect(directory)
    assert await one.revive() == url
    assert one.troubles.all() == ()


@pytest.mark.parametrize("text", [None, "{", "[]", '{"run_id": "run"}'])
async def test_what_a_router_is_started_from_is_written_again(directory: Path, text: str | None) -> None:
    one = architect(directory)
    await one.deploy(RouterPlan("run", directory))
    config = directory / "router_config.json"
    right = config.read_text()
    await kill(pid_in(directory))
    config.unlink()
    if text is not None:
        config.write_text(text)
    await one.revive()
    assert config.read_text() == right


async def test_a_lost_configuration_is_made_anew_from_the_plan(directory: Path) -> None:
    await architect(directory).deploy(RouterPlan("run", directory))
    await kill(pid_in(directory))
    (directory / "router_config.json").unlink()
    one = architect(directory)
    one.make_plan = lambda: RouterPlan("run", directory)
    await one.revive()
    channel = one.get_channel()
    await channel.connect(0)
    await channel.close()
    assert json.loads((directory / "router_config.json").read_text())["run_id"] == "run"


async def test_a_spoilt_inbox_is_told_with_its_remedy(directory: Path) -> None:
    one = architect(directory)
    await one.deploy(RouterPlan("run", directory))
    await kill(pid_in(directory))
    for inbox in directory.glob("inbox.db*"):
        inbox.write_bytes(b"x" * 5000)
    with pytest.raises(RouterGoneError, match=r"Move .*inbox.db away"):
        await one.revive()


async def test_a_directory_that_was_moved_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="moved or removed"):
        await LocalArchitect(LocalArchitectArgs(), tmp_path / "moved").revive()
    assert not (tmp_path / "moved").exists()
