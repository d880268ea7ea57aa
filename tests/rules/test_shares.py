"""One person takes a share of a run, however they come: of its open units, and of what its code hears."""

from __future__ import annotations

import json

import pytest

from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.rules.eligibility import RefusalCode
from mephisto_nb.rules.shares import CHARACTERS_AT_ONCE, MESSAGES_AT_ONCE, Hearing
from mephisto_nb.rules.submissions import SAY_AGAIN, TOO_OFTEN, hears_ahead, is_heard, tell_unheard
from tests.rules.rehearsal import Rehearsal


def held(run: Rehearsal, name: str, tries: int) -> int:
    """Return how many units somebody gets who asks so often, with a registration each."""
    return sum(isinstance(run.ask(name, f"r{number}"), Agent) for number in range(tries))


def test_one_person_holds_a_tenth_of_the_open_units() -> None:
    run = Rehearsal(*[1] * 60, part_of_open=10)
    assert held(run, "eve", 60) == 6
    assert run.refuse("eve", registration="once more").code == RefusalCode.TOO_MANY_CONCURRENT
    assert held(run, "ann", 1) == 1


def test_of_a_small_run_one_person_holds_two() -> None:
    run = Rehearsal(1, 1, 1, part_of_open=10)
    assert held(run, "ann", 3) == 2


def test_the_last_open_units_are_done_one_after_the_other() -> None:
    run = Rehearsal(*[1] * 12, part_of_open=10)
    for number in range(12):
        agent = run.take("ann", f"r{number}")
        assert run.refuse("ann", registration="another").code == RefusalCode.TOO_MANY_CONCURRENT
        run.submit(agent)


def test_what_the_researcher_allows_comes_first() -> None:
    assert held(Rehearsal(*[1] * 20, part_of_open=10, allowed_concurrent=5), "ann", 20) == 5


def test_a_flood_is_heard_in_part_and_told_of_once() -> None:
    run = Rehearsal(1, 1)
    eve, ann = run.take("eve"), run.take("ann")
    step = run.step()
    heard = [is_heard(step, eve, {"text": "no"}, step.now) for _ in range(3000)]
    assert sum(heard) == MESSAGES_AT_ONCE
    assert is_heard(step, ann, {"text": "no"}, step.now)
    told = [one for one in step.changes.packets if one.packet_type is PacketType.LIVE_UPDATE_TO_CLIENT]
    assert [(one.subject_id, one.data["text"]) for one in told] == [(eve.agent_id, TOO_OFTEN)]
    assert len(step.failures) == 1


def test_a_page_is_told_how_much_of_a_flood_nobody_heard() -> None:
    run = Rehearsal(1)
    eve = run.take("eve")
    for _ in range(1003):
        is_heard(run.step(), eve, {"text": "no"}, run.now)
    tell_unheard(run.step())
    assert not run.last.changes
    run.now += 60
    tell_unheard(run.step())
    assert [one.data["text"] for one in run.last.changes.packets] == [SAY_AGAIN.format("3 messages")]
    assert [one.detail for one in run.last.changes.events] == [{"messages": 3}]
    tell_unheard(run.step())
    assert not run.last.changes


def test_what_is_heard_ahead_is_recorded_whatever_comes_between() -> None:
    run = Rehearsal(1, 1, allowed_concurrent=2)
    eve, again = run.take("eve", "a"), run.take("eve", "b")
    ahead, late = ({"update_id": name} for name in ("ahead", "late"))
    live = PacketType.LIVE_UPDATE_TO_OPERATOR
    assert hears_ahead(run.state, Packet(live, eve.agent_id, ahead), run.now)
    flood = [is_heard(run.step(), again, {"update_id": str(number)}, run.now) for number in range(1100)]
    assert sum(flood) == MESSAGES_AT_ONCE - 1
    assert not hears_ahead(run.state, Packet(live, eve.agent_id, late), run.now)
    assert [is_heard(run.step(), eve, data, run.now) for data in (ahead, ahead, late)] == [True, False, False]


def test_messages_are_counted_by_their_length_too() -> None:
    hearing = Hearing(0.0)
    assert [hearing.hears(int(CHARACTERS_AT_ONCE), 0.0), hearing.hears(10, 0.0), hearing.hears(10, 1.0)] == [
        True,
        False,
        True,
    ]


def test_the_length_of_a_message_is_found_without_writing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Rehearsal(1)
    eve = run.take("eve")
    step, large = run.step(), {"update_id": "u", "x": [0.1234567890123456] * 50_000}
    monkeypatch.setattr(json.JSONEncoder, "encode", None)
    heard = [is_heard(step, eve, large, step.now)]
    heard += [hears_ahead(run.state, Packet(PacketType.LIVE_UPDATE_TO_OPERATOR, eve.agent_id, large), run.now)]
    before = step.state.hearing[eve.worker_id].characters
    monkeypatch.undo()
    assert heard == [True, True]
    assert 0.5 <= (CHARACTERS_AT_ONCE - before) / (2 * len(json.dumps(large))) <= 1.5


def test_a_clock_that_goes_back_gives_nobody_more() -> None:
    hearing = Hearing(1000.0)
    for _ in range(int(MESSAGES_AT_ONCE)):
        assert hearing.hears(1, 1000.0)
    assert not hearing.hears(1, 0.0)
    assert not hearing.hears(1, 1000.0)
