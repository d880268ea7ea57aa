"""The books of the stand-in: to the penny, whatever happens."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mephisto_nb.testing.prolific import Habit, Participant, ProlificStandIn
from mephisto_nb.testing.prolific.books import StandInBooks
from mephisto_nb.testing.prolific.studies import to_be_kept
from tests.prolific import CODES, DONE, REASON, SERVER, Asker, begin, code, hand_in


async def set_up(ask: Asker, study_id: str, *lines: str) -> dict[str, object]:
    body = {"study_id": study_id, "csv_bonuses": "\n".join(lines)}
    status, told = await ask("POST", "/submissions/bonus-payments/", body)
    assert status == 201, told
    return dict(told)


async def test_bonuses_are_given_in_pounds_and_told_in_pence(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one, two = hand_in(prolific, study_id), hand_in(prolific, study_id)
    told = await set_up(ask, study_id, f"{prolific.world.submission(one).participant_id},1.50", f"{two},0.20")
    assert told == {"id": told["id"], "study": study_id, "amount": 170, "fees": 57, "vat": 11, "total_amount": 238}


async def test_bonuses_come_late_and_twice_if_asked_twice(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    before = prolific.account.available
    told = await set_up(ask, study_id, f"{one},1.50")
    for _ in range(2):
        assert await ask("POST", f"/bulk-bonus-payments/{told['id']}/pay/") == (202, None)
    assert (await ask("GET", f"/submissions/{one}/"))[1]["bonus_payments"] == []
    assert before - prolific.account.available == 420
    prolific.advance(60)
    assert (await ask("GET", f"/submissions/{one}/"))[1]["bonus_payments"] == [150, 150]
    assert (prolific.books.paid("bonus").total, prolific.books.problems()) == (420, [])


@pytest.mark.parametrize("line", ["nobody,1.00", "{one},0", "{one},-1", "{one},1.505", "{one},ten", "{one}", ""])
async def test_bonuses_that_cannot_be_are_refused(prolific: ProlificStandIn, ask: Asker, line: str) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    body = {"study_id": study_id, "csv_bonuses": line.format(one=one)}
    assert (await ask("POST", "/submissions/bonus-payments/", body))[0] == 400


async def test_a_bonus_needs_work_in_that_very_study(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id, other = await ask.publish(), await ask.publish()
    one = hand_in(prolific, study_id)
    body = {"study_id": other, "csv_bonuses": f"{one},1.00"}
    status, told = await ask("POST", "/submissions/bonus-payments/", body)
    assert (status, one in told["detail"]) == (400, True)


async def test_a_bonus_beyond_the_balance_is_not_paid(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    told = await set_up(ask, study_id, f"{hand_in(prolific, study_id)},900.00")
    assert (await ask("POST", f"/bulk-bonus-payments/{told['id']}/pay/"))[0] == 400


async def test_balance_and_cost_say_what_the_books_say(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    await ask("POST", f"/submissions/{one}/transition/", {"action": "APPROVE"})
    told = await set_up(ask, study_id, f"{one},0.20")
    await ask("POST", f"/bulk-bonus-payments/{told['id']}/pay/")
    prolific.advance(100)
    balance = (await ask("GET", f"/workspaces/{prolific.workspace_id}/balance/"))[1]
    assert balance["total_balance"] == 100_000 - 210 - 28
    assert balance["available_balance"] == balance["total_balance"] - 2 * 210
    assert sum(balance["balance_breakdown"].values()) == balance["total_balance"]
    cost = (await ask("GET", f"/studies/{study_id}/cost/"))[1]
    assert {name: part["amount"] for name, part in cost["rewards"].items()} == {"rewards": 150, "fees": 50, "tax": 10}
    assert {name: part["amount"] for name, part in cost["bonuses"].items()} == {"rewards": 20, "fees": 7, "tax": 1}
    projected = (await ask("GET", f"/studies/{study_id}/cost/", is_projected="true"))[1]
    assert projected["rewards"]["rewards"] == {"amount": 450, "currency": "GBP"}
    body = {"reward": 150, "total_available_places": 3}
    assert (await ask("POST", "/study-cost-calculator/", body))[1] == {"total_cost": 630}


async def test_what_a_finished_study_did_not_need_comes_back(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish()
    hand_in(prolific, study_id)
    await ask("POST", f"/studies/{study_id}/transition/", {"action": "STOP"})
    prolific.advance(22 * 86_400)
    account = prolific.account
    assert (account.total, account.locked, account.available) == (99_790, 0, 99_790)


async def test_one_too_many_is_paid_if_there_is_money(prolific: ProlificStandIn, ask: Asker) -> None:
    study_id = await ask.publish(total_available_places=1)
    late = begin(prolific, study_id)
    prolific.advance(29 * 60)
    hand_in(prolific, study_id)
    path, body = f"/submissions/{late}/transition/", {"action": "COMPLETE", "completion_code": SERVER}
    left, prolific.account.total = prolific.account.available, prolific.account.locked
    status, told = await ask("POST", path, body)
    assert (status, "Insufficient funds" in told["error"]["detail"]) == (400, True)
    prolific.account.total += left
    assert (await ask("POST", path, body))[0] == 200
    prolific.advance(22 * 86_400)
    assert (prolific.books.paid().total, prolific.account.locked, prolific.books.problems()) == (420, 0, [])


#: What a researcher may ask for, whether it is allowed or not.
WISHES: list[dict[str, Any]] = [
    {"action": "APPROVE"},
    {"action": "REJECT", "message": REASON, "rejection_category": "OTHER"},
    {"action": "COMPLETE", "completion_code": SERVER},
    {"action": "COMPLETE", "completion_code": "OUT"},
    {"action": "COMPLETE", "completion_code": "PART", "completion_code_data": {"percentage_of_reward": 33}},
]


@pytest.mark.parametrize("seed", range(4))
async def test_the_books_add_up_whatever_happens(prolific: ProlificStandIn, ask: Asker, seed: int) -> None:
    out = {"action": "FIXED_SCREEN_OUT_PAYMENT", "fixed_screen_out_reward": 33, "slots": 3}
    codes = [*CODES, code("OUT", out, actor="researcher"), code("PART", "DYNAMIC_PAYMENT", actor="researcher")]
    page = f"{prolific.url}/.well-known/study/jwks.json"
    study_id = await ask.publish(external_study_url=page, total_available_places=12, completion_codes=codes)
    chance, world = random.Random(seed), prolific.world
    study = world.study(study_id)

    async def done(entry_url: str, participant: Participant) -> str:
        return DONE

    habits = {one: 0.12 for one in Habit if one not in (Habit.WORK, Habit.COME_BACK)}
    for round_ in range(3):
        crowd = prolific.participants(10, seed=10 * seed + round_, habits=habits)
        await crowd.come(done)
        for one in list(study.submissions):
            wish = chance.choice(WISHES)
            await ask("POST", f"/submissions/{one.id}/transition/", wish)
        told = await set_up(ask, study_id, f"{chance.choice(study.submissions).id},0.{chance.randrange(10, 99)}")
        await ask("POST", f"/bulk-bonus-payments/{told['id']}/pay/")
        prolific.advance(chance.choice([1, 100, 5000]))
        assert prolific.account.total + prolific.books.paid().total == 100_000
        assert prolific.books.problems() == []
        assert prolific.account.locked_by.get(study_id, 0) == to_be_kept(study)
    await ask("POST", f"/studies/{study_id}/transition/", {"action": "STOP"})
    prolific.advance(30 * 86_400)
    assert (study.status, prolific.account.locked) == ("COMPLETED", 0)
    paid_twice = [one for one in study.submissions if len(base_payments(prolific, one.id)) > 1]
    assert paid_twice == []


def base_payments(prolific: ProlificStandIn, submission_id: str) -> list[str]:
    """Return what a submission was paid, bonuses apart."""
    return [one.kind for one in prolific.books.of_submission(submission_id) if one.kind != "bonus"]


@given(st.integers(0, 10_000_000), st.integers(0, 600), st.integers(0, 250))
def test_parts_of_a_balance_always_add_up(total: int, fees: int, vat: int) -> None:
    books = StandInBooks(Decimal(fees) / 10, Decimal(vat) / 10)
    parts = books.split(total)
    assert parts.total == total
    assert min(parts.amount, parts.fees, parts.vat) >= 0
