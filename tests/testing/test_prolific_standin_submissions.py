"""Submissions of the stand-in: how they are handed in, what codes do, and how they are decided on."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.testing.prolific import ProlificStandIn, StandInSettings
from mephisto_nb.testing.prolific.submissions import NOCODE, give_back, reserve, submit
from tests.prolific import DONE, NO_CONSENT, REASON, SERVER, Asker, begin, code, hand_in

WEEK = 7 * 86_400
SCREEN_OUT = {"action": "FIXED_SCREEN_OUT_PAYMENT", "fixed_screen_out_reward": 30, "slots": 1}


async def decide(ask: Asker, submission_id: str, action: str, **fields: Any) -> tuple[int, Any]:
    return await ask("POST", f"/submissions/{submission_id}/transition/", {"action": action, **fields})


def status(prolific: ProlificStandIn, submission_id: str) -> str:
    return prolific.world.submission(submission_id).status


@pytest.mark.parametrize(
    ("given", "entered", "wanted"),
    [(DONE, DONE, "AWAITING REVIEW"), ("WRONG1", "WRONG1", "AWAITING REVIEW"), (None, NOCODE, "AWAITING REVIEW")],
)
async def test_any_code_hands_in(prolific: Any, ask: Asker, given: str | None, entered: str, wanted: str) -> None:
    one = hand_in(prolific, await ask.publish(), given)
    shown = (await ask("GET", f"/submissions/{one}/"))[1]
    assert (shown["entered_code"], shown["status"]) == (entered, wanted)


async def test_a_list_and_a_single_one_name_things_differently(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    row = (await ask("GET", f"/studies/{study_id}/submissions/"))[1]["results"][0]
    alone = (await ask("GET", f"/submissions/{one}/"))[1]
    assert (row["participant_id"], row["study_code"]) == (alone["participant"], alone["entered_code"])
    assert {"participant", "entered_code", "study_id"}.isdisjoint(row)
    assert {"participant_id", "study_code", "time_taken"}.isdisjoint(alone)
    assert (row["time_taken"], row["is_complete"]) == (600, True)
    assert row["strata"]["sex"] in ("Male", "Female"), "told of people without being asked"


async def test_a_code_of_the_researcher_does_not_work_for_people(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(
        completion_codes=[code(DONE), code(SERVER, "AUTOMATICALLY_APPROVE", actor="researcher")]
    )
    assert status(prolific, hand_in(prolific, study_id, SERVER)) == "AWAITING REVIEW"


async def test_codes_do_what_their_actions_say(prolific: ProlificStandIn, ask: Asker) -> None:
    made = (await ask("POST", "/participant-groups/", {"name": "g", "workspace_id": prolific.workspace_id}))[1]
    group = {"action": "ADD_TO_PARTICIPANT_GROUP", "participant_group": made["id"]}
    away = {"action": "REMOVE_FROM_PARTICIPANT_GROUP", "participant_group": made["id"]}
    study_id = await ask.publish(completion_codes=[code("A", "AUTOMATICALLY_APPROVE", group), code("B", away)])
    one = hand_in(prolific, study_id, "A")
    members = prolific.world.groups[made["id"]].members
    assert (status(prolific, one), list(members)) == ("APPROVED", [prolific.world.submission(one).participant_id])
    assert [payment.price.amount for payment in prolific.books.of_submission(one)] == [150]
    two = begin(prolific, study_id)
    members[prolific.world.submission(two).participant_id] = 0.0
    submit(prolific.world, prolific.world.submission(two), "B")
    assert list(members) == [prolific.world.submission(one).participant_id]


async def test_a_return_is_only_asked_for(prolific: ProlificStandIn, ask: Asker) -> None:
    one = hand_in(prolific, await ask.publish(), NO_CONSENT)
    shown = (await ask("GET", f"/submissions/{one}/"))[1]
    assert (shown["status"], bool(shown["return_requested"])) == ("AWAITING REVIEW", True)


async def test_the_server_completes_by_its_own_codes_alone(prolific: ProlificStandIn, ask: Asker) -> None:
    one = begin(prolific, await ask.publish())
    assert (await decide(ask, one, "COMPLETE", completion_code=DONE))[0] == 400
    assert (await decide(ask, one, "COMPLETE", completion_code="NONE"))[0] == 400
    for _ in range(2):
        answered, shown = await decide(ask, one, "COMPLETE", completion_code=SERVER)
        assert (answered, shown["status"], shown["entered_code"]) == (200, "AWAITING REVIEW", SERVER)


async def test_who_timed_out_may_be_completed_not_who_returned(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    late, gone = begin(prolific, study_id), begin(prolific, study_id)
    give_back(prolific.world, prolific.world.submission(gone))
    prolific.advance(29 * 60)
    assert status(prolific, late) == "TIMED-OUT"
    assert (await decide(ask, late, "COMPLETE", completion_code=SERVER))[0] == 200
    assert (await decide(ask, gone, "COMPLETE", completion_code=SERVER))[0] == 400


async def test_a_place_is_kept_ten_minutes_for_who_does_not_begin(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(total_available_places=1)
    world, [one, other] = prolific.world, list(prolific.participants(2))
    study = world.study(study_id)
    assert reserve(world, study, world.people[one.id])
    assert reserve(world, study, world.people[other.id]) is None
    prolific.advance(600)
    assert reserve(world, study, world.people[other.id])


async def test_late_work_is_taken_while_the_place_is_free(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(total_available_places=1)
    late = prolific.world.submission(begin(prolific, study_id))
    prolific.advance(29 * 60)
    other = begin(prolific, study_id)
    assert not submit(prolific.world, late, DONE)
    give_back(prolific.world, prolific.world.submission(other))
    assert submit(prolific.world, late, DONE)


async def test_screening_out_pays_little_and_pauses_at_last(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(completion_codes=[code(DONE), code("OUT", SCREEN_OUT, actor="researcher")])
    assert prolific.account.locked == 3 * 210 + 42
    one, two = begin(prolific, study_id), begin(prolific, study_id)
    shown = (await decide(ask, one, "COMPLETE", completion_code="OUT"))[1]
    assert (shown["status"], shown["bonus_payments"]) == ("SCREENED OUT", [30])
    assert prolific.world.study(study_id).status == "PAUSED"
    assert (await decide(ask, two, "COMPLETE", completion_code="OUT"))[0] == 400
    assert prolific.books.paid("screen_out").total == 42


async def test_a_part_of_the_reward_may_be_paid(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(completion_codes=[code(DONE), code("PART", "DYNAMIC_PAYMENT", actor="researcher")])
    one = begin(prolific, study_id)
    assert (await decide(ask, one, "COMPLETE", completion_code="PART"))[0] == 400
    data = {"percentage_of_reward": 50, "message_to_participant": "Half is done."}
    shown = (await decide(ask, one, "COMPLETE", completion_code="PART", completion_code_data=data))[1]
    assert (shown["status"], prolific.books.paid("partial").amount) == ("PARTIALLY APPROVED", 75)


async def test_approving_takes_a_moment_and_counts_once(prolific: ProlificStandIn, ask: Asker) -> None:
    one = hand_in(prolific, await ask.publish())
    states = [(await decide(ask, one, "APPROVE"))[1]["status"] for _ in range(2)]
    prolific.advance(2)
    states.append((await decide(ask, one, "APPROVE"))[1]["status"])
    assert states == ["PROCESSING", "PROCESSING", "APPROVED"]
    assert prolific.books.paid().total == 210


async def test_a_rejection_needs_a_reason_and_is_final(prolific: ProlificStandIn, ask: Asker) -> None:
    one = hand_in(prolific, await ask.publish())
    for message, category in (("Bad.", "LOW_EFFORT"), (REASON, "UGLY")):
        assert (await decide(ask, one, "REJECT", message=message, rejection_category=category))[0] == 400
    for _ in range(2):
        assert (await decide(ask, one, "REJECT", message=REASON, rejection_category="LOW_EFFORT"))[0] == 200
        prolific.advance(2)
    assert status(prolific, one) == "REJECTED"
    assert (await decide(ask, one, "APPROVE"))[0] == 400
    assert prolific.books.paid().total == 0


@pytest.mark.parametrize("settings", [StandInSettings(seeing=4)])
async def test_approving_before_prolific_saw_the_end_is_refused(prolific: Any, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    assert (await decide(ask, one, "APPROVE"))[0] == 400
    prolific.advance(4)
    assert (await decide(ask, one, "APPROVE"))[0] == 200


async def test_nobody_decides_for_21_days_and_it_is_approved(prolific: ProlificStandIn, ask: Asker) -> None:
    one = hand_in(prolific, await ask.publish())
    prolific.advance(3 * WEEK - 1)
    assert status(prolific, one) == "AWAITING REVIEW"
    prolific.advance(1)
    assert (status(prolific, one), prolific.books.paid().total) == ("APPROVED", 210)


async def test_many_are_approved_later_and_asked_for_once(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    ids = [hand_in(prolific, study_id) for _ in range(2)]
    assert (await ask("POST", "/submissions/bulk-approve/", {"submission_ids": ids, "study_id": study_id}))[0] == 400
    for _ in range(2):
        assert (await ask("POST", "/submissions/bulk-approve/", {"submission_ids": ids}))[0] == 200
    assert {status(prolific, one) for one in ids} == {"AWAITING REVIEW"}
    prolific.advance(10)
    assert (await ask("GET", f"/studies/{study_id}/submissions/counts/"))[1]["APPROVED"] == 2
    assert prolific.books.paid().total == 420


async def test_counts_and_places_follow_every_change(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    hand_in(prolific, study_id)
    gone = begin(prolific, study_id)
    give_back(prolific.world, prolific.world.submission(gone))
    counts = (await ask("GET", f"/studies/{study_id}/submissions/counts/"))[1]
    assert {name: n for name, n in counts.items() if n} == {"AWAITING REVIEW": 1, "RETURNED": 1, "TOTAL": 2}
    shown = (await ask("GET", f"/studies/{study_id}/"))[1]
    assert (shown["places_taken"], shown["number_of_submissions"]) == (1, 2)


async def test_an_unscoped_list_holds_every_study(prolific: ProlificStandIn, ask: Asker) -> None:
    first, second = await ask.publish(), await ask.publish()
    ids = [hand_in(prolific, first), hand_in(prolific, second)]
    assert [row["id"] for row in (await ask("GET", "/submissions/"))[1]["results"]] == ids
    assert [row["id"] for row in (await ask("GET", "/submissions/", study=second))[1]["results"]] == ids[1:]
