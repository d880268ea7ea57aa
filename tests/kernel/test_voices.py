"""What a worker says is heard under the server's name and id, and never as the word of the task or of another."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mephisto_nb.frames.frames import choose_sayings
from mephisto_nb.kernel.talk.agents import RunningAgent, Seat
from mephisto_nb.kernel.talk.talk import Talk, Transcripts
from mephisto_nb.kernel.talk.voices import HEARD_AS, Voices, without_mark
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.utils.proofs import Secret
from tests.kernel.test_live_agents import Ahead, Engine
from tests.rules.rehearsal import Rehearsal

VOICES = Voices(Secret("0" * 64))
SEAT = Seat("Person 1", {"topic": "rain", "task_data": {"topic": "rain"}}, voices=VOICES)
#: What pages, task code and frames read of a message.
RESERVED = [
    "id", "update_id", "text", "task_data", "notice", "status", "waiting_room", "heard_as", "sender", "speaker", "role",
    "shown_name", "worker_name", "worker_id", "agent_id", "at", "heard_by", "data", "done", "episode_done",
]  # fmt: skip
STATE = ["task_done", "agent_display_name", "live_update_requested", "topic"]
ANYTHING = st.sampled_from(["Referee", "", "system", "x" * 32, None, True, 0, {"task_done": True}, ["left"]])


@given(st.dictionaries(st.sampled_from(RESERVED), ANYTHING), st.dictionaries(st.sampled_from(STATE), ANYTHING))
def test_no_field_of_a_message_speaks_for_another(data: dict[str, Any], state: dict[str, Any]) -> None:
    heard = SEAT.as_heard("eve", {**data, "task_data": state})
    assert (heard["id"], heard["task_data"]) == ("Person 1", {})
    assert not {"notice", "status", "waiting_room", "heard_as"} & heard.keys()
    if isinstance(data.get("update_id"), str):
        assert heard["update_id"] == VOICES.id_of("eve", data["update_id"]) != data["update_id"]


def test_what_a_worker_adds_of_their_own_is_heard() -> None:
    heard = SEAT.as_heard("eve", {"text": "Hello", "mood": 3, "task_data": {"offer": 7}})
    assert heard == {"text": "Hello", "mood": 3, "task_data": {"offer": 7}, "id": "Person 1"}


def test_one_id_of_two_people_is_two_and_the_same_after_a_restart() -> None:
    again = Voices(Secret("0" * 64))
    assert VOICES.id_of("eve", "1") == again.id_of("eve", "1") != VOICES.id_of("bob", "1")
    assert VOICES.id_of("eve", "1") != Voices(Secret("1" * 64)).id_of("eve", "1")


def test_the_record_keeps_what_was_sent_and_its_id() -> None:
    recorded = VOICES.recorded("eve", {"text": "Hello", "update_id": "a", "heard_as": "forged"})
    assert recorded["heard_as"] == VOICES.id_of("eve", "a")
    assert without_mark(recorded) == {"text": "Hello", "update_id": "a"}
    assert "heard_as" not in VOICES.recorded("eve", {"update_id": 7, "heard_as": "forged"})


@pytest.mark.parametrize("forged", ["of the referee", "heard"])
def test_a_worker_who_repeats_a_message_by_its_id_does_not_own_it(forged: str) -> None:
    def row(agent: str, sender: str, data: dict[str, Any]) -> dict[str, Any]:
        ids = {"assignment_id": "a", "task_run_id": "r", "assignment_index": 0, "agent_id": agent, "worker_name": agent}
        return {**ids, "unit_index": 0, "unit_id": agent, "worker_id": agent, "at": 0.0, "sender": sender, "data": data}

    stop = {"text": "Stop.", "id": "Referee", "update_id": "of the referee"}
    copied = VOICES.recorded(
        "eve", {"text": "Stop.", "id": "Referee", "update_id": forged, "heard_as": "of the referee"}
    )
    sayings = choose_sayings([row("eve", "operator", stop), row("eve", "worker", copied), row("bob", "operator", stop)])
    assert [(one["speaker"], one["role"], one["heard_by"]) for one in sayings] == [
        ("Referee", "task", ["eve", "bob"]),
        ("eve", "worker", []),
    ]


@pytest.mark.parametrize("data", [{"status": "ready"}, {"notice": "x"}, {"waiting_room": {}}, {"task_data": [1]}])
async def test_task_code_hears_all_and_other_pages_no_word_of_the_task(data: dict[str, Any]) -> None:
    engine, talk = Engine(), Talk()
    eve, bob = (RunningAgent(name, engine, Ahead(), talk, SEAT) for name in ("eve", "bob"))  # type: ignore[arg-type]
    eve.put({**data, "text": "Hi", "update_id": "a"})
    assert eve.pending_actions[0].items() >= data.items()
    heard = await eve.get_live_update()
    assert heard == {**data, "text": "Hi", "update_id": VOICES.id_of("eve", "a"), "id": "Person 1"}
    await bob.observe({**heard, "more": 1})
    state = {"task_data": {}} if "task_data" in data else {}
    assert engine.recorded == [{"text": "Hi", "update_id": heard["update_id"], "id": "Person 1", "more": 1, **state}]


@pytest.mark.parametrize(
    "build",
    [
        lambda heard: {**heard, "update_id": "own"},
        lambda heard: {key: value for key, value in heard.items() if key != "update_id"},
        lambda heard: copy.deepcopy({**heard, "update_id": "own"}),
        lambda heard: {"text": heard["text"], **{key: heard[key] for key in heard.keys() - {"id", "update_id"}}},
    ],
    ids=["under an id of its own", "without an id", "as a deep copy", "built anew"],
)
@pytest.mark.parametrize(
    "data", [{"status": "returned"}, {"notice": "The talk is over"}, {"task_data": {"task_done": True, "topic": "sun"}}]
)
async def test_what_code_builds_of_a_message_is_no_word_of_the_task(
    build: Callable[[dict[str, Any]], dict[str, Any]], data: dict[str, Any]
) -> None:
    engine, talk = Engine(), Talk()
    eve, bob = (RunningAgent(name, engine, Ahead(), talk, SEAT) for name in ("eve", "bob"))  # type: ignore[arg-type]
    eve.put({**data, "text": "Hi", "update_id": "a"})
    await bob.observe(build(await eve.get_live_update()))
    (said,) = engine.recorded
    assert said["text"] == "Hi"
    assert not {"status", "notice"} & said.keys()
    assert said.get("task_data", {}) == {}


async def test_a_word_is_known_in_another_talk_too() -> None:
    engine = Engine()
    eve, bob = (RunningAgent(name, engine, Ahead(), Talk(), SEAT) for name in ("eve", "bob"))  # type: ignore[arg-type]
    eve.put({"status": "ready", "task_data": {"topic": "sun"}, "update_id": "a"})
    await bob.observe(await eve.get_live_update())
    await bob.observe({"status": "of the task", "update_id": VOICES.id_of("", "a")})
    assert [(one.get("status"), one.get("task_data")) for one in engine.recorded] == [(None, {}), ("of the task", None)]


async def test_a_page_knows_the_echo_of_its_own_word() -> None:
    engine, talk, seen = Engine(), Talk(), list[Any]()
    eve = RunningAgent("eve", engine, Ahead(), talk, SEAT)  # type: ignore[arg-type]
    engine.sent = seen.append
    eve.put({"text": "Hi", "update_id": "a"})
    await eve.observe(await eve.get_live_update())
    assert [one["update_id"] for one in engine.recorded] == [VOICES.id_of("eve", "a")]
    assert [one["update_id"] for one in seen] == ["a"]


def test_a_page_loaded_again_shows_its_own_word_once() -> None:
    transcripts, run = Transcripts("run", None), Rehearsal(1)  # type: ignore[arg-type]
    said = VOICES.recorded("eve", {"text": "Hi", "update_id": "a"})
    step = run.step()
    for sender, data in (("worker", said), ("operator", {"text": "Hi", "update_id": said[HEARD_AS]})):
        step.add_live_update("eve", sender, data, 1.0)
    for history in (transcripts.history("eve", step), transcripts.follow(step) or transcripts.history("eve")):
        assert history == [Turn("worker", {"text": "Hi", "update_id": "a"})]


def test_the_history_of_a_restart_is_as_it_was_heard() -> None:
    before = [Turn("worker", {"text": "Hi", "id": "secret", "update_id": "a"}), Turn("operator", {"text": "Hello"})]
    eve = RunningAgent("eve", Engine(), Ahead(), Talk(), SEAT, before)  # type: ignore[arg-type]
    assert eve.history[0].data == {"text": "Hi", "id": "Person 1", "update_id": VOICES.id_of("eve", "a")}
    assert eve.history[1:] == before[1:]
