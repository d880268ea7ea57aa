"""Studies of the stand-in: what is refused, what may be changed, what they hold, and how they live."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.testing.prolific import ProlificStandIn, StandInSettings
from mephisto_nb.testing.prolific.refusals import ApiRefusal
from mephisto_nb.testing.prolific.study_checks import checked_study
from mephisto_nb.testing.prolific.submissions import give_back, reserve
from mephisto_nb.testing.prolific.world import is_eligible, may_take
from tests.prolific import DONE, REASON, Asker, begin, code, draft, hand_in


def checked(**changes: Any) -> dict[str, Any]:
    given = {name: value for name, value in draft(**changes).items() if value is not ...}
    features = frozenset({"screen_out", "dynamic_payment"})
    return checked_study(given, lambda _kind, one_id: one_id == "there", 600, features)


def refused(**changes: Any) -> dict[str, Any]:
    """Return the fields that a study is refused for."""
    with pytest.raises(ApiRefusal) as caught:
        checked(**changes)
    assert caught.value.status == 400
    return dict(caught.value.body["error"]["detail"])


SCREEN_OUT = {"action": "FIXED_SCREEN_OUT_PAYMENT", "fixed_screen_out_reward": 30, "slots": 2}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ...),
        ("description", ""),
        ("completion_codes", []),
        ("reward", 99),  # 5.94 per hour
        ("reward", 150.5),
        ("total_available_places", 0),
        ("prolific_id_option", "by_mail"),
        ("maximum_allowed_time", 28),  # 2 + 20 + 2 * sqrt(10) is 28.3
        ("device_compatibility", ["fridge"]),
        ("study_labels", ["survey", "interview"]),
        ("submissions_config", {"max_concurrent_submissions": 0}),
        ("external_study_url", "lab.example.org"),
        ("external_study_url", ...),
        ("filters", None),
        ("filters", [{"filter_id": "shoe_size", "selected_values": ["1"]}]),
        ("filters", [{"filter_id": "sex", "selected_values": ["Female"]}]),
        ("filters", [{"filter_id": "age", "selected_range": {}}]),
        ("filters", [{"filter_id": "age", "selected_range": {"lower": 3}}]),
        ("filters", [{"filter_id": "participant_group_allowlist", "selected_values": ["gone"]}]),
        ("completion_code", "OLD"),
        ("eligibility_requirements", []),
        ("status", "UNPUBLISHED"),
    ],
)
def test_a_study_is_refused_with_the_field_named(field: str, value: Any) -> None:
    assert list(refused(**{field: value})) == [field]


@pytest.mark.parametrize(
    "codes",
    [
        [code(DONE), code(DONE, actor="researcher")],
        [code(DONE, "AUTOMATICALLY_APPROVE", "MANUALLY_REVIEW")],
        [code("A", SCREEN_OUT), code("B", SCREEN_OUT)],
        [code("A", {**SCREEN_OUT, "fixed_screen_out_reward": 150})],
        [code("A", {"action": "FIXED_SCREEN_OUT_PAYMENT"})],
        [code("A", {"action": "ADD_TO_PARTICIPANT_GROUP", "participant_group": "gone"})],
        [code("A", "GIVE_A_MEDAL")],
        [code(None, "MANUALLY_REVIEW")],
        [code(None), code("B")],
        [code(None, actor="researcher")],
        [code("A", actor="robot")],
    ],
)
def test_completion_codes_have_their_rules(codes: list[dict[str, Any]]) -> None:
    assert list(refused(completion_codes=codes)) == ["completion_codes"]


def test_an_action_that_is_not_switched_on_is_refused() -> None:
    with pytest.raises(ApiRefusal, match="not enabled"):
        checked_study(draft(completion_codes=[code("A", SCREEN_OUT)]), lambda *_: True, 600, frozenset())


def test_weights_of_a_filter_need_a_quota_study() -> None:
    weighted = [{"filter_id": "sex", "selected_values": ["0", "1"], "weightings": {"0": 1, "1": 2}}]
    assert list(refused(filters=weighted)) == ["study_type"]
    assert checked(filters=weighted, study_type="QUOTA")["study_type"] == "QUOTA"


def test_unknown_fields_are_dropped_without_a_word() -> None:
    assert "colour" not in checked(colour="red")


def test_the_time_is_the_least_allowed_where_none_is_given() -> None:
    assert checked()["maximum_allowed_time"] == 29


@pytest.mark.parametrize("header", ["", "Token wrong", "Bearer {}", "{}", "token {}"])
async def test_only_the_exact_header_is_let_in(prolific: ProlificStandIn, ask: Asker, header: str) -> None:
    headers = {"Authorization": header.format(prolific.token.reveal())}
    async with ask.session.get(f"{prolific.url}/api/v1/users/me/", headers=headers) as answer:
        assert (answer.status, list(await answer.json())) == (401, ["detail"])


async def test_what_is_not_there_is_404_with_either_ending(ask: Asker) -> None:
    study = await ask.study()
    assert (await ask("GET", f"/studies/{study['id']}"))[0] == 200
    assert await ask("GET", "/studies/0123456789abcdef01234567/") == (404, {"detail": "Not found."})
    assert (await ask("DELETE", "/users/me/"))[0] == 405


async def test_errors_come_in_several_shapes(prolific: ProlificStandIn, ask: Asker) -> None:
    nested = await ask("POST", "/studies/", draft(reward=1))
    assert nested[1]["error"]["detail"]["reward"]
    study_id = await ask.publish()
    flat = await ask("POST", "/submissions/bonus-payments/", {"study_id": study_id, "csv_bonuses": "nobody,1"})
    assert (flat[0], sorted(flat[1])) == (400, ["detail", "message"])
    headers = {"Authorization": f"Token {prolific.token.reveal()}"}
    async with ask.session.post(f"{prolific.url}/api/v1/studies/", data=b"{", headers=headers) as answer:
        assert (answer.status, list(await answer.json())) == (400, ["detail"])


async def test_publishing_takes_time_and_locks_all_the_money(prolific: ProlificStandIn, ask: Asker) -> None:
    made = await ask.study()
    assert (made["status"], made["total_cost"], prolific.account.locked) == (
        "UNPUBLISHED",
        630,
        0,
    )
    _, told = await ask("POST", f"/studies/{made['id']}/transition/", {"action": "PUBLISH"})
    assert (told["status"], prolific.account.available) == ("PUBLISHING", 99_370)
    prolific.advance(3)
    assert (await ask("GET", f"/studies/{made['id']}/"))[1]["status"] == "ACTIVE"


async def test_a_study_that_is_too_dear_stays_a_draft(ask: Asker) -> None:
    made = await ask.study(total_available_places=1000)
    status, told = await ask("POST", f"/studies/{made['id']}/transition/", {"action": "PUBLISH"})
    assert (status, "Insufficient funds" in told["error"]["detail"]) == (400, True)
    assert (await ask("GET", f"/studies/{made['id']}/"))[1]["status"] == "UNPUBLISHED"


async def test_what_is_published_is_frozen_but_for_more_places(ask: Asker) -> None:
    study_id = await ask.publish()
    for change in ({"reward": 200}, {"filters": []}, {"name": "B"}, {"total_available_places": 2}):
        assert (await ask("PATCH", f"/studies/{study_id}/", change))[0] == 400
    change = {"internal_name": "run-17", "total_available_places": 5}
    status, told = await ask("PATCH", f"/studies/{study_id}/", change)
    assert (status, told["internal_name"], told["total_available_places"]) == (200, "run-17", 5)


async def test_a_draft_may_be_changed_and_deleted(ask: Asker) -> None:
    made = await ask.study()
    assert (await ask("PATCH", f"/studies/{made['id']}/", {"reward": 200}))[1]["reward"] == 200
    assert (await ask("DELETE", f"/studies/{made['id']}/"))[0] == 204
    study_id = await ask.publish()
    assert (await ask("DELETE", f"/studies/{study_id}/"))[0] == 400


async def test_pause_start_and_stop(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    states = []
    for action in ("PAUSE", "PAUSE", "START", "STOP", "START"):
        status, told = await ask("POST", f"/studies/{study_id}/transition/", {"action": action})
        states.append(told.get("status") or status)
    assert states == ["PAUSED", 400, "ACTIVE", "COMPLETED", 400]
    assert prolific.account.locked == 0


async def test_more_places_bring_a_finished_study_back(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(total_available_places=1)
    one = hand_in(prolific, study_id)
    await ask("POST", f"/submissions/{one}/transition/", {"action": "APPROVE"})
    prolific.advance(5)
    assert prolific.world.study(study_id).status == "COMPLETED"
    _, told = await ask("PATCH", f"/studies/{study_id}/", {"total_available_places": 2})
    assert (told["status"], prolific.account.locked) == ("ACTIVE", 210)


async def test_a_place_that_comes_free_opens_the_study_again(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(total_available_places=1)
    states = []
    for way in ("return", "reject"):
        one = prolific.world.submission(hand_in(prolific, study_id))
        states.append(one.study.status)
        if way == "return":
            give_back(prolific.world, one)
        else:
            body = {"action": "REJECT", "message": REASON, "rejection_category": "LOW_EFFORT"}
            await ask("POST", f"/submissions/{one.id}/transition/", body)
            prolific.advance(5)
        states.append(one.study.status)
    assert states == ["AWAITING REVIEW", "ACTIVE", "AWAITING REVIEW", "ACTIVE"]


async def test_a_stopped_study_is_over_once_all_is_decided(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    await ask("POST", f"/studies/{study_id}/transition/", {"action": "STOP"})
    assert prolific.world.study(study_id).status == "AWAITING REVIEW"
    assert prolific.account.locked == 210
    await ask("POST", f"/submissions/{one}/transition/", {"action": "APPROVE"})
    prolific.advance(5)
    assert prolific.world.study(study_id).status == "COMPLETED"


async def test_no_more_work_at_once_than_the_study_allows(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(submissions_config={"max_concurrent_submissions": 1})
    world, [first, second] = prolific.world, list(prolific.participants(2))
    study = world.study(study_id)
    one = reserve(world, study, world.people[first.id])
    assert one is not None
    assert reserve(world, study, world.people[second.id]) is None
    give_back(world, one)
    assert reserve(world, study, world.people[first.id]) is None, "one submission each"
    assert reserve(world, study, world.people[second.id]) is not None


async def test_a_page_past_the_end_is_not_found(prolific: ProlificStandIn, ask: Asker) -> None:
    for _ in range(40):
        await ask.study()
    _, first = await ask("GET", "/studies/")
    assert (len(first["results"]), first["meta"], bool(first["_links"]["next"]["href"])) == (20, {"count": 40}, True)
    assert "completion_codes" not in first["results"][0]
    assert (await ask("GET", "/studies/", page="2"))[1]["_links"]["next"]["href"] is None
    assert (await ask("GET", "/studies/", page="3"))[0] == 404
    study_id = await ask.publish()
    hand_in(prolific, study_id)
    path = f"/studies/{study_id}/submissions/"
    assert (await ask("GET", path, limit="1", offset="1"))[0] == 404
    assert (await ask("GET", path, limit="501"))[0] == 400


async def test_pay_is_judged_by_the_median_of_real_times(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    for seconds in (300, 1200, 1500):
        hand_in(prolific, study_id, seconds=seconds)
    told = (await ask("GET", f"/studies/{study_id}/"))[1]
    assert (told["average_reward_per_hour"], told["is_underpaying"], told["estimated_reward_per_hour"]) == (
        450,
        True,
        900,
    )


async def test_a_clone_is_not_for_those_who_took_part(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = prolific.world.submission(begin(prolific, study_id))
    clone = (await ask("POST", f"/studies/{study_id}/clone/", {}))[1]
    person = prolific.world.people[one.participant_id]
    assert not is_eligible(prolific.world, clone["filters"], person)


async def test_who_is_in_a_group_is_asked_at_that_moment(prolific: ProlificStandIn, ask: Asker) -> None:
    body = {"name": "good", "workspace_id": prolific.workspace_id}
    group = (await ask("POST", "/participant-groups/", body))[1]
    only = [{"filter_id": "participant_group_allowlist", "selected_values": [group["id"]]}]
    study_id = await ask.publish(filters=only)
    world, [one] = prolific.world, list(prolific.participants(1))
    study, person = world.study(study_id), world.people[one.id]
    assert not may_take(world, study, person)
    await ask("POST", f"/participant-groups/{group['id']}/participants/", {"participant_ids": [one.id, one.id]})
    assert may_take(world, study, person)
    await ask("DELETE", f"/participant-groups/{group['id']}/participants/", {"participant_ids": [one.id]})
    assert not may_take(world, study, person)


async def test_fewer_than_25_people_are_told_as_none(prolific: ProlificStandIn, ask: Asker) -> None:
    prolific.participants(30)
    assert (await ask("POST", "/eligibility-count/", {"filters": []}))[1] == {"count": 30}
    old = [{"filter_id": "age", "selected_range": {"lower": 79}}]
    assert (await ask("POST", "/eligibility-count/", {"filters": old}))[1] == {"count": 0}


async def test_workspaces_do_not_share_money(ask: Asker) -> None:
    made = (await ask("POST", "/workspaces/", {"title": "Other", "currency_code": "USD"}))[1]
    balance = (await ask("GET", f"/workspaces/{made['id']}/balance/"))[1]
    assert (balance["currency_code"], balance["available_balance"]) == ("USD", 0)
    status, told = await ask("POST", "/studies/", draft(project=made["projects"][0]["id"], reward=130))
    assert (status, list(told["error"]["detail"])) == (400, ["reward"])  # 7.80 dollars an hour


async def test_a_draft_is_in_a_project_always(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = (await ask("POST", "/studies/", draft()))[1]["id"]
    there = await ask("POST", "/workspaces/", {"title": "Other", "currency_code": "USD"})
    for project, of in ((there[1]["projects"][0]["id"], there[1]["projects"][0]["id"]), (None, prolific.project_id)):
        assert (await ask("PATCH", f"/studies/{study_id}/", {"project": project, "reward": 200}))[1]["project"] == of
        listed = (await ask("GET", f"/projects/{of}/studies/"))[1]["results"]
        assert [one["id"] for one in listed] == [study_id]


@pytest.mark.parametrize("settings", [StandInSettings(requests_per_second=2)])
async def test_a_limit_of_requests_is_per_second_of_its_time(prolific: ProlificStandIn, ask: Asker) -> None:
    for _ in range(2):
        assert [(await ask("GET", "/users/me/"))[0] for _ in range(3)] == [200, 200, 429]
        prolific.advance(1)
