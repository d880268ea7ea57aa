"""Simulated participants: they come over HTTP, do what people do, and time passes for them as it should."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.providers.prolific.signing import EntryTokens
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import Habit, Participant, ProlificStandIn, StandInSettings
from mephisto_nb.testing.standin_clock import StandInClock
from tests.prolific import BEGIN, DONE, SERVER, Asker, code

WEEK = 7 * 86_400


def page_of(prolific: ProlificStandIn) -> str:
    """Return an address that answers, and holds who comes."""
    macros = "&".join(f"{name}={{{{%{name}%}}}}" for name in ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"))
    return f"{prolific.url}/.well-known/study/jwks.json?{macros}"


async def done(entry_url: str, participant: Participant) -> str | None:
    return DONE


async def test_people_come_by_an_address_that_names_them(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(total_available_places=5)
    seen = {}

    async def work(entry_url: str, participant: Participant) -> str | None:
        seen[participant.id] = parse_qs(urlsplit(entry_url).query)
        return DONE

    crowd = prolific.participants(7, seed=1)
    report = await crowd.come(work)
    assert report.counts == {"AWAITING REVIEW": 5, "NO PLACE": 2}
    one = next(one for one in crowd if one.submission_id is not None)
    assert seen[one.id] == {"PROLIFIC_PID": [one.id], "SESSION_ID": [one.submission_id]}
    assert prolific.world.study(study_id).status == "AWAITING REVIEW"


@pytest.mark.slow
async def test_what_is_signed_after_weeks_is_of_the_real_time() -> None:
    async with ProlificStandIn(StandInSettings(publishing=0)) as prolific, aiohttp.ClientSession() as session:
        study_id = await Asker(prolific, session).publish(is_external_study_url_secure=True)
        await prolific.pass_time(WEEK)
        [one] = prolific.participants(1)
        token = parse_qs(urlsplit(one.begin(study_id) or "").query)["prolific_token"][0]
        [study] = prolific.world.studies.values()
        tokens = EntryTokens(lambda: given(prolific.keys.jwks()), study.fields["external_study_url"])
        assert (await tokens.verify(token)).submission_id == one.submission_id


async def given(value: JSONObject) -> JSONObject:
    return value


async def test_the_same_seed_brings_the_same_people(prolific: ProlificStandIn) -> None:
    habits = {Habit.RETURN_AFTER: 0.3, Habit.CLOSE_TAB: 0.3}
    first, again, other = (
        [(one.id, one.habit) for one in prolific.participants(20, seed=seed, habits=habits)] for seed in (1, 1, 2)
    )
    assert first == again != other
    assert {habit for _, habit in first} == {Habit.WORK, Habit.RETURN_AFTER, Habit.CLOSE_TAB}
    with pytest.raises(UsageError, match="more than all"):
        prolific.participants(1, habits={Habit.WORK: 0.7, Habit.TIME_OUT: 0.7})


@pytest.mark.parametrize(
    ("habit", "wanted", "code_seen"),
    [
        (Habit.WORK, "AWAITING REVIEW", DONE),
        (Habit.NO_CODE, "AWAITING REVIEW", "NOCODE"),
        (Habit.RETURN_BEFORE, "RETURNED", None),
        (Habit.RETURN_AFTER, "RETURNED", None),
        (Habit.TIME_OUT, "TIMED-OUT", None),
        (Habit.CLOSE_TAB, "TIMED-OUT", None),
    ],
)
async def test_each_habit_ends_as_it_does(prolific: Any, ask: Asker, habit: Habit, wanted: str, code_seen: Any) -> None:
    await ask.publish(external_study_url=page_of(prolific))
    crowd = prolific.participants(1, habits={habit: 1})
    await crowd.come(done)
    await prolific.pass_time(3600)
    [one] = crowd
    assert (one.status, one.submission.code) == (wanted, code_seen)


async def test_a_wrong_code_is_another_one(prolific: ProlificStandIn, ask: Asker) -> None:
    await ask.publish()
    crowd = prolific.participants(1, habits={Habit.WRONG_CODE: 1})
    await crowd.come(done)
    [one] = crowd
    assert one.submission is not None
    assert (one.status, one.submission.code not in (DONE, None)) == ("AWAITING REVIEW", True)


async def test_who_closed_the_tab_is_paid_by_the_server(prolific: ProlificStandIn, ask: Asker) -> None:
    await ask.publish()
    crowd = prolific.participants(1, habits={Habit.CLOSE_TAB: 1})
    await crowd.come(done)
    [one] = crowd
    path = f"/submissions/{one.submission_id}/transition/"
    await ask("POST", path, {"action": "COMPLETE", "completion_code": SERVER})
    await ask("POST", path, {"action": "APPROVE"})
    prolific.advance(5)
    assert prolific.books.paid(participant_id=one.id).amount == 150


async def test_who_comes_back_after_a_week_uses_the_old_link(prolific: ProlificStandIn, ask: Asker) -> None:
    await ask.publish(external_study_url=page_of(prolific))
    came = []

    async def work(entry_url: str, participant: Participant) -> str | None:
        came.append((prolific.clock.now() - BEGIN, entry_url == participant.entry_url))
        return DONE

    crowd = prolific.participants(1, habits={Habit.COME_BACK: 1})
    coming = asyncio.create_task(crowd.come(work))
    await prolific.pass_time(8 * 86_400)
    report = await coming
    assert came == [(WEEK + 10, True)]
    assert list(report.outcomes.values()) == ["AWAITING REVIEW"], "late, but the place was free"


async def test_people_wait_for_a_study_and_for_a_place(prolific: ProlificStandIn, ask: Asker) -> None:
    limits = {"max_concurrent_submissions": 2}
    made = await ask.study(total_available_places=6, submissions_config=limits)
    await ask("POST", f"/studies/{made['id']}/transition/", {"action": "PUBLISH"})
    at_work, most = 0, 0

    async def work(entry_url: str, participant: Participant) -> str | None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await participant.wait(300)
        at_work -= 1
        return DONE

    coming = asyncio.create_task(prolific.participants(6).come(work))
    await prolific.pass_time(3600)
    assert (await coming).counts == {"AWAITING REVIEW": 6}
    assert most == 2


async def test_how_long_people_take_is_in_the_studys_time(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    coming = asyncio.create_task(prolific.participants(3).come(done, seconds=(120, 600)))
    await prolific.pass_time(900)
    await coming
    assert all(120 <= seconds <= 600 for seconds in prolific.world.study(study_id).durations)


async def test_an_error_in_the_work_reaches_who_called(prolific: ProlificStandIn, ask: Asker) -> None:
    await ask.publish()

    async def work(entry_url: str, participant: Participant) -> str | None:
        raise ValueError("the page has no button")

    with pytest.raises(ExceptionGroup, match="1 participants") as caught:
        await prolific.participants(1).come(work)
    assert isinstance(caught.value.exceptions[0], ValueError)
    report = await prolific.participants(1, seed=2).come(work, may_fail=True)
    assert (len(report.failures), report.counts) == (1, {"ACTIVE": 1})


async def test_without_work_the_page_is_opened_and_left(prolific: ProlificStandIn, ask: Asker) -> None:
    await ask.publish(external_study_url=page_of(prolific))
    assert (await prolific.participants(1).come()).counts == {"ACTIVE": 1}
    gone = await ask.publish(external_study_url="http://127.0.0.1:9/?id={{%PROLIFIC_PID%}}")
    with pytest.raises(ExceptionGroup):
        await prolific.participants(1, seed=2).come(study_id=gone)


async def test_a_signed_address_holds_a_token_for_a_while(prolific: ProlificStandIn, ask: Asker) -> None:
    address = "https://lab.example.org:8443/p?PROLIFIC_PID={{%PROLIFIC_PID%}}&x=1"
    await ask.publish(external_study_url=address, is_external_study_url_secure=True)
    crowd = prolific.participants(1)
    await crowd.come(done)
    [one] = crowd
    query = parse_qs(urlsplit(one.entry_url).query)
    keys = jwt.PyJWKSet.from_dict(prolific.keys.jwks())
    claims = jwt.decode(
        query["prolific_token"][0], keys.keys[0], ["RS256"], options={"verify_aud": False, "verify_iat": False}
    )
    assert (claims["iss"], claims["sub"], claims["aud"]) == (
        "https://www.prolific.com",
        one.submission_id,
        "https://lab.example.org:8443",
    )
    assert claims["prolific"] == {"PROLIFIC_PID": one.id, "workspace_id": prolific.workspace_id}
    assert query["x"] == ["1"]


async def test_several_addresses_are_filled_one_after_another(prolific: ProlificStandIn, ask: Asker) -> None:
    details = [{"external_url": f"https://lab.example.org/{n}", "total_allocation": n} for n in (1, 2)]
    await ask.publish(external_study_url=None, access_details=details)
    crowd = prolific.participants(3)
    await crowd.come(done)
    assert sorted(one.entry_url[-1] for one in crowd) == ["1", "2", "2"]
    [study_id] = prolific.world.studies
    told = (await ask("GET", f"/studies/{study_id}/access-details-progress/"))[1]["results"]
    assert [one["allocated"] for one in told] == [1, 2]


async def test_what_participants_write_is_unread_by_another_name(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    crowd = prolific.participants(1)
    await crowd.come(done)
    [one] = crowd
    one.write("The button does nothing.")
    body = {"recipient_id": one.id, "body": "Thank you.", "study_id": study_id}
    assert (await ask("POST", "/messages/", body))[0] == 204
    unread = (await ask("GET", "/messages/unread/"))[1]["results"]
    assert [(row["sender"], row["body"]) for row in unread] == [(one.id, "The button does nothing.")]
    both = (await ask("GET", "/messages/", user_id=one.id))[1]["results"]
    assert [row["sender_id"] for row in both] == [one.id, prolific.world.user_id]
    assert (await ask("GET", "/messages/"))[0] == 400


async def test_ten_thousand_hand_in_at_once(prolific: ProlificStandIn, ask: Asker) -> None:
    prolific.account.total = 3_000_000
    codes = [code(DONE, "AUTOMATICALLY_APPROVE")]
    study_id = await ask.publish(total_available_places=10_000, completion_codes=codes)
    assert prolific.participants(10_001).submit_at_once(study_id, DONE) == 10_000
    path, rows = f"/studies/{study_id}/submissions/", 0
    for offset in range(0, 10_000, 500):
        rows += len((await ask("GET", path, limit="500", offset=str(offset)))[1]["results"])
    assert (rows, prolific.books.paid().total, prolific.books.problems()) == (10_000, 2_100_000, [])


async def test_a_clock_is_put_forward_and_rings_on_the_way() -> None:
    base = FakeClock(BEGIN)
    clock, rung = StandInClock(base), list[float]()
    clock.call_at(BEGIN + 60, lambda: rung.append(clock.now()))
    clock.call_at(BEGIN + 90, lambda: rung.append(clock.now())).cancel()
    clock.call_at(BEGIN + 120, lambda: rung.append(clock.now()))
    clock.advance(100)
    base.advance(20)
    assert (rung, clock.now()) == ([BEGIN + 60, BEGIN + 120], BEGIN + 120)


async def test_what_is_due_rings_though_sums_are_not_exact() -> None:
    base, rung = FakeClock(1000.0), list[float]()
    clock = StandInClock(base)
    clock.advance(2**-23)  # half of what a float can tell apart at this time
    base.advance(BEGIN - 1000)
    clock.call_at(BEGIN + 1 + 2**-22, lambda: rung.append(clock.now()))
    base.advance(2)
    assert len(rung) == 1


async def test_who_is_not_counted_does_not_hurry_others() -> None:
    clock, told = StandInClock(FakeClock(BEGIN)), list[float]()
    stranger = asyncio.create_task(clock.sleep(500))
    await asyncio.sleep(0)

    async def somebody() -> None:
        with clock.busy():
            await asyncio.sleep(0)
            told.append(clock.now() - BEGIN)

    task = asyncio.create_task(somebody())
    await clock.pass_time(1000)
    await asyncio.gather(task, stranger)
    assert told == [0]


async def test_time_passes_no_faster_than_people_act() -> None:
    clock, told = StandInClock(FakeClock(BEGIN)), list[float]()

    async def somebody() -> None:
        with clock.busy():
            for _ in range(3):
                await clock.sleep(100)
                await asyncio.sleep(0)
                told.append(clock.now() - BEGIN)

    task = asyncio.create_task(somebody())
    await clock.pass_time(1000)
    await task
    assert told == [100, 200, 300]
