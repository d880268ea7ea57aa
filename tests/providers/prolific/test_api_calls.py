"""The client of Prolific's API, operation by operation, over real HTTP."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mephisto_nb.errors import ClosedError, ConfigError, CrowdRefusedError
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.testing.prolific import ProlificStandIn
from tests.prolific import DONE, REASON, SERVER, begin, code, draft, hand_in


async def publish(api: ProlificAPI, prolific: ProlificStandIn, **changes: Any) -> str:
    made = await api.studies.create(draft(**changes))
    await api.studies.publish(made.id)
    prolific.advance(10)
    return made.id


async def test_who_one_is_and_what_one_has(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    assert (await api.account.me()).currency == "GBP"
    [workspace] = await api.account.workspaces()
    assert (workspace.id, workspace.project_ids) == (prolific.workspace_id, (prolific.project_id,))
    [project] = await api.account.projects(workspace.id)
    assert (project.id, project.workspace_id) == (prolific.project_id, workspace.id)
    balance = await api.account.balance(workspace.id)
    assert (balance.currency, balance.total, balance.available) == ("GBP", 100_000, 100_000)
    assert balance.available_rewards + balance.available_fees + balance.available_vat == 100_000
    advice = await api.account.reward_advice(workspace.id, "USD")
    assert advice is not None
    assert (advice.minimum_per_hour, advice.recommended_per_hour) == (800, 1200)


async def test_all_workspaces_are_listed_page_after_page(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    for number in range(100):
        prolific.world.add_workspace(f"W{number}", "GBP")
    assert len(await api.account.workspaces()) == 101


async def test_a_study_from_draft_to_its_end(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    made = await api.studies.create(draft(metadata="run 17"))
    assert (made.status, made.reward, made.currency, made.places, made.metadata) == (
        "UNPUBLISHED",
        150,
        "GBP",
        3,
        "run 17",
    )
    assert (str(made.fees_percentage), str(made.vat_percentage)) == ("33.3", "20.0")
    assert (await api.studies.change(made.id, {"reward": 200})).reward == 200
    assert (await api.studies.publish(made.id)).status == "PUBLISHING"
    prolific.advance(3)
    states = [(await step(made.id)).status for step in (api.studies.pause, api.studies.start, api.studies.stop)]
    assert states == ["PAUSED", "ACTIVE", "COMPLETED"]
    assert (await api.studies.change(made.id, {"total_available_places": 5})).status == "ACTIVE"


async def test_stopping_twice_is_no_error_but_a_draft_is_one(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    assert [(await api.studies.stop(study_id)).status for _ in range(2)] == ["COMPLETED", "COMPLETED"]
    made = await api.studies.create(draft())
    with pytest.raises(CrowdRefusedError, match="cannot STOP"):
        await api.studies.stop(made.id)


async def test_studies_are_listed_and_drafts_deleted(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    ids = [(await api.studies.create(draft())).id for _ in range(3)]
    await api.studies.delete(ids[0])
    await api.studies.delete(ids[0])
    clone = await api.studies.clone(ids[1])
    found = [one.id async for one in api.studies.all(project_id=prolific.project_id, state="UNPUBLISHED")]
    assert found == [*ids[1:], clone.id]


async def test_a_draft_is_tried_by_test_participants(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    made = await api.studies.create(draft())
    with pytest.raises(CrowdRefusedError, match="no test participant"):
        await api.studies.try_out(made.id)
    assert len(await api.account.add_test_participant("me@lab.example.org")) == 24
    trial, url = await api.studies.try_out(made.id)
    assert trial != made.id
    assert trial in url


async def test_what_a_study_costs(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    cost = await api.studies.cost(study_id, is_projected=True)
    assert (cost.rewards.total, cost.rewards.currency, cost.bonuses.total) == (630, "GBP", 0)
    assert await api.studies.calculate(150, 3) == 630


async def test_a_submission_is_read_alike_from_list_and_alone(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    one = hand_in(prolific, study_id)
    [row] = [row async for row in api.submissions.of_study(study_id)]
    alone = await api.submissions.get(one)
    assert row.seconds == 600
    assert dataclasses.replace(row, seconds=None, fields={}) == alone
    assert (alone.entered_code, alone.status, alone.study_id) == (DONE, "AWAITING REVIEW", study_id)
    assert (await api.submissions.counts(study_id))["AWAITING REVIEW"] == 1


async def test_decisions_may_be_made_twice(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    good, bad = hand_in(prolific, study_id), hand_in(prolific, study_id)
    for _ in range(2):
        await api.submissions.approve(good)
        await api.submissions.reject(bad, REASON, "LOW_EFFORT")
        prolific.advance(5)
    assert [(await api.submissions.get(one)).status for one in (good, bad)] == ["APPROVED", "REJECTED"]
    assert prolific.books.paid().total == 210
    with pytest.raises(ConfigError, match="4 characters"):
        await api.submissions.reject(bad, "Bad.", "LOW_EFFORT")


async def test_completing_pays_whoever_closed_the_tab(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    one = begin(prolific, study_id)
    assert (await api.submissions.complete(one, SERVER)).status == "AWAITING REVIEW"
    with pytest.raises(CrowdRefusedError, match="actor is the researcher"):
        await api.submissions.complete(begin(prolific, study_id), DONE)


async def test_a_part_is_paid_with_a_message(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    codes = [code(DONE), code("PART", "DYNAMIC_PAYMENT", actor="researcher")]
    one = begin(prolific, await publish(api, prolific, completion_codes=codes))
    done = await api.submissions.complete(one, "PART", percentage=40, message="You did 40 %.")
    assert (done.status, prolific.books.paid("partial").amount) == ("PARTIALLY APPROVED", 60)


async def test_a_return_is_requested(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    one = hand_in(prolific, await publish(api, prolific))
    assert (await api.submissions.request_return(one, ["You asked us to."])).return_requested


async def test_many_are_approved(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    ids = [hand_in(prolific, study_id) for _ in range(3)]
    await api.submissions.approve_many(ids)
    await api.submissions.approve_many([])
    prolific.advance(10)
    assert (await api.submissions.counts(study_id))["APPROVED"] == 3


async def test_bonuses_cost_what_was_said(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    one = hand_in(prolific, study_id)
    made = await api.bonuses.set_up(study_id, [(one, 150), (one, 5)], currency="GBP")
    assert (made.amount, made.fees, made.vat, made.total, made.currency) == (155, 52, 10, 217, "GBP")
    await api.bonuses.pay(made.id)
    prolific.advance(60)
    assert (await api.submissions.get(one)).bonus_payments == (150, 5)
    assert prolific.books.paid("bonus").total == 217


@pytest.mark.parametrize("bonuses", [[], [("a" * 24, 0)], [("a" * 24, 1.5)], [("a" * 24, True)], [("a,1\nb", 5)]])
async def test_bonuses_that_cannot_be_are_not_sent(api: ProlificAPI, prolific: Any, bonuses: Any) -> None:
    with pytest.raises(ConfigError):
        await api.bonuses.set_up("a" * 24, bonuses, currency="GBP")


async def test_groups_are_made_filled_and_emptied(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    made = await api.groups.create("good", prolific.workspace_id, participant_ids=["a" * 24])
    await api.groups.add(made.id, ["b" * 24, "a" * 24])
    assert await api.groups.members(made.id) == ["a" * 24, "b" * 24]
    await api.groups.remove(made.id, ["a" * 24])
    assert await api.groups.members(made.id) == ["b" * 24]
    assert (await api.groups.replace(made.id, ["c" * 24, "d" * 24])).participant_count == 2
    assert [one.name for one in await api.groups.of_workspace(prolific.workspace_id)] == ["good"]
    await api.groups.delete(made.id)
    assert await api.groups.of_workspace(prolific.workspace_id) == []
    assert (await api.groups.get(made.id)).is_deleted


async def test_filters_and_how_many_pass_them(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    known = {one.id: one for one in await api.audience.filters()}
    assert (known["age"].kind, known["age"].lowest, known["sex"].choices["1"]) == ("range", 18, "Female")
    prolific.participants(24)
    assert await api.audience.eligible_count([]) is None
    prolific.participants(1, seed=1)
    assert await api.audience.eligible_count([], prolific.workspace_id) == 25


async def test_messages_have_one_name_for_the_sender(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    study_id = await publish(api, prolific)
    crowd = prolific.participants(1)
    crowd.submit_at_once(study_id, DONE)
    [one] = crowd
    one.write("Hello")
    await api.messages.send(one.id, "Thank you", study_id)
    await api.messages.send_many([one.id], "Thanks to all", study_id)
    assert [(m.sender_id, m.body, m.study_id) for m in await api.messages.unread()] == [(one.id, "Hello", study_id)]
    own = prolific.world.user_id
    assert [m.sender_id for m in await api.messages.with_participant(one.id)] == [one.id, own, own]
    assert [m.body for m in await api.messages.since("2026-01-01T00:00:00Z")][-1] == "Thanks to all"
    group = await api.groups.create("all", prolific.workspace_id, participant_ids=[one.id])
    await api.messages.send_group(group.id, "To the group")
    assert prolific.world.messages[-1].body == "To the group"


async def test_hooks_are_subscribed_and_confirmed(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    workspace = prolific.workspace_id
    assert "submission.status.change" in await api.hooks.event_types()
    assert await api.hooks.secret(workspace) is None
    secret = await api.hooks.make_secret(workspace)
    assert await api.hooks.secret(workspace) == secret
    made = await api.hooks.subscribe(workspace, "study.status.change", "https://lab.example.org/hooks")
    assert made.is_enabled
    assert [one.id for one in await api.hooks.of_workspace(workspace)] == [made.id]
    assert not (await api.hooks.switch(made.id, is_enabled=False)).is_enabled
    assert [one async for one in api.hooks.events(made.id)] == []
    await api.hooks.delete(made.id)
    await api.hooks.delete(made.id)


@pytest.mark.parametrize("one_id", ["", "../users/me", "a/b", "a?b", "a" * 65, 5])
async def test_what_is_no_id_leads_nowhere(api: ProlificAPI, prolific: Any, one_id: Any) -> None:
    with pytest.raises(ConfigError, match="no id"):
        await api.studies.get(one_id)


async def test_a_closed_client_says_so(api: ProlificAPI, prolific: ProlificStandIn) -> None:
    await api.account.me()
    await api.close()
    await api.close()
    with pytest.raises(ClosedError):
        await api.account.me()
