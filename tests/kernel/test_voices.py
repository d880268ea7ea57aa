"""What a worker says is heard under the server's name and id, and never as the word of the task or of another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mephisto_nb.frames.frames import choose_sayings
from mephisto_nb.kernel.talk.agents import Seat
from mephisto_nb.kernel.talk.voices import Voices, without_mark
from mephisto_nb.utils.proofs import Secret

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
