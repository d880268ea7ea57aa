"""Whoever comes is who their address says: by what Prolific has signed, or by what it answers."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mephisto_nb.errors import WorldError
from mephisto_nb.providers.prolific import ProlificProvider
from mephisto_nb.testing.prolific import Mishap, ProlificStandIn
from mephisto_nb.testing.prolific.entry_links import entry_address
from mephisto_nb.testing.prolific.submissions import give_back, submit
from tests.prolific import begin
from tests.providers.prolific.offers import opened, provider_of


async def come(prolific: ProlificStandIn, provider: ProlificProvider) -> tuple[str, dict[str, str]]:
    """Have somebody open the study, and return their submission and what their address holds."""
    submission_id = begin(prolific, (await provider.recruiter.read_study()).study_id)
    address = entry_address(prolific.world.submission(submission_id), prolific.keys, prolific.clock.now())
    return submission_id, dict(parse_qsl(urlsplit(address).query))


async def enter(provider: ProlificProvider, parameters: dict[str, Any]) -> str:
    data = {"parameters": parameters}
    identity = provider.identify(data)
    await provider.vouch_for(identity, data)
    return identity.registration_id


def asked_for_submissions(prolific: ProlificStandIn) -> int:
    return sum("GET /submissions/" in request for _, request in prolific.mishaps.happened)


async def test_a_signed_address_is_believed_without_asking(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    submission_id, given = await come(registered, provider)
    registered.mishaps.happen(Mishap.ERROR, on="GET /submissions/", times=99)
    assert await enter(provider, given) == submission_id
    assert asked_for_submissions(registered) == 0
    identity = provider.identify({"parameters": given})
    assert (identity.worker_name, identity.captured) == (given["PROLIFIC_PID"], {"study": given["STUDY_ID"]})


async def test_a_token_that_has_expired_is_looked_up(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    submission_id, given = await come(registered, provider)
    registered.advance(900)
    assert await enter(provider, given) == submission_id


async def test_without_a_token_it_is_looked_up(registered: ProlificStandIn) -> None:
    provider = await opened(registered, signed_addresses=False)
    submission_id, given = await come(registered, provider)
    assert "prolific_token" not in given
    assert await enter(provider, given) == submission_id


@pytest.mark.parametrize("name", ["PROLIFIC_PID", "SESSION_ID", "STUDY_ID"])
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "looked up"])
async def test_ids_that_were_changed_are_refused(registered: ProlificStandIn, name: str, signed: bool) -> None:
    provider = await opened(registered, signed_addresses=signed)
    _, given = await come(registered, provider)
    _, other = await come(registered, provider)
    other["STUDY_ID"] = "0" * 24
    with pytest.raises(ValueError, match=r"was changed|another study"):
        await enter(provider, given | {name: other[name]})


async def test_a_token_of_nobody_is_worth_no_more_than_none(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    submission_id, given = await come(registered, provider)
    _, other = await come(registered, provider)
    token = given["prolific_token"]
    for forged in (token[:-6] + "AAAAAA", "x.y.z", "nonsense", token.split(".")[0] + "." * 2, "\ud800.a.b"):
        assert await enter(provider, given | {"prolific_token": forged}) == submission_id  # by Prolific's own word
        for name in ("PROLIFIC_PID", "SESSION_ID"):
            with pytest.raises(ValueError, match="was changed"):
                await enter(provider, given | {"prolific_token": forged, name: other[name]})


async def test_a_clock_that_is_behind_keeps_nobody_out(
    registered: ProlificStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    provider = await opened(registered)
    submission_id = begin(registered, (await provider.recruiter.read_study()).study_id)
    one = registered.world.submission(submission_id)
    for _ in range(2):
        address = entry_address(one, registered.keys, registered.clock.now() + 300)
        assert await enter(provider, dict(parse_qsl(urlsplit(address).query))) == submission_id
    assert [record.getMessage() for record in caplog.records if "Check this computer's clock" in record.getMessage()]


async def test_a_token_that_only_says_it_is_old_is_worth_none(registered: ProlificStandIn) -> None:
    """Whoever writes an old one by hand is looked up, and found to be nobody."""
    provider = await opened(registered)
    _, given = await come(registered, provider)
    registered.advance(900)
    with pytest.raises(ValueError, match="no such submission"):
        await enter(provider, given | {"SESSION_ID": "a" * 24})


OVER = {
    "returned": (lambda prolific, one: give_back(prolific.world, one), "have returned"),
    "late": (lambda prolific, one: prolific.advance(7200), "time for this study is over"),
    "handed in": (lambda prolific, one: submit(prolific.world, one, "X"), "handed in already"),
}


@pytest.mark.parametrize(("end", "words"), OVER.values(), ids=OVER)
async def test_who_comes_when_it_is_over_is_told_so(registered: ProlificStandIn, end: Any, words: str) -> None:
    provider = await opened(registered, signed_addresses=False)
    submission_id, given = await come(registered, provider)
    end(registered, registered.world.submission(submission_id))
    with pytest.raises(ValueError, match=words):
        await enter(provider, given)


async def test_if_prolific_cannot_be_asked_the_page_asks_again(registered: ProlificStandIn) -> None:
    provider = await opened(registered, signed_addresses=False)
    submission_id, given = await come(registered, provider)
    registered.mishaps.happen(Mishap.ERROR, on="GET /submissions/", times=6)
    with pytest.raises(WorldError):
        await enter(provider, given)
    assert await enter(provider, given) == submission_id


async def test_before_the_study_is_known_nobody_is_believed(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    _, given = await come(registered, provider)
    with pytest.raises(WorldError, match="not known yet"):
        await enter(provider_of(registered), given)


PID, STUDY, SESSION = "5f0123456789abcdef012345", "6f0123456789abcdef012345", "7f0123456789abcdef012345"
GIVEN = {"PROLIFIC_PID": PID, "STUDY_ID": STUDY, "SESSION_ID": SESSION}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PROLIFIC_PID": "{{%PROLIFIC_PID%}}"}, "by hand"),
        ({"SESSION_ID": "{{%SESSION_ID%}}"}, "by hand"),
        ({"SESSION_ID": "035orbpf1pk3"}, "preview"),
        ({"SESSION_ID": ""}, "SESSION_ID is missing"),
        ({"PROLIFIC_PID": "ann"}, "PROLIFIC_PID in it is no id"),
        ({"STUDY_ID": STUDY.upper()}, "STUDY_ID in it is no id"),
        ({"SESSION_ID": "../../users/me"}, "SESSION_ID in it is no id"),
        ({"SESSION_ID": "٣" * 24}, "SESSION_ID in it is no id"),
        ({"PROLIFIC_PID": "x" * 9000}, "PROLIFIC_PID is missing"),
    ],
)
def test_what_is_no_id_is_refused_kindly(prolific: ProlificStandIn, changes: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        provider_of(prolific).identify({"parameters": GIVEN | changes})


def test_identify_takes_ids_as_they_are(prolific: ProlificStandIn) -> None:
    found = provider_of(prolific).identify({"parameters": GIVEN})
    assert dataclasses.astuple(found) == (PID, SESSION, {"study": STUDY})


async def test_who_invents_ids_has_prolific_asked_no_faster(registered: ProlificStandIn) -> None:
    provider = await opened(registered)
    _, given = await come(registered, provider)
    del given["prolific_token"]
    before = registered.clock.now()
    found = [enter(provider, given | {"SESSION_ID": f"{number:024x}"}) for number in range(8)]
    assert all(isinstance(one, ValueError) for one in await asyncio.gather(*found, return_exceptions=True))
    assert registered.clock.now() - before == 8.0  # in this clock, one after the other
    await enter(provider, given)
    assert registered.clock.now() - before == 8.0
