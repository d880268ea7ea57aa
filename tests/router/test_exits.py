"""How a worker goes back to their crowd is kept with their agent, and told with the answer that is taken alone."""

import json

import aiohttp
import pytest

from mephisto_nb.model.outcomes import ExitLink, Outcome
from mephisto_nb.model.packets import LONGEST_EXIT
from mephisto_nb.router.operator.frames import read_effect
from mephisto_nb.rules.visits import seal
from tests.router.harness import Browser, shake_hands

LINK = ExitLink(Outcome.COMPLETED, "https://crowd.example.org/done?cc=C0DE42", "C0DE42", "Thank you.")
GONE = (404, 409)


def answer(agent, **fields):
    return {"USED_AGENT_ID": agent, "final_data": fields}


async def give(operator, link=LINK, **data):
    return await operator.give_agent(**data, **seal(link))


async def test_the_answer_that_is_taken_tells_how_to_go_back(browser, operator):
    agent = await give(operator)
    assert await browser.post("/submit_task", answer(agent, x=1)) == (
        200,
        {"status": "Submitted!", "exit": LINK.to_dict()},
    )


async def test_who_has_no_way_back_is_told_none(browser, operator, agent):
    assert await browser.post("/submit_task", answer(agent, x=1)) == (200, {"status": "Submitted!"})


async def test_the_same_answer_tells_it_again_and_another_does_not(browser, operator):
    agent = await give(operator)
    await browser.post("/submit_task", answer(agent, x=1))
    code, again = await browser.post("/submit_task", answer(agent, x=1))
    assert (code, again) == (200, {"status": "Submitted!", "duplicate": True, "exit": LINK.to_dict()})
    code, other = await browser.post("/submit_task", answer(agent, x=2))
    assert code == 409
    assert "C0DE42" not in json.dumps(other)


async def test_an_answer_that_nobody_sent_leads_nowhere(browser, operator):
    agent = await give(operator, status="completed")
    code, told = await browser.post("/submit_task", answer(agent, x=1))
    assert (code, told) == (200, {"status": "Submitted!", "duplicate": True})


async def test_it_outlasts_the_router(start_router):
    router = start_router()
    async with shake_hands(router.address) as operator:
        agent = await give(operator)
    for is_again in (None, True):
        router.kill()
        router = start_router()
        async with aiohttp.ClientSession() as session:
            code, told = await Browser(router.address, session).post("/submit_task", answer(agent, x=1))
        assert (code, told.get("duplicate"), told.get("exit")) == (200, is_again, LINK.to_dict())


async def test_nothing_tells_it_before_the_answer_is_taken(browser, operator):
    asked = browser.request_agent("ann")
    _, packet = await operator.message("register_agent")
    request_id = packet["data"]["request_id"]
    details = {"request_id": request_id, "worker_id": "w", "agent_id": "a1", "status": "in task", **seal(LINK)}
    await operator.tell("agent_details", request_id, details)
    heard = [json.dumps(await asked)]
    async with browser.socket() as page:
        await page.send("alive", "a1", {})
        heard += [json.dumps(await page.receive()) for _ in range(2)]
    for path, content in {
        "/return_unit": {"USED_AGENT_ID": "a2"},
        "/submit_metadata": {"USED_AGENT_ID": "a1", "metadata": {"a": "b"}},
        "/log_error": {"USED_AGENT_ID": "a1", "error_data": {"a": "b"}},
    }.items():
        heard.append(json.dumps((await browser.post(path, content))[1]))
    assert "a1" in heard[0]
    assert [one for one in heard if "C0DE42" in one or "sealed" in one] == []


async def test_nobody_fetches_the_way_back_of_another(browser, operator):
    agent, other = await give(operator), await operator.give_agent()
    for hostile in (f"{agent}x", agent[:-1], agent.upper(), "", None, 7, [agent], {"a": agent}, "' OR 1=1 --", "%"):
        code, told = await browser.post("/submit_task", answer(hostile, x=1))
        assert 400 <= code < 500
        assert "C0DE42" not in json.dumps(told)
    assert await browser.post("/submit_task", answer(other, exit=agent)) == (200, {"status": "Submitted!"})
    for path in (f"/submit_task/{agent}", f"/exit/{agent}", f"/sealed_exits?agent_id={agent}"):
        response = await browser.get(path)
        assert response.status in (404, 405)
        assert "C0DE42" not in await response.text()


@pytest.mark.parametrize("status", ["timeout", "expired", "returned", "disconnect"])
async def test_whose_task_is_closed_gets_no_way_back_of_who_has_finished(browser, operator, status):
    agent = await give(operator)
    await operator.effect("update_status", agent, {"status": status})
    code, told = await browser.post("/submit_task", answer(agent, x=1))
    assert code == 409
    assert "C0DE42" not in json.dumps(told)


async def test_the_last_word_counts(browser, operator):
    screened = ExitLink(Outcome.SCREENED_OUT, None, None, "Thank you.", automatic=False)
    kept, changed, forgotten = await give(operator), await give(operator), await give(operator)
    await operator.effect("update_status", kept, {"status": "in task"})
    await operator.effect("update_status", changed, {"status": "in task", **seal(screened)})
    await operator.give_agent(forgotten, **seal(None))
    told = [(await browser.post("/submit_task", answer(agent, x=1)))[1] for agent in (kept, changed, forgotten)]
    assert [one.get("exit") for one in told] == [LINK.to_dict(), screened.to_dict(), None]


WRONG = [
    7,
    "https://crowd.example.org",
    [],
    {},
    LINK.to_dict() | {"url": "javascript:alert(1)"},
    LINK.to_dict() | {"url": "data:text/html,x"},
    LINK.to_dict() | {"url": "//elsewhere.example.org"},
    LINK.to_dict() | {"url": "https://a.org/\n"},
    LINK.to_dict() | {"code": 7},
    LINK.to_dict() | {"text": "x" * LONGEST_EXIT},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: repr(one)[:40])
def test_a_way_back_that_makes_no_sense_is_none_and_the_rest_counts(wrong):
    packet = {"packet_type": "agent_details", "subject_id": "r"}
    effect = read_effect(1, packet | {"data": {"agent_id": "a", "status": "in task", "sealed_exit": wrong}})
    assert effect is not None
    assert effect.sealed == ""
    assert "sealed" not in effect.text
