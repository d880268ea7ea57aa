"""What goes out to the router: frames of a bounded size, and no packet that holds up those behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import DatabaseError
from mephisto_nb.kernel import sending, worker_pool
from mephisto_nb.kernel.sending import LARGEST_PACKET, next_frame, stand_in
from mephisto_nb.kernel.worker_pool import newest_turns
from mephisto_nb.model.packets import LARGEST_FRAME, MADE_ANEW, SHARED_FRAME, Packet, PacketType
from mephisto_nb.model.shared_state import find_rounded, for_browsers
from mephisto_nb.operator import Operator
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.rules.too_large import MOST_FOR_A_PAGE, TOO_LARGE, note_left_out, page_size
from mephisto_nb.run import TaskRun
from mephisto_nb.utils.json_size import json_size
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, launch
from tests.rules.rehearsal import Rehearsal

MB = 1_000_000


def packet(size: int, kind: PacketType = PacketType.AGENT_DETAILS) -> Packet:
    return Packet(kind, "r", {"request_id": "r", "data": "x" * size})


def frames(outbox: list[tuple[int, Packet]]) -> list[list[int]]:
    """Return the numbers that go out, frame by frame."""
    found: list[list[int]] = []
    while frame := next_frame(outbox, found[-1][-1] if found else 0):
        found.append([n for n, _ in frame])
    return found


def test_a_frame_ends_before_it_gets_too_large() -> None:
    sizes = [10, SHARED_FRAME // 2, SHARED_FRAME // 2, 10, 3 * SHARED_FRAME, 10, 10]
    assert frames(list(enumerate(map(packet, sizes), start=1))) == [[1, 2], [3, 4], [5], [6, 7]]


def test_many_small_packets_share_frames() -> None:
    assert [len(frame) for frame in frames(list(enumerate([packet(10)] * 450, start=1)))] == [200, 200, 50]


@pytest.mark.parametrize("kind", [PacketType.AGENT_DETAILS, PacketType.LIVE_UPDATE_TO_CLIENT])
def test_what_stands_in_for_a_packet_is_small(kind: PacketType) -> None:
    small = stand_in(packet(2 * LARGEST_FRAME, kind))
    assert len(small.to_text()) < 1000
    assert (small.packet_type, small.subject_id, small.data["request_id"]) == (kind, "r", "r")
    assert "too large" in str(small.data)


def test_what_stands_in_for_a_message_does_not_say_what_it_said() -> None:
    said = {"update_id": "u1", "id": "hello", "text": "Hello", "picture": "A" * LARGEST_FRAME}
    small = stand_in(Packet(PacketType.LIVE_UPDATE_TO_CLIENT, "a", said))
    assert small.data == {"update_id": "u1", "text": TOO_LARGE, "left_out": True}


@pytest.mark.parametrize(
    "data",
    [
        {"table": "a\t" * (LARGEST_FRAME // 3 + 1)},
        {"control": "\x00" * (LARGEST_FRAME // 6 + 1)},
        {"ids": [10**17 + n for n in range(250_000)]},
    ],
    ids=["tabs", "control characters", "numbers that are told apart"],
)
def test_what_grows_as_it_is_sent_is_too_large(data: Any) -> None:
    sent = {"init_task_data": for_browsers(data), "whole_numbers": find_rounded(data)}
    assert len(json.dumps(sent, separators=(",", ":"))) > MOST_FOR_A_PAGE
    assert page_size(data) is not None


def test_a_packet_is_read_as_it_was_written() -> None:
    written = packet(5)
    read = Packet.from_text(written.to_text())
    assert (read, read.to_text()) == (written, written.to_text())
    assert json.loads(written.to_text()) == written.to_dict()


@pytest.mark.parametrize("value", ["x" * 50, "é" * 50, '"\\\n' * 9, {"a": [1, None, {"b": "c"}]}, [["x"] * 9] * 9])
def test_sizes_are_those_of_the_text_or_near_them(value: Any) -> None:
    text = json.dumps(value, separators=(",", ":"))
    assert len(text) * 0.9 <= json_size(value, 10**6) <= len(text) * 2 + 60
    assert json_size(["x" * 100] * 1000, 1000) < 3000  # no more is counted than has to be


def test_of_a_long_history_the_newest_is_kept() -> None:
    turns = [Turn("worker", {"text": "x" * size}) for size in (5, 400, 400, 100)]
    assert newest_turns(turns, most=700) == turns[2:]
    assert newest_turns(turns, most=10) == []
    assert newest_turns(turns, most=5000) == turns


def test_pages_that_get_less_of_a_history_share_one_line() -> None:
    run = Rehearsal(1, 1)
    agents = [run.take(name) for name in ("ann", "bob")]
    step = run.step()
    for agent in agents:
        note_left_out(step, agent, 3)
    assert len({of for of, _ in step.failures}) == 1


async def _is_told(run: TaskRun, what: str) -> str:
    """Wait until the researcher is told of something; return it."""
    await parts_of(run).engine.wait_until(lambda _: any(what in line for line in run.attention))
    return next(line for line in run.attention if what in line)


async def test_a_unit_too_large_for_a_page_is_set_aside(operator: Operator) -> None:
    data = [{"text": "small"}, {"pic": "A" * (LARGEST_FRAME + MB)}, {"text": "small, too"}]
    run = await launch(operator, data)
    async with crowd_of(run.url) as worker:
        got = [await worker(name).register() for name in ("ann", "bob", "cem")]
    assert [details["init_task_data"] for details in got] == [data[0], data[2], None]
    told = await _is_told(run, "cannot be sent")
    assert all(what in told for what in ("row 1", "'bob'", "9.4 MB", "nobody gets it", "extra_source_dir"))
    assert run.units().status.to_list() == ["assigned", "expired", "assigned"]
    assert got[2]["failure_reason"]


async def test_a_unit_that_just_fits_reaches_its_page(operator: Operator) -> None:
    data = [{"pic": "A" * (MOST_FOR_A_PAGE - 100)}]
    run = await launch(operator, data)
    async with crowd_of(run.url) as worker:
        assert (await worker("ann").register())["init_task_data"] == data[0]
    assert run.attention == []


async def test_an_effect_too_large_to_send_lets_others_pass(operator: Operator) -> None:
    run = await launch(operator, [{"text": "a"}])
    engine = parts_of(run).engine
    async with crowd_of(run.url) as worker:
        agent_id = (await worker("ann").register())["agent_id"]
        said = {"update_id": "u1", "picture": "A" * LARGEST_PACKET}
        await engine.do(lambda step: step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, said))
        told = await _is_told(run, "was not sent")
        assert "'ann'" in told
        assert "8.4 MB" in told
        assert (await worker("bob").register())["failure_reason"]  # served, though there is no unit left
    await parts_of(run).link.settle(10.0)
    assert not engine.outbox


async def test_many_large_rows_at_once_reach_their_pages(make_operator: Callable[..., Operator]) -> None:
    data = [{"pic": f"{n:03d}" + "A" * MB} for n in range(24)]
    run = await launch(make_operator(), data)
    engine = parts_of(run).engine
    async with crowd_of(run.url) as worker:
        details = [(await worker(f"w{n}").register()) for n in range(24)]
    assert sorted(one["init_task_data"]["pic"][:3] for one in details) == [row["pic"][:3] for row in data]
    await parts_of(run).link.settle(10.0)
    assert not engine.outbox


@pytest.mark.parametrize("gate", ["onboarding_qualification", None])
async def test_a_unit_too_large_after_a_gate_is_set_aside(operator: Operator, gate: str | None) -> None:
    data = [{"pic": "A" * (LARGEST_FRAME + MB)}, {"text": "small"}]
    shared = {"validate_onboarding": lambda answer: True} if gate else {}
    run = await launch(operator, data, blueprint={gate: "trained"} if gate else {}, shared=shared)
    async with crowd_of(run.url) as worker:
        got = await worker("ann").register()
        if gate:
            got = await worker("ann").hand_in(got["agent_id"], {"ok": 1})
    assert got["init_task_data"] == data[1]
    assert "nobody gets it" in await _is_told(run, "cannot be sent")
    assert run.units().status.to_list() == ["expired", "assigned"]


async def test_a_gold_row_too_large_for_a_page_is_told(operator: Operator) -> None:
    golds = [{"pic": "A" * (LARGEST_FRAME + MB), "label": "cat"}, {"pic": "small", "label": "dog"}]
    shared = {"golds": golds, "gold_answer": "label"}
    run = await launch(operator, [{"text": "a"}], blueprint={"min_golds": 1}, shared=shared)
    async with crowd_of(run.url) as worker:
        got = [await worker("ann").register() for _ in range(2)]
    assert "nobody gets it" in await _is_told(run, "cannot be sent")
    assert (got[0]["failure_reason"], got[1]["init_task_data"]) == (TOO_LARGE, {"pic": "small"})


async def test_what_was_not_seen_to_be_too_large_gives_its_unit_back(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "page_size", lambda data: None)
    run = await launch(operator, [{"pic": "A" * (LARGEST_FRAME + MB)}])
    async with crowd_of(run.url) as worker:
        assert (await worker("ann").register())["failure_reason"] == TOO_LARGE
    assert "nobody gets it" in await _is_told(run, "cannot be sent")
    assert run.units().status.to_list() == ["expired"]


async def _ask_anew(run: TaskRun, agent_id: str) -> None:
    """Send an answer whose work was left out, as a kernel that takes a run up again does."""
    data = {"request_id": "r", "agent_id": agent_id, MADE_ANEW: agent_id}
    await parts_of(run).engine.do(lambda step: step.send(PacketType.AGENT_DETAILS, "r", data))


async def test_what_cannot_be_read_now_is_told_and_sent_later(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FIRST", 0.01)
    run = await launch(operator, [{"text": "a"}, {"text": "b"}])
    link, is_told, reads = parts_of(run).link, asyncio.Event(), parts_of(run).database.runs
    link.listeners.append(lambda: is_told.set() if "cannot be read" in str(run.attention) else None)

    def fail(assignments: Any) -> None:
        raise DatabaseError("disk I/O error")

    async with crowd_of(run.url) as worker:
        ann = (await worker("ann").register())["agent_id"]
        with monkeypatch.context() as disk:
            disk.setattr(reads, "fetch_data", fail)
            await _ask_anew(run, ann)
            await is_told.wait()
            await link.catch_up()  # the link itself goes on meanwhile
        assert (await worker("bob").register())["agent_id"]
    await link.settle(10.0)
    assert run.attention == []


async def test_a_row_that_is_lost_for_good_lets_others_pass(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FIRST", 0.01)
    monkeypatch.setattr(sending, "_LOST_AFTER", 0.02)
    run = await launch(operator, [{"text": "a"}, {"text": "b"}])
    reads = parts_of(run).database.runs

    def fail(assignments: Any) -> None:
        raise DatabaseError("database disk image is malformed")

    async with crowd_of(run.url) as worker:
        ann = (await worker("ann").register())["agent_id"]
        with monkeypatch.context() as disk:
            disk.setattr(reads, "fetch_data", fail)
            await _ask_anew(run, ann)
            told = await _is_told(run, "its row cannot be read, while others can")
            await parts_of(run).link.settle(10.0)
    assert "'ann'" in told
    assert run.units().status.to_list()[0] == "expired"


async def test_what_cannot_be_made_lets_others_pass(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await launch(operator, [{"text": "a"}, {"text": "b"}])
    blueprint = parts_of(run).blueprint
    async with crowd_of(run.url) as worker:
        ann = (await worker("ann").register())["agent_id"]
        with monkeypatch.context() as code:
            code.setattr(blueprint, "get_page_data", lambda data: {"score": float("nan")})
            await _ask_anew(run, ann)
            assert "'ann'" in await _is_told(run, "could not be made")
            assert run.units().status.to_list()[0] == "expired"  # and ann is not held by it
        assert (await worker("bob").register())["agent_id"]
    await parts_of(run).link.settle(10.0)


async def test_a_sender_that_fails_ends_its_channel_at_once(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await launch(operator, [{"text": "a"}])
    send, calls = WebSocketChannel.send_effects, []

    async def fail_once(channel: WebSocketChannel, effects: Any) -> None:
        calls.append(effects)
        if len(calls) == 1:
            raise TypeError("a plugin's mistake")
        await send(channel, effects)

    monkeypatch.setattr(WebSocketChannel, "send_effects", fail_once)
    async with crowd_of(run.url) as worker:
        assert (await worker("ann").register())["agent_id"]  # by the next channel
    assert len(calls) > 1


async def test_an_introduction_too_large_is_told_once(operator: Operator) -> None:
    shared = {"onboarding_data": {"text": "A" * (LARGEST_FRAME + MB)}, "validate_onboarding": lambda data: True}
    run = await launch(operator, [{"text": "a"}], blueprint={"onboarding_qualification": "q"}, shared=shared)
    async with crowd_of(run.url) as worker:
        got = [await worker(name).register() for name in ("ann", "bob")]
    assert all("too large" in details["failure_reason"] for details in got)
    told = await _is_told(run, "(2 times)")
    assert "'bob' (at the introduction)" in told
    assert len(run.attention) == 1
