"""A study is made once, and published once, whatever dies between any two steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from mephisto_nb.errors import CrowdRefusedError, OutcomeUnknown
from mephisto_nb.model.crowd import CrowdVisitStatus, StudyStatus
from mephisto_nb.model.money import Money
from mephisto_nb.providers.prolific.transport import ApiTransport
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import Mishap, ProlificStandIn, StandInSettings, study_routes
from tests.prolific import BEGIN, begin
from tests.providers.prolific.offers import RUN, Memory, offer, provider_of


class KernelDiedError(BaseException):
    """The kernel is gone, and nothing of it goes on."""


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Have the kernel die at a request: before it leaves, or once it was answered."""
    send = ApiTransport.send

    def at(number: int, after: bool) -> None:
        made = 0

        async def dying(self: ApiTransport, *args: Any, **kwargs: Any) -> Any:
            nonlocal made
            made += 1
            if made == number and not after:
                raise KernelDiedError
            answer = await send(self, *args, **kwargs)
            if made == number:
                raise KernelDiedError
            return answer

        monkeypatch.setattr(ApiTransport, "send", dying)

    return at


async def test_a_study_is_what_was_offered(registered: ProlificStandIn) -> None:
    study = await provider_of(registered).recruiter.open(offer(), Memory())
    fields = registered.world.study(study.study_id).fields
    assert (study.status, study.places, str(study.cost)) == (StudyStatus.OPEN, 3, "£6.30")
    assert fields["description"] == "<p>Rate &lt;20&gt; sentences.</p><p>It is short.</p>"
    assert fields["external_study_url"].endswith("/run/?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}"
                                                 "&SESSION_ID={{%SESSION_ID%}}")  # fmt: skip
    assert (fields["metadata"], fields["reward"], fields["maximum_allowed_time"]) == (RUN, 150, 30)
    assert fields["submissions_config"]["max_concurrent_submissions"] == 2
    assert fields["is_external_study_url_secure"] is True


SETTINGS = {
    "study_name": "Moods",
    "study_description": "<b>Name</b> a mood",
    "submission_places": 2,
    "submissions_per_participant": 3,
    "device_compatibility": ["mobile", "tablet"],
    "peripheral_requirements": ["audio"],
    "study_label": "annotation",
    "content_warning": "sensitive",
    "content_warning_details": "Sad texts.",
    "signed_addresses": False,
    "filters": {"Age": [18, 40], "handedness": ["left-handed", "2"]},
    "auto_approve": True,
}


async def test_every_setting_reaches_the_study(registered: ProlificStandIn) -> None:
    study = await provider_of(registered, **SETTINGS).recruiter.open(offer(concurrent=0), Memory())
    fields = registered.world.study(study.study_id).fields
    names = ("name", "description", "total_available_places", "device_compatibility", "peripheral_requirements")
    assert [fields[one] for one in names] == ["Moods", "<b>Name</b> a mood", 2, ["mobile", "tablet"], ["audio"]]
    names = ("study_labels", "content_warnings", "content_warning_details", "is_external_study_url_secure")
    assert [fields[one] for one in names] == [["annotation"], ["sensitive"], "Sad texts.", False]
    assert fields["submissions_config"] == {
        "max_submissions_per_participant": 3,
        "max_concurrent_submissions": -1,
        "auto_rejection_categories": [],
    }
    assert fields["filters"][:2] == [
        {"filter_id": "age", "selected_range": {"lower": 18, "upper": 40}},
        {"filter_id": "handedness", "selected_values": ["1", "2"]},
    ]
    automatic = [one["actor"] for one in fields["completion_codes"] if "AUTOMATICALLY" in str(one["actions"])]
    assert automatic == ["researcher"]


async def test_what_a_later_prolific_says_is_borne(registered: ProlificStandIn) -> None:
    registered.mishaps.unknown_fields, registered.mishaps.unknown_statuses = True, 1.0
    provider = provider_of(registered)
    study = await provider.recruiter.open(offer(events_url="https://lab.example.org/run/events"), Memory())
    begin(registered, study.study_id)
    assert [one.status async for one in provider.recruiter.read_visits()] == [CrowdVisitStatus.UNKNOWN]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kernel_that_dies_at_any_request_leaves_one_study(
    dies: Callable[[int, bool], None], monkeypatch: pytest.MonkeyPatch, after: bool, tmp_path: Any
) -> None:
    send, number, has_died = ApiTransport.send, 0, True
    monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "config.yml"))
    while has_died:
        number += 1
        async with ProlificStandIn(StandInSettings(), clock=FakeClock(BEGIN)) as prolific:
            monkeypatch.setenv("PROLIFIC_TOKEN", prolific.token.reveal())
            memory, first = Memory(), provider_of(prolific)
            dies(number, after)
            try:
                await first.recruiter.open(offer(), memory)
                has_died = False
            except KernelDiedError:
                pass
            monkeypatch.setattr(ApiTransport, "send", send)
            study = await provider_of(prolific).recruiter.open(offer(), memory)
            assert list(prolific.world.studies) == [study.study_id], number
            assert (study.status, len(prolific.world.groups)) == (StudyStatus.OPEN, 1)
            assert prolific.books.accounts[prolific.workspace_id].locked == 630
    assert number > 10


async def test_a_kernel_that_dies_before_it_keeps_the_id_finds_it(registered: ProlificStandIn) -> None:
    class Forgetful(Memory):
        async def keep(self, values: Any) -> None:
            if "study_id" in values:
                raise KernelDiedError

    with pytest.raises(KernelDiedError):
        await provider_of(registered).recruiter.open(offer(), Forgetful())
    study = await provider_of(registered).recruiter.open(offer(), Memory())
    assert list(registered.world.studies) == [study.study_id]


#: All that a launch has made at Prolific.
MADE = ["POST /studies/", "POST /participant-groups/", "POST /hooks/secrets/", "POST /hooks/subscriptions/"]


class Meeting(Memory):
    """A run's memory, which has something happen to the publishing of the study that it is to keep."""

    def __init__(self, prolific: ProlificStandIn, mishap: Mishap) -> None:
        super().__init__()
        self.happen = partial(prolific.mishaps.happen, mishap, times=2, retry_after=7.0)

    async def keep(self, values: Any) -> None:
        await super().keep(values)
        if "study_id" in values:
            self.happen(on=f"POST /studies/{values['study_id']}/transition/")


@pytest.mark.parametrize("mishap", [Mishap.TOO_MANY, Mishap.ERROR, Mishap.BAD_GATEWAY, Mishap.CUT_BEFORE])
@pytest.mark.parametrize("on", [*MADE, "publishing"])
async def test_a_launch_waits_while_prolific_cannot(registered: ProlificStandIn, mishap: Mishap, on: str) -> None:
    memory = Meeting(registered, mishap) if on == "publishing" else Memory()
    if on != "publishing":
        registered.mishaps.happen(mishap, on=on, times=2, retry_after=7.0)
    events_url = "https://lab.example.org/run/events"
    study = await provider_of(registered).recruiter.open(offer(events_url=events_url), memory)
    assert (list(registered.world.studies), len(registered.world.groups)) == ([study.study_id], 1)
    assert (study.status, len(registered.mishaps.happened)) == (StudyStatus.OPEN, 2)
    assert registered.books.accounts[registered.workspace_id].locked == 630


@pytest.mark.parametrize("mishap", [Mishap.LOST_AFTER, Mishap.ERROR_AFTER, Mishap.GARBAGE_AFTER])
@pytest.mark.parametrize("on", ["POST /studies/", "POST /participant-groups/"])
async def test_an_answer_that_is_lost_makes_no_second_one(registered: ProlificStandIn, mishap: Mishap, on: str) -> None:
    registered.mishaps.happen(mishap, on=on)
    study = await provider_of(registered).recruiter.open(offer(), Memory())
    assert (list(registered.world.studies), len(registered.world.groups)) == ([study.study_id], 1)
    assert study.status is StudyStatus.OPEN


async def test_a_study_that_may_have_been_made_is_not_made_again(registered: ProlificStandIn) -> None:
    """Whoever asks anew finds it; here it was not made, and is made then."""
    registered.mishaps.happen(Mishap.ERROR, on="POST /studies/", times=3)
    recruiter, memory = provider_of(registered).recruiter, Memory()
    with pytest.raises(Exception, match="not among the studies") as raised:
        await recruiter.open(offer(), memory)
    assert isinstance(raised.value.__cause__, OutcomeUnknown)
    assert registered.world.studies == {}
    await recruiter.open(offer(), memory)
    assert len(registered.world.studies) == 1


@pytest.mark.parametrize("mishap", [Mishap.LOST_AFTER, Mishap.ERROR_AFTER])
async def test_a_publication_that_nobody_heard_of_is_looked_at(registered: ProlificStandIn, mishap: Mishap) -> None:
    recruiter = provider_of(registered).recruiter
    memory = Memory()

    async def keep(values: Any) -> None:
        memory.values.update(values)
        if study_id := values.get("study_id"):
            registered.mishaps.happen(mishap, on=f"POST /studies/{study_id}/transition/")

    memory.keep = keep  # type: ignore[method-assign]
    assert (await recruiter.open(offer(), memory)).status is StudyStatus.OPEN
    assert len(registered.mishaps.happened) == 1


async def test_publishing_is_waited_for_with_growing_pauses(registered: ProlificStandIn) -> None:
    registered.world.settings = replace(registered.world.settings, publishing=100.0)
    provider = provider_of(registered)
    naps = provider._account.around.sleep
    await provider.recruiter.open(offer(), Memory())
    assert naps.seconds == [1, 2, 4, 8, 16, 32, 60]  # type: ignore[union-attr]


async def test_a_study_that_costs_more_than_was_said_stays_a_draft(registered: ProlificStandIn) -> None:
    recruiter = provider_of(registered).recruiter
    await recruiter.quote(offer())
    registered.books.fees_percentage = Decimal(50)
    with pytest.raises(CrowdRefusedError, match=r"would cost £7\.20, and £6\.30 was said"):
        await recruiter.open(offer(), Memory())
    assert [one.status for one in registered.world.studies.values()] == ["UNPUBLISHED"]
    await recruiter.close()
    assert registered.world.studies == {}


async def test_a_draft_that_is_not_what_was_meant_is_deleted(
    registered: ProlificStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = study_routes.create_study
    monkeypatch.setattr(study_routes, "create_study", lambda world, given: create(world, {**given, "filters": []}))
    with pytest.raises(CrowdRefusedError, match=r"another study than was asked for.*filters"):
        await provider_of(registered).recruiter.open(offer(), Memory())
    assert registered.world.studies == {}


async def test_what_cannot_be_paid_for_is_not_made(registered: ProlificStandIn) -> None:
    with pytest.raises(CrowdRefusedError, match=r"Put £3,200\.00 more in"):
        await provider_of(registered).recruiter.open(offer(places=2000), Memory())
    assert registered.world.studies == {}


async def test_the_codes_of_a_study_count_if_the_secret_was_lost(registered: ProlificStandIn) -> None:
    memory = Memory()
    await provider_of(registered).recruiter.open(offer(), memory)
    later = provider_of(registered, secret="another" * 9)
    study = await later.recruiter.open(offer(), memory)
    codes = {one["code"] for one in registered.world.study(study.study_id).codes}
    assert {one["code"] for one in later._codes.compose(auto_approve=False, screen_out=None)} == codes


async def test_a_run_that_is_closed_by_a_later_kernel_finds_its_study(registered: ProlificStandIn) -> None:
    study = await provider_of(registered).recruiter.open(offer(), Memory())
    later = provider_of(registered)
    await later.setup_resources_for_task_run(RUN, offer().url)
    await later.recruiter.close()
    await later.recruiter.close()
    assert (await later.recruiter.read_study()).status in (StudyStatus.FULL, StudyStatus.OVER)
    assert registered.world.study(study.study_id).is_stopped
    await later.cleanup_resources_from_task_run(RUN)


async def test_a_study_that_pays_otherwise_than_the_run_is_left(registered: ProlificStandIn) -> None:
    memory = Memory()
    await provider_of(registered).recruiter.open(offer(), memory)
    words = r"pays £1.50 for a visit, and the run £2.00. .*task_reward=1.5"
    with pytest.raises(CrowdRefusedError, match=words):
        await provider_of(registered).recruiter.open(offer(reward=Money.of(2, "GBP")), memory)
