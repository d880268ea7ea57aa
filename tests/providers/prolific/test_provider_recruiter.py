"""A run is paused, grown and closed on Prolific; its groups are kept in step, and what it tells is read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import ClosedError, CrowdRefusedError
from mephisto_nb.model.crowd import CrowdStanding, CrowdVisitStatus, StudyStatus
from mephisto_nb.model.money import Money
from mephisto_nb.ports.crowd_desk import CrowdWork
from mephisto_nb.providers.prolific.recruiting.events import EVENT_TYPES
from mephisto_nb.testing.prolific import Mishap, ProlificStandIn
from mephisto_nb.testing.prolific.submissions import give_back, reserve
from tests.prolific import begin, hand_in
from tests.providers.prolific.offers import RUN, Memory, Naps, offer, opened, provider_of

EVENTS = "https://lab.example.org/run/events/5ecret"


async def test_a_study_is_paused_and_goes_on(registered: ProlificStandIn) -> None:
    recruiter = (await opened(registered)).recruiter
    for step, status in (
        (recruiter.pause, StudyStatus.PAUSED),
        (recruiter.pause, StudyStatus.PAUSED),
        (recruiter.resume, StudyStatus.OPEN),
        (recruiter.resume, StudyStatus.OPEN),
        (recruiter.close, StudyStatus.OVER),
        (recruiter.close, StudyStatus.OVER),
    ):
        await step()
        assert (await recruiter.read_study()).status is status


async def test_places_only_grow(registered: ProlificStandIn) -> None:
    recruiter = (await opened(registered)).recruiter
    assert (await recruiter.set_places(5)).places == 5
    assert (await recruiter.set_places(5)).places == 5
    with pytest.raises(CrowdRefusedError, match="takes none back"):
        await recruiter.set_places(4)
    study_id = (await recruiter.read_study()).study_id
    registered.mishaps.happen(Mishap.LOST_AFTER, on=f"PATCH /studies/{study_id}/")
    assert (await recruiter.set_places(7)).places == 7


async def test_a_study_that_was_never_opened_cannot_be_asked_for(registered: ProlificStandIn) -> None:
    recruiter = provider_of(registered).recruiter
    with pytest.raises(ClosedError, match="not opened"):
        await recruiter.read_study()
    await recruiter.close()


async def test_visits_are_read_as_they_are_there(registered: ProlificStandIn) -> None:
    recruiter = (await opened(registered)).recruiter
    study_id = (await recruiter.read_study()).study_id
    ids = [hand_in(registered, study_id), begin(registered, study_id)]
    give_back(registered.world, registered.world.submission(ids[1]))
    visits = [one async for one in recruiter.read_visits()]
    assert [(one.registration_id, one.status) for one in visits] == [
        (ids[0], CrowdVisitStatus.SUBMITTED),
        (ids[1], CrowdVisitStatus.RETURNED),
    ]
    one = await recruiter.read_visit(ids[0])
    assert one == visits[0]
    assert one is not None
    assert (one.began_at, one.ended_at) == pytest.approx((1_800_000_000.0 + 3, 1_800_000_603.0), abs=10)
    assert await recruiter.read_visit("a" * 24) is None
    assert await recruiter.read_visit("preview") is None


async def test_many_visits_are_read_with_pauses_between(registered: ProlificStandIn) -> None:
    provider = provider_of(registered)
    study = await provider.recruiter.open(offer(places=470), Memory())
    world = registered.world
    object.__setattr__(world.books.accounts[registered.workspace_id], "total", 10**9)
    await provider.recruiter.set_places(1100)
    for one in registered.participants(1100):
        world.add_submission(world.study(study.study_id), one.id)
    naps = provider._account.around.sleep
    assert isinstance(naps, Naps)
    naps.seconds.clear()
    ids = [one.registration_id async for one in provider.recruiter.read_visits()]
    assert (len(set(ids)), naps.seconds) == (1100, [1.0, 1.0])


async def test_somebody_is_asked_to_return_their_place(registered: ProlificStandIn) -> None:
    recruiter = (await opened(registered)).recruiter
    submission_id = begin(registered, (await recruiter.read_study()).study_id)
    await recruiter.ask_to_return(submission_id, "There was a fault on our side.")
    assert registered.world.submission(submission_id).return_requested is not None


# Groups


def members(prolific: ProlificStandIn) -> dict[str, set[str]]:
    return {one.name: set(one.members) for one in prolific.world.groups.values()}


async def test_groups_are_kept_in_step_and_only_changed(registered: ProlificStandIn) -> None:
    recruiter = (await opened(registered)).recruiter
    ann, bob, cat = (one.id for one in registered.participants(3))
    blocked, english = "Blocked by prolific (mephisto_nb)", "English of prolific (mephisto_nb)"
    await recruiter.tell_standing(CrowdStanding(frozenset({ann, "a visitor"}), {"English": frozenset({bob, cat})}))
    assert members(registered) == {blocked: {ann}, english: {bob, cat}}
    at = registered.world.clock.now()
    registered.advance(60)
    await recruiter.tell_standing(CrowdStanding(frozenset(), {"English": frozenset({cat, ann}), "Nobody": frozenset()}))
    assert members(registered) == {blocked: set(), english: {cat, ann}}
    (group,) = [one for one in registered.world.groups.values() if one.name == english]
    assert group.members[cat] == at  # who stays is not put in anew
    study = registered.world.study((await recruiter.read_study()).study_id)
    await recruiter.tell_standing(CrowdStanding(frozenset({ann})))
    assert reserve(registered.world, study, registered.world.people[ann]) is None


async def test_each_requester_has_groups_of_their_own(registered: ProlificStandIn) -> None:
    one, other = provider_of(registered), provider_of(registered, requester_name="lab_b")
    ann, bob = (one.id for one in registered.participants(2))
    await one.recruiter.tell_standing(CrowdStanding(frozenset({ann})))
    await other.recruiter.tell_standing(CrowdStanding(frozenset({bob})))
    assert list(members(registered).values()) == [{ann}, {bob}]


# Events


def signed(prolific: ProlificStandIn, body: bytes, secret: str | None = None) -> dict[str, str]:
    """Return the headers with which Prolific delivers an event now."""
    stamp = str(int(prolific.clock.now()))
    key = secret or prolific.hooks.secrets[prolific.workspace_id][1]
    digest = hmac.digest(key.encode(), stamp.encode() + body, hashlib.sha256)
    return {
        "X-Prolific-Request-Signature": base64.b64encode(digest).decode(),
        "X-Prolific-Request-Timestamp": stamp,
        "X-Event-ID": "event-1",
    }


@pytest.fixture
def memory() -> Memory:
    """What the run of `told` remembers."""
    return Memory()


@pytest.fixture
async def told(registered: ProlificStandIn, memory: Memory) -> Any:
    """A recruiter that is told of events."""
    recruiter = provider_of(registered).recruiter
    await recruiter.open(offer(events_url=EVENTS), memory)
    return recruiter


async def test_a_run_is_told_of_visits_and_of_its_study(registered: ProlificStandIn, told: Any) -> None:
    hooks = registered.hooks.hooks.values()
    assert sorted((one.event_type, one.target_url, one.is_enabled) for one in hooks) == [
        (kind, EVENTS, True) for kind in sorted(EVENT_TYPES)
    ]
    now = registered.clock.now()
    body = json.dumps({"event_type": EVENT_TYPES[0], "resource_id": "v" * 24, "status": "RETURNED"}).encode()
    event = told.read_event(signed(registered, body), body, now)
    assert (event.event_id, event.registration_id, event.study_id) == ("event-1", "v" * 24, "")
    body = json.dumps({"event_type": EVENT_TYPES[1], "resource_id": "s" * 24, "status": "PAUSED"}).encode()
    assert told.read_event(signed(registered, body), body, now).study_id == "s" * 24
    body = json.dumps({"event_type": "study.progress.change", "resource_id": "s" * 24}).encode()
    assert told.read_event(signed(registered, body), body, now) is None


async def test_an_event_that_prolific_did_not_sign_is_refused(registered: ProlificStandIn, told: Any) -> None:
    body = json.dumps({"event_type": EVENT_TYPES[0], "resource_id": "v" * 24}).encode()
    headers, now = signed(registered, body), registered.clock.now()
    for given, what, when in (
        ({}, body, now),
        (signed(registered, body, "another"), body, now),
        (headers, body.replace(b"v", b"w"), now),
        (headers, body, now + 3600),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            told.read_event(given, what, when)
    with pytest.raises(ValueError, match="nothing was subscribed"):
        provider_of(registered).recruiter.read_event(headers, body, now)


async def test_a_secret_that_somebody_made_anew_is_found(registered: ProlificStandIn, told: Any) -> None:
    body = json.dumps({"event_type": EVENT_TYPES[0], "resource_id": "v" * 24}).encode()
    registered.hooks.make_secret(registered.workspace_id)
    for _ in range(2):
        with pytest.raises(ValueError, match="made anew"):
            told.read_event(signed(registered, body), body, registered.clock.now())
    assert [one async for one in told.read_visits()] == []  # as a run does now and then
    assert told.read_event(signed(registered, body), body, registered.clock.now()).registration_id == "v" * 24


async def test_a_secret_that_is_there_is_never_made_anew(registered: ProlificStandIn) -> None:
    before = registered.hooks.make_secret(registered.workspace_id)
    for _ in range(2):
        await provider_of(registered).recruiter.open(offer(events_url=EVENTS), Memory())
    assert registered.hooks.secrets == {registered.workspace_id: before}
    assert len(registered.hooks.hooks) == 2


async def test_a_subscription_that_was_not_confirmed_is_made_anew(registered: ProlificStandIn) -> None:
    recruiter, memory = provider_of(registered).recruiter, Memory()
    registered.mishaps.happen(Mishap.LOST_AFTER, on="POST /hooks/subscriptions/")
    await recruiter.open(offer(events_url=EVENTS), memory)
    assert [one.is_enabled for one in registered.hooks.hooks.values()] == [True, True]


async def test_who_looks_a_run_up_ends_what_was_subscribed(
    registered: ProlificStandIn, told: Any, memory: Memory
) -> None:
    later = provider_of(registered)  # it was never told where the run is served
    later.recruiter.recall(RUN, memory)
    await later.recruiter.close()
    await later.cleanup_resources_from_task_run(RUN)
    assert registered.hooks.hooks == {}
    assert EVENTS not in str(memory.values)


async def test_what_another_run_at_the_same_place_is_told_goes_on(
    registered: ProlificStandIn, told: Any, memory: Memory
) -> None:
    other = provider_of(registered)
    await other.recruiter.open(offer(task_run_id="run-2", events_url=f"{EVENTS}-2"), Memory())
    later = provider_of(registered)
    later.recruiter.recall(RUN, memory)
    await later.recruiter.close()
    assert {one.target_url for one in registered.hooks.hooks.values()} == {f"{EVENTS}-2"}


async def test_a_run_that_has_moved_is_told_where_it_is_now_alone(
    registered: ProlificStandIn, told: Any, memory: Memory
) -> None:
    later, moved = provider_of(registered).recruiter, "https://new.example.org/run/events/5ecret"
    later.recall(RUN, memory)
    await later.open(offer(events_url=moved), memory)
    assert [one.target_url for one in registered.hooks.hooks.values()] == [moved, moved]
    await later.close()
    assert registered.hooks.hooks == {}


async def test_closing_ends_our_subscriptions_alone(registered: ProlificStandIn, told: Any) -> None:
    body = {"workspace_id": registered.workspace_id, "event_type": EVENT_TYPES[0]}
    other = registered.hooks.subscribe({**body, "target_url": "https://other.example.org/"})
    await told.close()
    await told.close()
    assert list(registered.hooks.hooks.values()) == [other]


# Secrets


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was logged, at any level."""
    caplog.set_level("DEBUG")
    return lambda: caplog.text


async def test_no_token_and_no_participant_is_in_any_log_or_repr(
    registered: ProlificStandIn, everything: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    provider = provider_of(registered)
    await provider.recruiter.open(offer(events_url=EVENTS), Memory())
    desk = provider.make_desk()
    submission_id = hand_in(registered, (await provider.recruiter.read_study()).study_id)
    person = registered.world.submission(submission_id).participant_id
    work = CrowdWork("k", "u", "a", person, submission_id, Money.of("1.50", "GBP"), "Thank you.")
    await desk.approve_work(work)
    await desk.send_message(work)
    await desk.block_worker(work)
    await desk.pay_bonuses(await desk.quote_bonuses([work]))
    secrets = [registered.token.reveal(), registered.hooks.secrets[registered.workspace_id][1]]
    registered.mishaps.happen(Mishap.ERROR, on="GET /studies/", times=6)
    with pytest.raises(Exception, match="did not answer") as raised:
        await provider.recruiter.read_study()
    parts = (provider, desk, provider.recruiter, provider.exits, provider.args)
    shown = [repr(one) + repr(getattr(one, "__dict__", "")) for one in parts]
    shown += [everything(), str(raised.value), repr(raised.value.__cause__), repr(raised.value.__context__)]
    shown += [repr(frame.locals) for frame in raised.traceback if "mephisto_nb/providers" in str(frame.path)]
    assert len(shown) > 10
    for text in shown:
        assert not [one for one in secrets if one in text]
    own = [one.getMessage() for one in caplog.records if not one.name.startswith(("uvicorn", "asyncio"))]
    assert not [line for line in own if person in line]
