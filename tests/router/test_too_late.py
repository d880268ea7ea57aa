"""Who comes when a run is over goes back to where they came from, as far as their own address says who they are."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mephisto_nb.model.outcomes import ExitLink, LateExit, Outcome
from mephisto_nb.router.operator.frames import BadFrame, SyncFrame, read_frame
from mephisto_nb.router.rules import late_way_back
from tests.router.harness import Browser, shake_hands

URL = "https://panel.example/full/{session}?rid={participant}"
LATE = LateExit(
    ExitLink(Outcome.QUOTA_FULL, URL, "FULL1", "Go back."), {"participant": "rid", "session": "s"}
).to_dict()


def sync(late_exit: Any) -> SyncFrame:
    frame = read_frame(json.dumps({"type": "sync", "last": True, "late_exit": late_exit}))
    assert isinstance(frame, SyncFrame)
    return frame


async def ask(browser: Browser, **parameters: Any) -> Any:
    _, packet = await browser.post("/request_agent", {"provider_data": {"parameters": parameters}})
    return packet["data"]


async def test_who_comes_too_late_is_told_the_way_back(start_router, session) -> None:
    router = start_router()
    async with shake_hands(router.address) as operator:
        browser = Browser(router.address, session)
        await operator.send({"type": "sync", "last": True, "late_exit": LATE})
        await operator.next_of("synced")
        await operator.send({"type": "finish", "linger": 60})
        await operator.next_of("finishing")
        told = await ask(browser, rid="a/b", s="v1")
        assert (told["failure_code"], told["agent_id"]) == ("run_over", None)
        assert told["exit"]["url"] == "https://panel.example/full/v1?rid=a%2Fb"
        assert (told["exit"]["code"], told["exit"]["automatic"]) == ("FULL1", False)


async def test_until_the_end_nobody_is_told_it(operator, browser) -> None:
    await operator.send({"type": "sync", "late_exit": LATE})
    await operator.next_of("synced")
    asking = asyncio.create_task(ask(browser, rid="x", s="y"))
    await operator.message("register_agent")
    await operator.send({"type": "sync", "last": True})
    told = await asking
    assert (told["failure_code"], "exit" in told) == ("run_over", False)


@pytest.mark.parametrize("value", ["..", ".", "", None, 7, "x" * 3000])
def test_a_value_that_is_none_leaves_the_address_out(value: Any) -> None:
    found = late_way_back(LATE, {"rid": value, "s": "v1"})
    assert (found["url"], found["code"]) == (None, "FULL1")
    assert "parameters" not in found


@pytest.mark.parametrize(
    "hostile", ["@evil.example/", "?x=1#", "{session}", "\\\\evil", "\r\nSet-Cookie: a=b", "\ud800"]
)
def test_no_value_leads_elsewhere(hostile: str) -> None:
    url = late_way_back(LATE, {"rid": "r", "s": hostile})["url"]
    assert url.startswith("https://panel.example/full/")
    assert url.endswith("?rid=r")
    assert set(url.removeprefix("https://panel.example/full/").removesuffix("?rid=r")).isdisjoint("/?#@{}\\\r\n")


@pytest.mark.parametrize("came_by", [None, "rid=1", [], {}])
def test_who_says_nothing_gets_the_words_alone(came_by: Any) -> None:
    assert late_way_back(LATE, came_by)["url"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {**LATE, "url": "https://{participant}/"},
        {**LATE, "url": "javascript:alert(1)"},
        {**LATE, "parameters": None},
        {**LATE, "parameters": {"participant": 7}},
        "https://crowd.example",
        {**LATE, "text": "x" * 9000},
    ],
)
def test_a_way_back_that_makes_no_sense_is_none(wrong: Any) -> None:
    assert sync(wrong).late_exit is None
    assert sync(LATE).late_exit == LATE
    with pytest.raises(BadFrame):
        read_frame('{"type":"sync","n":-1}')
