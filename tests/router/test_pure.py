"""What needs neither a socket nor a disk."""

import json

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.states import AgentStatus as S
from mephisto_nb.router import codec
from mephisto_nb.router.__main__ import SafeFormatter
from mephisto_nb.router.config import Limits, parse_config
from mephisto_nb.router.inbox.writes import Outgoing
from mephisto_nb.router.operator import frames
from mephisto_nb.router.operator.link import Window
from mephisto_nb.router.rules import (
    CLOSED_TEXT,
    KnownAgent,
    SubmissionResult,
    TokenBucket,
    judge_return,
    judge_submission,
    next_status,
    operator_state,
)
from mephisto_nb.router.shape import Bounds
from mephisto_nb.router.workers.hub import CONFIRMED_AFTER, Hub, WorkerSocket
from mephisto_nb.utils import proofs

CONFIG = {"run_id": "r", "token": "t" * 43}


@pytest.mark.parametrize(
    ("agent", "submission", "giving_back"),
    [
        (None, SubmissionResult.UNKNOWN, SubmissionResult.UNKNOWN),
        (KnownAgent("a", S.IN_TASK), SubmissionResult.TAKEN, SubmissionResult.TAKEN),
        (KnownAgent("a", S.IN_TASK, submitted=True), SubmissionResult.DUPLICATE, SubmissionResult.CLOSED),
        (KnownAgent("a", S.TIMEOUT, submitted=True), SubmissionResult.DUPLICATE, SubmissionResult.CLOSED),
        (KnownAgent("a", S.COMPLETED), SubmissionResult.DUPLICATE, SubmissionResult.CLOSED),
        *((KnownAgent("a", status), SubmissionResult.CLOSED, SubmissionResult.CLOSED) for status in CLOSED_TEXT),
    ],
)
def test_what_becomes_of_an_answer(agent, submission, giving_back):
    assert (judge_submission(agent), judge_return(agent)) == (submission, giving_back)


def test_word_that_is_out_of_date_does_not_reopen_an_agent():
    assert next_status(S.RETURNED, S.IN_TASK) is S.RETURNED
    assert next_status(S.RETURNED, S.COMPLETED) is S.COMPLETED
    assert next_status(None, S.ONBOARDING) is S.ONBOARDING


def test_the_operator_is_busy_when_a_message_waits():
    assert operator_state(None, connected=True) == "here"
    assert operator_state(1.9, connected=True) == "here"
    assert operator_state(2.1, connected=True) == "busy"
    assert operator_state(None, connected=False) == "away"


def test_a_bucket_allows_a_burst_and_then_a_rate():
    bucket = TokenBucket(rate=10, burst=3, now=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1), bucket.take(0.1)] == [True, False]


def test_a_window_bounds_what_is_in_flight():
    window = Window(last_seq=5, max_messages=2, max_bytes=100)
    window.sent(6, 99, now=0)
    assert window.room() == (1, 1)
    window.sent(8, 500, now=1)
    assert window.room() == (0, 0)
    assert window.waiting(now=3) == 3
    assert window.acknowledge(7) == 7
    assert window.room() == (0, 0)
    assert window.acknowledge(999) == 8
    assert (window.room(), window.waiting(now=9)) == ((2, 100), None)


def test_a_heartbeat_confirms_what_was_sent_long_enough_before():
    sent = []
    socket = WorkerSocket(sent.append, sent.append, TokenBucket(1, 1, 0))
    hub = Hub(per_agent=8, on_presence=lambda *_: None)
    hub.bind(socket, "a")
    hub.send_updates("a", [Outgoing(1, "a", "u1", "one")], now=10)
    hub.send_updates("a", [Outgoing(1, "a", "u1", "one"), Outgoing(2, "a", "u2", "two")], now=12)
    assert sent == ["one", "two"]
    assert socket.confirmed(10 + CONFIRMED_AFTER) == {1}
    assert socket.confirmed(12 + CONFIRMED_AFTER) == {2}


def test_presence_is_told_for_the_first_and_the_last_socket():
    told, sockets = [], [WorkerSocket(list, list, TokenBucket(1, 1, 0)) for _ in range(2)]
    hub = Hub(per_agent=8, on_presence=lambda *news: told.append(news))
    for socket in sockets:
        hub.bind(socket, "a")
    hub.bind(sockets[0], "a")
    assert hub.newest("a") is sockets[0]
    hub.bind(sockets[0], "b")
    assert hub.newest("a") is sockets[1]
    for socket in [*sockets, *sockets]:
        hub.unbind(socket)
    assert told == [("a", True), ("b", True), ("b", False), ("a", False)]


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "[" * 99999, "[" * 11 + "]" * 11, '{"a":' * 11 + "1" + "}" * 11])
def test_json_that_others_could_not_read_is_refused(text):
    with pytest.raises(ValueError, match="JSON"):
        codec.read(text, Bounds(depth=10))


def test_many_brackets_are_not_depth():
    assert codec.read("[" * 10 + "]" * 10, Bounds(depth=10)).value is not None
    assert len(codec.read("[" + ",".join(["[]"] * 1000) + "]", Bounds(depth=2)).value) == 1000


@pytest.mark.parametrize("value", ["plain", "é\N{CAT}", "\ud800", {"\udfff": ["\x00"]}, 10**300])
def test_all_text_can_be_written_as_utf8_and_read_again(value):
    assert json.loads(codec.dump(value).encode()) == value


def test_an_update_without_an_id_gets_one():
    raw = {"packet_type": "client_bound_live_update", "subject_id": "a", "data": {"text": "hi"}}
    effect = frames.read_effect(1, raw)
    assert effect is not None
    assert len(effect.packet.data["update_id"]) == 32


def test_the_operators_nan_becomes_null():
    text = '{"packet_type":"client_bound_live_update","subject_id":"a","data":{"update_id":"u","x":NaN}}'
    frame = frames.read_frame(f'{{"type":"effects","effects":[[1,{text}]]}}')
    assert isinstance(frame, frames.EffectsFrame)
    assert frame.effects[0].packet.data["x"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": 7},
        {"port": True},
        {"port": 70_000},
        {"disconnect_after": 0},
        {"operator_absence_in_seconds": "long"},
        {"limits": {"files": 0}},
        {"limits": {"fils": 1}},
        {"content_security_policy": "default-src 'self'\r\nX-Evil: 1"},
        {"frame_ancestors": [7]},
        {"unknown": 1},
    ],
)
def test_a_wrong_configuration_is_refused(change):
    with pytest.raises(ConfigError):
        parse_config({**CONFIG, **change})


def test_a_configuration_shows_no_token_and_takes_limits():
    config = parse_config({**CONFIG, "limits": {"files": 3}, "disconnect_after": None})
    assert config.limits == Limits(files=3)
    assert config.token not in repr(config)


def test_proofs_bind_the_side_the_run_and_the_challenge():
    made = {
        proofs.router_proof("token", "r", "c"),
        proofs.operator_proof("token", "r", "c"),
        proofs.operator_proof("token", "r", "d"),
        proofs.operator_proof("token", "s", "c"),
        proofs.operator_proof("other", "r", "c"),
    }
    assert len(made) == 5
    assert proofs.matches("abc", "abc")
    assert not any(proofs.matches("abc", wrong) for wrong in ("abd", "", "é", "\ud800", None, b"abc", 7))


def test_challenges_have_one_shape():
    assert proofs.is_challenge(proofs.new_challenge())
    assert not any(proofs.is_challenge(wrong) for wrong in ("0" * 63, "0" * 64 + "\n", "G" * 64, "٣" * 64, None))


def test_a_line_of_the_log_stays_one_line():
    import logging

    record = logging.LogRecord("x", logging.ERROR, "", 0, "%s", ("bad\n2026 ERROR forged\x1b[31m",), None)
    text = SafeFormatter("%(message)s").format(record)
    assert text == "bad\n    2026 ERROR forged\\x1b[31m"
