"""What task code hears and says: once, in order, and again after a restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mephisto_nb.errors import ReplayError
from mephisto_nb.kernel.talk.talk import Entry, Heard, Talk


def turns(*told: tuple[str, str, dict[str, Any]]) -> list[Entry]:
    return [Entry(order, agent_id, sender, data) for order, (agent_id, sender, data) in enumerate(told)]


def said(agent_id: str, text: str) -> Heard:
    return Heard(agent_id, "worker", {"text": text})


async def test_waiting_for_one_hears_that_one_and_for_all_hears_the_first() -> None:
    talk = Talk()
    for heard in (said("a", "1"), said("b", "2"), said("a", "3")):
        talk.put(heard)
    assert [(await talk.get(wanted)).data["text"] for wanted in ("b", None, None)] == ["2", "1", "3"]


async def test_who_stops_waiting_loses_nothing() -> None:
    talk = Talk()
    waiting = asyncio.create_task(talk.get("a"))
    await asyncio.sleep(0)
    talk.put(said("a", "1"))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await talk.get("a")).data["text"] == "1"


async def test_what_was_heard_before_a_restart_is_heard_again_in_its_order() -> None:
    talk = Talk()
    talk.remember(turns(("a", "worker", {"text": "1"}), ("b", "worker", {"text": "2"}), ("a", "left", {})))
    assert [(await talk.get(None)).kind for _ in range(3)] == ["worker", "worker", "left"]


async def test_a_time_that_was_over_is_over_again_after_as_many_messages() -> None:
    talk = Talk()
    talk.remember(
        turns(
            ("a", "worker", {"text": "1"}),
            ("a", "worker", {"text": "2"}),  # recorded before the time-out that came before it was heard
            ("a", "timeout", {"after": 1}),
        )
    )
    assert [(await talk.get("a")).kind for _ in range(3)] == ["worker", "timeout", "worker"]


async def test_a_time_that_was_over_for_all_is_not_over_for_one() -> None:
    talk = Talk()
    talk.remember(turns(("a", "timeout", {"of": "all", "number": 1}), ("a", "worker", {"text": "1"})))
    assert (await talk.get("a")).kind == "worker"
    assert (await talk.get(None)).kind == "timeout"


def test_what_was_said_before_a_restart_is_said_once() -> None:
    talk = Talk()
    talk.remember(turns(("a", "operator", {"update_id": "x", "text": "Hello"})))
    assert talk.say_again("a", {"text": "Hello"})
    assert not talk.say_again("a", {"text": "Hello"})
    assert not talk.say_again("b", {"text": "Hello"})


def test_a_replay_that_differs_is_refused_and_both_texts_are_named() -> None:
    talk = Talk()
    talk.remember(turns(("a", "operator", {"update_id": "x", "text": "Hello"})))
    with pytest.raises(ReplayError, match=r'"Good day".*"Hello"'):
        talk.say_again("a", {"text": "Good day"})


async def test_what_was_heard_ahead_of_the_record_is_heard_so_again() -> None:
    talk = Talk()
    talk.put_ahead(said("a", "1"), "a1")
    assert (await talk.get(None)).agent_id == "a"
    talk.put(said("b", "2"))
    assert talk.is_known("a", "a1")  # recorded behind what was heard later
    assert (await talk.get(None)).agent_id == "b"
    notes = talk.take_notes()
    assert (notes, talk.take_notes()) == ([{"number": 1, "of": "a"}], [])
    again = Talk()
    again.remember(
        turns(("b", "worker", {"text": "2"}), ("a", "worker", {"text": "1"}), *(("a", "heard", note) for note in notes))
    )
    assert [(await again.get(None)).data["text"] for _ in range(2)] == ["1", "2"]
    assert again.take_notes() == []


async def test_what_was_heard_in_the_order_of_the_record_needs_no_note() -> None:
    talk = Talk()
    for heard in (said("a", "1"), said("b", "2"), said("a", "3")):
        talk.put(heard)
    for wanted in ("b", None, None):
        await talk.get(wanted)
    assert talk.take_notes() == []


async def test_all_of_a_persons_messages_are_handled_before_they_have_left() -> None:
    talk = Talk()
    talk.put(said("a", "1"))
    parting = talk.heard_out("a")
    await talk.get(None)
    assert not parting.done()  # the code still hands it on
    waiting = asyncio.create_task(talk.get(None))
    await asyncio.sleep(0)
    assert parting.done()
    assert talk.heard_out("a").done()  # the code waits for something else
    waiting.cancel()
