"""What the client does when Prolific is busy, fails, or is cut off: what it asks again, and what it never does."""

from __future__ import annotations

import asyncio
import logging
import traceback
from decimal import Decimal
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError, CrowdError, CrowdRefusedError, OutcomeUnknown, UsageError
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.transport import ApiAnswer, ApiEffect, ApiPatience, Paging, words_of
from mephisto_nb.testing.prolific import Mishap, ProlificStandIn, StandInSettings
from mephisto_nb.testing.prolific.views import submission_row
from mephisto_nb.utils.proofs import Secret
from tests.prolific import Asker, Naps, draft, hand_in

#: What may be asked again is asked again after each of these.
PASSING = [one for one in Mishap if one is not Mishap.HANG_AFTER]
DOUBTFUL = [Mishap.ERROR, Mishap.BAD_GATEWAY, Mishap.CUT_BEFORE, Mishap.ERROR_AFTER, Mishap.LOST_AFTER]


@pytest.fixture
async def hasty(prolific: ProlificStandIn, naps: Naps) -> Any:
    """A client that does not wait for an answer."""
    patience = ApiPatience(attempts=3, timeout=0.75)
    async with ProlificAPI(prolific.token, prolific.url, patience, sleep=naps, chance=lambda: 1.0) as client:
        yield client


@pytest.mark.parametrize("mishap", PASSING)
async def test_a_read_is_asked_again(api: ProlificAPI, prolific: Any, naps: Naps, mishap: Mishap) -> None:
    prolific.mishaps.happen(mishap, times=3)
    assert (await api.account.me()).currency == "GBP"
    # The HTTP library asks for what only reads once more by itself, where a connection is cut.
    assert naps.seconds == ([0.5] if mishap in (Mishap.CUT_BEFORE, Mishap.LOST_AFTER) else [0.5, 1.0, 2.0])


async def test_what_is_sent_once_is_no_method_that_is_repeated(api: ProlificAPI) -> None:
    with pytest.raises(UsageError, match="DELETE"):
        await api._transport.send("DELETE", "/studies/", effect=ApiEffect.ONCE)


@pytest.mark.slow
async def test_a_token_follows_nobody_elsewhere() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, ProlificAPI("t0ken", url) as api:
        with pytest.raises(CrowdRefusedError) as caught:
            await api.account.me()
    assert (caught.value.status, asked) == (302, [b"GET /api/v1/users/me/ HTTP/1.1\r\n"])


async def test_a_read_that_hangs_is_asked_again(hasty: ProlificAPI, prolific: ProlificStandIn, naps: Naps) -> None:
    prolific.mishaps.happen(Mishap.HANG_AFTER)
    assert (await hasty.account.me()).currency == "GBP"
    assert naps.seconds == [1.0]


async def test_a_read_is_given_up_at_last(api: ProlificAPI, prolific: ProlificStandIn, naps: Naps) -> None:
    prolific.mishaps.happen(Mishap.BAD_GATEWAY, times=4)
    with pytest.raises(CrowdError, match=r"4 times.*502 Bad Gateway") as caught:
        await api.account.me()
    assert (caught.value.status, len(naps.seconds)) == (502, 3)
    assert not isinstance(caught.value, CrowdRefusedError | OutcomeUnknown)


async def test_it_waits_as_long_as_prolific_says(api: ProlificAPI, prolific: ProlificStandIn, naps: Naps) -> None:
    prolific.mishaps.happen(Mishap.TOO_MANY, retry_after=17)
    prolific.mishaps.happen(Mishap.TOO_MANY, retry_after=86_400)
    await api.account.me()
    assert naps.seconds == [17, 300]


@pytest.mark.parametrize("mishap", PASSING)
async def test_a_decision_is_asked_again_and_paid_once(
    api: ProlificAPI, prolific: ProlificStandIn, ask: Asker, mishap: Mishap
) -> None:
    one = hand_in(prolific, await ask.publish())
    prolific.mishaps.happen(mishap, on="POST /submissions/", times=2)
    await api.submissions.approve(one)
    prolific.advance(5)
    assert (await api.submissions.get(one)).status == "APPROVED"
    assert prolific.books.paid().total == 210


@pytest.mark.parametrize("mishap", [*DOUBTFUL, Mishap.GARBAGE_AFTER])
async def test_a_draft_is_asked_for_once(api: ProlificAPI, prolific: Any, naps: Naps, mishap: Mishap) -> None:
    prolific.mishaps.happen(mishap, on="POST /studies/")
    with pytest.raises(OutcomeUnknown, match="Look at Prolific"):
        await api.studies.create(draft())
    assert (len(prolific.mishaps.happened), naps.seconds) == (1, [])


@pytest.mark.parametrize("mishap", DOUBTFUL)
async def test_a_bonus_is_never_paid_twice_on_doubt(
    api: ProlificAPI, prolific: ProlificStandIn, ask: Asker, mishap: Mishap
) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    made = await api.bonuses.set_up(study_id, [(one, 150)], currency="GBP")
    prolific.mishaps.happen(mishap, on="POST /bulk-bonus-payments/")
    with pytest.raises(OutcomeUnknown):
        await api.bonuses.pay(made.id)
    prolific.advance(100)
    was_done = mishap in (Mishap.ERROR_AFTER, Mishap.LOST_AFTER)
    assert prolific.books.paid("bonus").amount == (150 if was_done else 0)


async def test_a_payment_that_hangs_is_not_known_to_be_done(hasty: Any, prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    made = await hasty.bonuses.set_up(study_id, [(hand_in(prolific, study_id), 150)], currency="GBP")
    prolific.mishaps.happen(Mishap.HANG_AFTER, on="POST /bulk-bonus-payments/")
    with pytest.raises(OutcomeUnknown, match=r"no answer within 0.75 seconds"):
        await hasty.bonuses.pay(made.id)
    prolific.advance(100)
    assert prolific.books.paid("bonus").amount == 150


async def test_publishing_is_asked_for_once(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    made = await api.studies.create(draft())
    prolific.mishaps.happen(Mishap.LOST_AFTER, on=f"POST /studies/{made.id}/transition/")
    with pytest.raises(OutcomeUnknown):
        await api.studies.publish(made.id)
    assert (await api.studies.get(made.id)).status == "PUBLISHING"


async def test_a_pause_whose_answer_is_lost_has_happened(api: ProlificAPI, prolific: Any, ask: Asker) -> None:
    study_id = await ask.publish()
    prolific.mishaps.happen(Mishap.LOST_AFTER, on=f"POST /studies/{study_id}/transition/")
    assert (await api.studies.pause(study_id)).status == "PAUSED"


@pytest.mark.parametrize("mishap", [Mishap.LOST_AFTER, Mishap.HANG_AFTER, Mishap.ERROR_AFTER])
async def test_a_message_is_sent_once(hasty: Any, prolific: ProlificStandIn, ask: Asker, mishap: Mishap) -> None:
    study_id = await ask.publish()
    one = prolific.world.submission(hand_in(prolific, study_id)).participant_id
    prolific.mishaps.happen(mishap, on="POST /messages/")
    with pytest.raises(OutcomeUnknown):
        await hasty.messages.send(one, "Thank you", study_id)
    assert len(prolific.world.messages) == 1


async def test_what_is_refused_was_surely_not_done(api: ProlificAPI, prolific: ProlificStandIn, naps: Naps) -> None:
    with pytest.raises(CrowdRefusedError, match=r"reward: .*below the minimum.*Nothing was done") as caught:
        await api.studies.create(draft(reward=1))
    assert caught.value.status == 400
    assert (prolific.world.studies, naps.seconds) == ({}, [])


async def test_what_was_not_done_is_asked_for_later(api: ProlificAPI, prolific: ProlificStandIn, naps: Naps) -> None:
    prolific.mishaps.happen(Mishap.TOO_MANY, on="POST /studies/", times=4, retry_after=9)
    with pytest.raises(CrowdRefusedError, match="Nothing was done"):
        await api.studies.create(draft())
    assert (prolific.world.studies, naps.seconds) == ({}, [9] * 3)
    prolific.mishaps.happen(Mishap.TOO_MANY, on="POST /studies/", retry_after=9)
    made = await api.studies.create(draft())
    assert list(prolific.world.studies) == [made.id]


async def test_a_bonus_does_not_wait(api: ProlificAPI, prolific: ProlificStandIn, naps: Naps, ask: Asker) -> None:
    """Nobody else may take it for one in doubt meanwhile: it is owed again, and asked for later."""
    study_id = await ask.publish()
    made = await api.bonuses.set_up(study_id, [(hand_in(prolific, study_id), 150)], currency="GBP")
    naps.seconds.clear()
    prolific.mishaps.happen(Mishap.TOO_MANY, on="POST /bulk-bonus-payments/")
    with pytest.raises(CrowdRefusedError, match="Nothing was done"):
        await api.bonuses.pay(made.id)
    assert naps.seconds == []


async def test_a_server_that_is_not_there_was_asked_for_nothing(prolific: ProlificStandIn, naps: Naps) -> None:
    url = prolific.url
    await prolific.stop()
    async with ProlificAPI(Secret("tok-gone"), url, ApiPatience(attempts=2), sleep=naps) as api:
        with pytest.raises(CrowdError, match="no connection") as caught:
            await api.bonuses.pay("a" * 24)
        assert not isinstance(caught.value, OutcomeUnknown)
        with pytest.raises(CrowdError, match=r"2 times.*no connection"):
            await api.account.me()


async def test_a_wrong_token_is_told_and_never_shown(prolific: ProlificStandIn, caplog: Any) -> None:
    token = Secret("tok-5d41402abc4b2a76b9719d911017c592")
    caplog.set_level(logging.DEBUG)
    async with ProlificAPI(token, prolific.url) as api:
        with pytest.raises(CrowdRefusedError, match="Authentication") as caught:
            await api.account.me()
        prolific.mishaps.happen(Mishap.LOST_AFTER)
        with pytest.raises(OutcomeUnknown) as lost:
            await api.studies.create(draft())
        told = [repr(api), repr(api.studies), repr(vars(api)), caplog.text]
    for error in (caught.value, lost.value):
        assert (error.__cause__, error.__context__) == (None, None)
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        told += [str(error), "".join(trace.format())]
    assert not [text for text in told if token.reveal() in text]


async def test_a_token_that_prolific_echoes_is_hidden(prolific: ProlificStandIn) -> None:
    async with ProlificAPI(Secret("tok-echoed"), prolific.url) as api:
        failure = api._transport._read(400, b'{"detail": "No tok-echoed here. ' + b"x" * 9000 + b'"}', {})
    words = getattr(failure, "words", "")
    assert words.startswith("No ******** here.")
    assert len(words) == 500


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"title": "Bad", "detail": {"reward": ["Too low.", "Odd."]}}}, "Bad: reward: Too low., Odd."),
        ({"error": {"title": "Bad", "detail": ["a", "b"]}}, "Bad: a, b"),
        ({"message": "Bad Request", "detail": "No."}, "Bad Request: No."),
        ({"detail": "Not found."}, "Not found."),
        ({"type": "INVALID_BATCH_ITEMS", "issues": [{"row": 1}]}, "INVALID_BATCH_ITEMS: row: 1"),
        ({"error": "plain"}, "plain"),
        (["a"], "a"),
    ],
)
def test_every_shape_of_an_error_becomes_words(body: Any, words: str) -> None:
    assert words_of(body) == words


@pytest.mark.parametrize("url", ["http://api.prolific.com", "ftp://127.0.0.1", "", "https://"])
def test_a_token_never_travels_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError):
        ProlificAPI("token", url)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "tökèn"])
def test_what_can_be_no_token_is_refused_unseen(token: str) -> None:
    with pytest.raises(ConfigError, match="Copy it anew") as caught:
        ProlificAPI(Secret(token))
    assert not token.strip() or token not in str(caught.value)


@pytest.mark.parametrize("odd", [Decimal("1.5"), float("nan"), {1, 2}])
async def test_what_is_no_json_is_not_sent(api: ProlificAPI, prolific: ProlificStandIn, odd: Any) -> None:
    with pytest.raises(ConfigError, match="no JSON"):
        await api.studies.create(draft(reward=odd))
    assert prolific.world.studies == {}


async def test_unknown_states_and_fields_are_borne(api: ProlificAPI, prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    prolific.mishaps.unknown_fields, prolific.mishaps.unknown_statuses = True, 1.0
    assert (await api.submissions.get(one)).status == "ON HOLD"
    assert [row.status async for row in api.submissions.of_study(study_id)] == ["ON HOLD"]
    assert (await api.studies.get(study_id)).fields["field_of_2031"]
    assert (await api.account.balance(prolific.workspace_id)).total == 100_000


async def test_rows_that_move_between_pages_come_once(api: ProlificAPI, prolific: Any, monkeypatch: Any) -> None:
    pages = [[{"id": "a"}, {"id": "b"}], [{"id": "b"}, {"id": "c"}]]
    asked = []

    async def send(method: str, path: str, **options: Any) -> Any:
        asked.append(options["params"])
        if not pages:
            raise CrowdRefusedError("past the end", 404)
        return ApiAnswer(200, {"results": pages.pop(0), "_links": {"next": {"href": "https://else.example/?x"}}})

    monkeypatch.setattr(api._transport, "send", send)
    rows = [row["id"] async for row in api._transport.pages("/rows/", by=Paging.OFFSET, size=2)]
    assert (rows, [one["offset"] for one in asked]) == (["a", "b", "c"], [0, 2, 4])


async def test_a_list_without_pages_is_read_once(api: ProlificAPI, monkeypatch: Any) -> None:
    asked = []

    async def send(method: str, path: str, **options: Any) -> Any:
        asked.append(path)
        return ApiAnswer(200, [{"id": "a"}, {"id": "b"}])

    monkeypatch.setattr(api._transport, "send", send)
    rows = [row["id"] async for row in api._transport.pages("/rows/", by=Paging.OFFSET, size=2)]
    assert (rows, len(asked)) == (["a", "b"], 2)


@pytest.mark.parametrize("count", [0, 1, 500, 501, 1000])
async def test_every_length_of_a_list_is_read_to_its_end(
    api: ProlificAPI, prolific: Any, ask: Asker, count: int
) -> None:
    prolific.account.total = 1_000_000
    study_id = await ask.publish(total_available_places=1000)
    prolific.participants(count).submit_at_once(study_id, None)
    found = [one.id async for one in api.submissions.of_study(study_id)]
    rows = [submission_row(one, str)["id"] for one in prolific.world.study(study_id).submissions]
    assert found == rows
    assert len(found) == count


@pytest.mark.parametrize("settings", [StandInSettings(requests_per_second=2)])
async def test_a_limit_of_requests_only_takes_time(api: ProlificAPI, prolific: ProlificStandIn, naps: Naps) -> None:
    for _ in range(6):
        await api.account.me()
    assert sum(naps.seconds) >= 2
