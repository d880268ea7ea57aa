"""What a worker was told is received reaches the operator, whatever happens in between."""

import asyncio

import pytest

from tests.router.harness import Browser, shake_hands


async def test_a_registration_is_answered_with_the_operators_packet(browser, operator):
    asking = browser.request_agent("ann")
    _, packet = await operator.message("register_agent")
    assert packet["data"]["provider_data"] == {"worker_name": "ann"}
    request_id = packet["data"]["request_id"]
    agent_id = await operator.give_agent(request_id=request_id, init_task_data={"text": "é\ud800"})
    status, answer = await asking
    assert (status, answer["packet_type"]) == (200, "agent_details")
    assert answer["data"]["agent_id"] == agent_id
    assert answer["data"]["init_task_data"] == {"text": "é\ud800"}


async def test_a_refusal_has_explicit_nulls(browser, operator):
    asking = browser.request_agent()
    _, packet = await operator.message("register_agent")
    refusal = {"request_id": packet["data"]["request_id"], "failure_reason": "No.", "failure_code": "blocked"}
    await operator.effect("agent_details", packet["subject_id"], refusal)
    _, answer = await asking
    nothing = dict.fromkeys(("agent_id", "worker_id", "init_task_data"))
    assert answer["data"] == {**nothing, **refusal}


async def test_a_submission_survives_the_death_of_the_router(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        await operator.give_agent("a1")
    assert await Browser(router.address, session).submit("a1", answer=42) == (200, {"status": "Submitted!"})
    router.kill()
    again = start_router()
    async with shake_hands(again.address) as operator:
        _, packet = await operator.message()
        assert (packet["subject_id"], packet["data"]) == ("a1", {"final_data": {"answer": 42}, "files": []})
    status, answer = await Browser(again.address, session).submit("a1", answer=42)
    assert (status, answer["duplicate"]) == (200, True)


async def test_an_agent_submits_once(browser, operator, agent):
    answers = await asyncio.gather(*(browser.submit(agent, attempt=1) for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5
    assert sum("duplicate" in answer for _, answer in answers) == 4
    other = await operator.give_agent()
    await browser.submit(other)
    received = [(await operator.message("submit_unit"))[1]["subject_id"] for _ in range(2)]
    assert received == [agent, other]


async def test_the_same_answer_again_is_no_news_and_another_one_is(browser, operator, agent):
    statuses = [(await browser.submit(agent, text=text))[0] for text in ("a", "a", "b", "b", "a", "c")]
    assert statuses == [200, 200, 409, 409, 200, 409]
    assert (await browser.submit(agent, text="c"))[1]["error"]["code"] == "already_sent"
    said = [(await operator.message("submit_unit"))[1]["data"]["final_data"] for _ in range(3)]
    assert said == [{"text": "a"}, '{"text":"b"}', '{"text":"c"}']


async def test_a_page_that_never_stops_sending_is_told_of_ten_times(browser, operator, agent):
    for number in range(20):
        await browser.submit(agent, number=number)
    other = await operator.give_agent()
    await browser.submit(other)
    subjects = [(await operator.message("submit_unit"))[1]["subject_id"] for _ in range(12)]
    assert subjects == [agent] * 11 + [other]


async def test_what_is_sent_again_has_arrived_whatever_its_order(browser, agent):
    assert await browser.submit(agent, a=1, b=[{"c": 2.5, "d": "é"}]) == (200, {"status": "Submitted!"})
    assert (await browser.submit(agent, b=[{"d": "é", "c": 2.5}], a=1))[0] == 200
    assert [(await browser.submit(agent, **other))[0] for other in ({}, {"a": 1}, {"a": "1"})] == [409] * 3


async def test_a_task_that_is_given_back_twice_is_given_back(browser, agent):
    body = {"USED_AGENT_ID": agent}
    assert await browser.post("/return_unit", body) == (200, {"status": "Returned!"})
    again, sent = await browser.post("/return_unit", body), await browser.submit(agent, a=1)
    assert [(status, "duplicate" in answer) for status, answer in (again, sent)] == [(409, True), (409, False)]


async def test_another_introduction_than_the_first_is_not_taken(browser, operator):
    agent = await operator.give_agent(status="onboarding")

    def hand_in(**data):
        body = {"provider_data": {"USED_AGENT_ID": agent, "onboarding_data": data}}
        return asyncio.create_task(browser.post("/submit_onboarding", body))

    for asking in (hand_in(quiz=1), hand_in(quiz=1)):
        packet = (await operator.message("submit_onboarding"))[1]
        await operator.effect("agent_details", agent, {"request_id": packet["data"]["request_id"], "agent_id": None})
        assert (await asking)[0] == 200
    status, answer = await hand_in(quiz=2)
    assert (status, answer["error"]["code"]) == (409, "already_sent")


async def test_what_was_sent_is_not_given_back(browser, agent):
    await browser.submit(agent, a=1)
    assert (await browser.post("/return_unit", {"USED_AGENT_ID": agent}))[0] == 409


async def test_who_was_left_by_a_partner_may_still_submit(browser, operator):
    agent = await operator.give_agent(status="partner disconnect")
    code, _ = await browser.post("/submit_task", {"USED_AGENT_ID": agent, "final_data": {}})
    assert code == 200


@pytest.mark.parametrize("status", ["timeout", "expired", "returned", "disconnect"])
async def test_a_closed_agent_is_told_so_kindly(browser, operator, status):
    agent = await operator.give_agent(status=status)
    for path in ("/submit_task", "/return_unit"):
        code, answer = await browser.post(path, {"USED_AGENT_ID": agent, "final_data": {}})
        assert (code, answer["error"]["code"]) == (409, "closed")
        assert answer["error"]["message"].endswith((".", "!"))


@pytest.mark.parametrize("path", ["/submit_task", "/return_unit", "/submit_metadata", "/submit_onboarding"])
@pytest.mark.parametrize("agent_id", ["nobody", "", "a" * 1000, "a\x00b", "a\ud800", "../../etc", "' OR 1=1 --"])
async def test_an_unknown_agent_is_told_so(browser, path, agent_id):
    fields = {"USED_AGENT_ID": agent_id, "final_data": {}, "metadata": {}}
    code, answer = await browser.post(path, {**fields, "provider_data": fields})
    assert (code, answer["error"]["code"]) == (404, "unknown_agent")


async def test_an_onboarding_is_answered_and_kept_while_nobody_waits(start_router, session):
    router = start_router()
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        await operator.give_agent("onboarding_1", "onboarding")
    body = {"provider_data": {"USED_AGENT_ID": "onboarding_1", "onboarding_data": [1], "extra": 2}}
    handing_in = asyncio.create_task(browser.post("/submit_onboarding", body))
    async with shake_hands(router.address) as operator:
        await operator.next_of("messages")
    router.kill()
    await asyncio.gather(handing_in, return_exceptions=True)
    again = start_router()
    async with shake_hands(again.address) as operator:
        _, packet = await operator.message("submit_onboarding")
        assert packet["subject_id"] == "onboarding_1"
        assert (packet["data"]["onboarding_data"], packet["data"]["extra"]) == ([1], 2)


async def test_metadata_and_errors_are_kept(browser, operator, agent):
    assert (await browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": {"x": 1}}))[0] == 200
    assert (await operator.message("submit_metadata"))[1]["data"] == {"metadata": {"x": 1}, "files": []}
    await browser.post("/log_error", {"USED_AGENT_ID": agent, "error_data": {"text": "oh"}})
    await browser.post("/log_error", {"USED_AGENT_ID": ["odd"], "error_data": "oh"})
    first, second = [(await operator.message("log_error"))[1] for _ in range(2)]
    assert (first["subject_id"], first["data"]) == (agent, {"text": "oh"})
    assert (second["subject_id"], second["data"]) == ("mephisto", {"error_data": "oh"})


async def test_returning_a_task_closes_it(browser, operator, agent):
    async with browser.socket(agent) as page:
        assert (await browser.post("/return_unit", {"USED_AGENT_ID": agent}))[0] == 200
        assert (await page.receive())["data"] == {"status": "returned"}
    assert (await operator.message("return_unit"))[1]["subject_id"] == agent
    # Word from an operator who did not know yet does not open it again.
    await operator.effect("update_status", agent, {"status": "in task"})
    assert (await browser.submit(agent))[0] == 409


async def test_what_is_handed_in_cannot_be_returned(browser, agent):
    await browser.submit(agent)
    assert (await browser.post("/return_unit", {"USED_AGENT_ID": agent}))[0] == 409
