"""Who has finished is handed in for by us, so that a closed tab costs nobody their pay."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.errors import WorldError
from mephisto_nb.model.outcomes import Outcome, VisitEnd
from mephisto_nb.providers.prolific import ProlificProvider, ProlificScreenOutArgs
from mephisto_nb.testing.prolific import Mishap, ProlificStandIn
from mephisto_nb.testing.prolific.submissions import give_back, submit
from tests.prolific import begin
from tests.providers.prolific.offers import opened, provider_of

PAYING = {"screen_out": ProlificScreenOutArgs(0.3, 5)}


async def at_work(prolific: ProlificStandIn, provider: ProlificProvider) -> str:
    return begin(prolific, (await provider.recruiter.read_study()).study_id)


def end(submission_id: str, outcome: Outcome = Outcome.COMPLETED) -> VisitEnd:
    return VisitEnd("visit", "5f0123456789abcdef012345", submission_id, outcome, 1)


async def test_a_closed_tab_costs_nobody_their_pay(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    submission_id = await at_work(registered, provider)
    await provider.exits.finish(end(submission_id))
    await provider.exits.finish(end(submission_id))
    assert registered.world.submission(submission_id).status == "AWAITING REVIEW"


async def test_auto_approve_pays_at_once(registered: ProlificStandIn) -> None:
    provider = await opened(registered, auto_approve=True)
    submission_id = await at_work(registered, provider)
    await provider.exits.finish(end(submission_id))
    assert registered.world.submission(submission_id).status == "APPROVED"


async def test_a_code_that_somebody_has_told_others_pays_nobody(registered: ProlificStandIn) -> None:
    provider = await opened(registered, auto_approve=True)
    lazy, diligent = [registered.world.submission(await at_work(registered, provider)) for _ in range(2)]
    link = provider.exits.get_exit(end(diligent.id))
    assert link is not None
    for one in (lazy, diligent):
        submit(registered.world, one, link.code)
    await provider.exits.finish(end(diligent.id))
    registered.advance(10)
    assert (lazy.status, diligent.status) == ("AWAITING REVIEW", "APPROVED")


async def test_who_is_too_late_there_is_handed_in_for(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    submission_id = await at_work(registered, provider)
    registered.advance(7200)
    assert registered.world.submission(submission_id).status == "TIMED-OUT"
    await provider.exits.finish(end(submission_id))
    assert registered.world.submission(submission_id).status == "AWAITING REVIEW"


async def test_failed_checks_are_looked_at_by_a_person(registered: ProlificStandIn) -> None:
    provider = await opened(registered, auto_approve=True)
    submission_id = await at_work(registered, provider)
    await provider.exits.finish(end(submission_id, Outcome.FAILED_CHECKS))
    one = registered.world.submission(submission_id)
    assert one.status == "AWAITING REVIEW"
    kinds = {code["code"]: code["code_type"] for code in one.study.codes}
    assert kinds[one.code or ""] == "FAILED_CHECKS_BY_SERVER"


async def test_a_screening_is_paid_where_that_is_set(registered: ProlificStandIn) -> None:
    provider = await opened(registered, **PAYING)
    submission_id = await at_work(registered, provider)
    await provider.exits.finish(end(submission_id, Outcome.SCREENED_OUT))
    one = registered.world.submission(submission_id)
    assert (one.status, one.bonuses) == ("SCREENED OUT", [30])
    link = provider.exits.get_exit(end(submission_id, Outcome.SCREENED_OUT))
    assert link is not None
    assert (link.url, link.code) == (None, None)
    visit = await provider.recruiter.read_visit(submission_id)
    assert visit is not None
    assert (str(visit.paid), visit.bonuses) == ("£0.30", ())


@pytest.mark.parametrize(
    "outcome", [Outcome.NO_CONSENT, Outcome.RETURNED, Outcome.TIMED_OUT, Outcome.QUOTA_FULL, Outcome.SCREENED_OUT]
)
async def test_who_has_not_finished_is_not_handed_in_for(registered: ProlificStandIn, outcome: Outcome) -> None:
    provider = await opened(registered)
    submission_id = await at_work(registered, provider)
    await provider.exits.finish(end(submission_id, outcome))
    assert registered.world.submission(submission_id).status == "ACTIVE"


@pytest.mark.parametrize("outcome", [Outcome.NO_CONSENT, Outcome.QUOTA_FULL, Outcome.SCREENED_OUT])
async def test_a_code_that_ends_without_pay_asks_to_return(registered: ProlificStandIn, outcome: Outcome) -> None:
    provider = await opened(registered)
    one = registered.world.submission(await at_work(registered, provider))
    link = provider.exits.get_exit(end(one.id, outcome))
    assert link is not None
    assert link.code is not None
    submit(registered.world, one, link.code)
    assert one.return_requested is not None


async def test_the_code_that_people_take_along_is_the_studys(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    one = registered.world.submission(await at_work(registered, provider))
    link = provider.exits.get_exit(end(one.id))
    assert link is not None
    assert link.url == f"https://app.prolific.com/submissions/complete?cc={link.code}"
    await provider.exits.finish(end(one.id))
    submit(registered.world, one, link.code)
    kinds = {code["code"]: (code["code_type"], code["actor"]) for code in one.study.codes}
    assert kinds[str(link.code)] == ("COMPLETED", "participant")


@pytest.mark.parametrize("code", ["C", None])
async def test_who_has_handed_in_themselves_is_left_alone(registered: ProlificStandIn, code: Any) -> None:
    provider = await opened(registered)
    one = registered.world.submission(await at_work(registered, provider))
    submit(registered.world, one, code)
    await provider.exits.finish(end(one.id))
    assert one.status == "AWAITING REVIEW"


async def test_who_has_returned_their_place_stays_returned(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    one = registered.world.submission(await at_work(registered, provider))
    give_back(registered.world, one)
    await provider.exits.finish(end(one.id))
    assert one.status == "RETURNED"


async def test_a_place_that_is_only_reserved_is_told_again(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    one = registered.world.submission(await at_work(registered, provider))
    one.status = "RESERVED"
    with pytest.raises(WorldError, match="'RESERVED'"):
        await provider.exits.finish(end(one.id))


@pytest.mark.parametrize("mishap", [Mishap.LOST_AFTER, Mishap.ERROR, Mishap.TOO_MANY])
async def test_an_answer_that_is_lost_is_asked_for_again(registered: ProlificStandIn, mishap: Mishap) -> None:
    provider = await opened(registered)
    submission_id = await at_work(registered, provider)
    registered.mishaps.happen(mishap, on=f"POST /submissions/{submission_id}/transition/")
    await provider.exits.finish(end(submission_id))
    assert registered.world.submission(submission_id).status == "AWAITING REVIEW"


def test_codes_are_of_the_run_and_different_for_each_end(prolific: ProlificStandIn) -> None:
    def codes(secret: str) -> set[str]:
        made = provider_of(prolific, secret)._codes.compose(auto_approve=False, screen_out=None)
        return {one["code"] for one in made}

    assert codes("a" * 64) == codes("a" * 64)
    assert len(codes("a" * 64) | codes("b" * 64)) == 2 * len(codes("a" * 64))


async def test_who_comes_too_late_is_led_back_to_return_the_place(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    late = provider.exits.get_exit_if_over()
    assert late is not None
    one = registered.world.submission(await at_work(registered, provider))
    [code] = [code for code in one.study.codes if code["code"] == late.link.code]
    assert [action["action"] for action in code["actions"]] == ["REQUEST_RETURN"]
    assert f"cc={late.link.code}" in (late.link.url or "")
    assert "return your place" in late.link.text


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.RETURNED])
async def test_nobody_is_told_to_return_a_place_that_may_be_gone(registered: ProlificStandIn, outcome: Outcome) -> None:
    link = (await opened(registered)).exits.get_exit(end("7f0123456789abcdef012345", outcome))
    assert link is not None
    assert link.text.startswith("If you still hold a place")
