"""What a crowd posts to a run's address for events reaches those who can read it, and is stored nowhere."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mephisto_nb.kernel import client_io_handler
from mephisto_nb.kernel.outside.crowd_events import CrowdEvents
from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.money import Money
from mephisto_nb.model.packets import SYSTEM_SUBJECT, Packet, PacketType, Received
from mephisto_nb.operator import Operator
from mephisto_nb.ports.architect import RouterPlan
from mephisto_nb.run import TaskRun
from mephisto_nb.utils.proofs import crowd_events_key, link_key
from tests.inside import live_of, parts_of
from tests.kernel.recruiting import Recruit, register_noisy
from tests.kernel.runs import crowd_of, kill, launch, router_pid, rows, take


class Ears:
    """A listener that notes what it hears, and may be waited for."""

    def __init__(self, run: TaskRun) -> None:
        self.heard: list[tuple[Mapping[str, str], bytes]] = []
        self.sequence = list[int]()
        self._run, self._news = run, asyncio.Event()
        parts_of(run).link.crowd_events.listeners.append(self)

    def __call__(self, at: float, headers: Mapping[str, str], body: bytes) -> None:
        assert at > 1e9
        self.heard.append((headers, body))
        self.sequence.append(parts_of(self._run).engine.committed_seq)
        self._news.set()

    async def bodies(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return [body for _, body in self.heard]


@pytest.fixture
def noisy(monkeypatch: pytest.MonkeyPatch) -> Recruit:
    """Launch a run of the crowd that tells what happens."""
    return register_noisy(monkeypatch)


async def post(url: str, body: bytes, **headers: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_an_event_reaches_who_listens_as_it_was_posted(noisy: Recruit, operator: Operator) -> None:
    run = await noisy(operator)
    ears, url = Ears(run), parts_of(run).events_url
    assert url.startswith(f"{run.url}/crowd_events/")
    assert await post(url, b"\xff\0{}", **{"X-Signature": "s1g"}) == 200
    assert await ears.bodies(1) == [b"\xff\0{}"]
    assert ears.heard[0][0]["x-signature"] == "s1g"
    await parts_of(run).link.catch_up()
    assert parts_of(run).database.runs.load_run(run.task_run_id).last_seq == ears.sequence[0]
    assert "s1g" not in run.events().to_string()


async def test_a_listener_that_raises_harms_nothing(
    noisy: Recruit, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("not signed")

    run = await noisy(operator)
    parts_of(run).link.crowd_events.listeners.append(fail)
    ears, url = Ears(run), parts_of(run).events_url
    with caplog.at_level(logging.CRITICAL, "mephisto_nb.utils.logging"):
        assert [await post(url, body) for body in (b"1", b"2")] == [200, 200]
        assert await ears.bodies(2) == [b"1", b"2"]
    async with crowd_of(run) as worker:
        await take(worker("ann"))
    assert live_of(run).failure is None


async def test_what_came_while_no_kernel_lived_is_heard_by_the_next(
    noisy: Recruit, make_operator: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_ears() -> CrowdEvents:  # whoever listens does so before the link is there
        events = CrowdEvents()
        events.listeners.append(lambda at, headers, body: heard.set_result(body))
        return events

    heard = asyncio.get_running_loop().create_future()
    first = make_operator()
    run = await noisy(first)
    url = parts_of(run).events_url
    await first.detach()
    assert await post(url, b"meanwhile") == 200
    monkeypatch.setattr(client_io_handler, "CrowdEvents", with_ears)
    again = await make_operator().reconnect(run.task_run_id)
    assert await asyncio.wait_for(heard, 10) == b"meanwhile"
    assert parts_of(again).events_url == url


async def test_the_address_is_the_same_after_the_death_of_the_router(noisy: Recruit, operator: Operator) -> None:
    run = await noisy(operator)
    ears, url, config = Ears(run), parts_of(run).events_url, parts_of(run).directory / "router_config.json"
    config.unlink()
    await kill(router_pid(run))
    await parts_of(run).link.catch_up()
    assert json.loads(config.read_text())["crowd_events_key"] == url.rpartition("/")[2]
    assert await post(url, b"after") == 200
    assert await ears.bodies(1) == [b"after"]


async def test_a_crowd_that_recruits_nobody_has_no_address(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    assert parts_of(run).events_url == ""
    assert await post(f"{run.url}/crowd_events/" + "x" * 22, b"{}") == 404


async def test_the_key_is_in_no_record_and_no_log(
    noisy: Recruit, operator: Operator, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run = await noisy(operator)
    parts = parts_of(run)
    key = parts.events_url.rpartition("/")[2]
    assert await post(parts.events_url, b"{}") == 200
    await parts.link.catch_up()
    assert key not in caplog.text + repr(parts.make_router_plan()) + repr(parts)
    names = {path.name for path in data_dir.rglob("*") if path.is_file() and key.encode() in path.read_bytes()}
    assert names == {"router_config.json"}


def test_the_key_is_of_its_own_and_shows_in_no_offer() -> None:
    key = crowd_events_key("s" * 64)
    assert len(key) == 22
    assert key not in (link_key("s" * 64, "crowd events"), link_key("s" * 64, ""), crowd_events_key("t" * 64))
    url = RouterPlan("run", Path("run"), crowd_events_key=key).get_events_url("https://lab.example/study/")
    assert url == f"https://lab.example/study/crowd_events/{key}"
    assert key not in repr(
        Offer("run", "t", "d", "https://lab.example", Money.of("1.00", "GBP"), 1, 60.0, events_url=url)
    )


def received(seq: int, data: dict[str, Any]) -> Received:
    return Received(seq, 5.0, Packet(PacketType.CROWD_EVENT, SYSTEM_SUBJECT, data))


def test_nothing_is_handed_on_before_it_is_committed() -> None:
    events, heard = CrowdEvents(), list[tuple[Any, ...]]()
    events.listeners.append(lambda *told: heard.append(told))
    for seq in (3, 2, 3):  # a step that failed is decided once more
        events.take(received(seq, {"headers": {}, "body": base64.b64encode(b"%d" % seq).decode()}))
    events.hand_on(1)
    assert heard == []
    events.hand_on(2)
    events.hand_on(3)
    events.hand_on(3)
    assert heard == [(5.0, {}, b"2"), (5.0, {}, b"3")]


def test_what_is_no_event_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    events, heard = CrowdEvents(), list[tuple[Any, ...]]()
    events.listeners.append(lambda *told: heard.append(told))
    for seq, data in enumerate([{}, {"headers": [], "body": ""}, {"headers": {}, "body": "?"}, {"headers": {}}]):
        events.take(received(seq, data))
    events.hand_on(9)
    assert heard == []
