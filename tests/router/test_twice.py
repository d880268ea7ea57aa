"""What is sent twice, because its page did not hear that it had come, has one effect: on every route and socket."""

import asyncio
import json

import aiohttp
import pytest

from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.inbox.writes import Txn
from mephisto_nb.router.rules import SubmissionResult
from mephisto_nb.router.workers.worker_routes import _told_of_other
from tests.router.harness import Browser, shake_hands


def form(agent, **fields):
    form = aiohttp.FormData({"USED_AGENT_ID": agent, **fields}, default_to_multipart=True)
    form.add_field("photo", b"meow", filename="cat.png", content_type="image/png")
    return form


def as_json(**fields):
    return lambda agent: {"json": {"USED_AGENT_ID": agent, **fields}}


def as_form(**fields):
    return lambda agent: {"data": form(agent, **fields)}


TIP = {"type": "tips", "tips": [{"header": "h", "text": "t"}]}
FEEDBACK = {"type": "feedback", "feedback": {"data": [{"question": "q", "text": "t"}]}}
#: A route, what is sent, what the operator hears of, and the two answers.
SENT = {
    "an answer": ("/submit_task", as_json(final_data={"x": 1}), "submit_unit", (200, 200)),
    "an answer with a file": ("/submit_task", as_form(final_string_data='{"x":1}'), "submit_unit", (200, 200)),
    "a tip": ("/submit_metadata", as_json(metadata=TIP), "submit_metadata", (200, 200)),
    "feedback": ("/submit_metadata", as_json(metadata=FEEDBACK), "submit_metadata", (200, 200)),
    "the quality of sound": ("/submit_metadata", as_json(metadata={"volume": 5}), "submit_metadata", (200, 200)),
    "a file": ("/submit_metadata", as_form(metadata='{"a":"b"}'), "submit_metadata", (200, 200)),
    "a return": ("/return_unit", as_json(), "return_unit", (200, 409)),
    "an error": ("/log_error", as_json(error_data={"message": "m"}), "log_error", (200, 200)),
}


@pytest.mark.parametrize(("path", "made", "kind", "codes"), SENT.values(), ids=SENT)
async def test_what_is_sent_twice_has_one_effect(router, browser, operator, agent, path, made, kind, codes):
    before = len(list((router.directory / "files").iterdir()))
    first, second = await browser.post(path, **made(agent)), await browser.post(path, **made(agent))
    assert (first[0], second[0]) == codes
    assert second[1].get("duplicate") is (None if kind == "log_error" else True)
    # Another agent's message is the end of what is to be heard.
    await browser.post("/return_unit", {"USED_AGENT_ID": await operator.give_agent()})
    heard = [(await operator.message())[1] for _ in range(2)]
    assert [packet["packet_type"] for packet in heard] == [kind, "return_unit"]
    assert heard[0]["subject_id"] == agent
    files = len(list((router.directory / "files").iterdir())) - before
    assert files == (1 if "data" in made(agent) else 0)


@pytest.mark.parametrize("length", [10, 100_000])
def test_of_another_answer_only_the_answer_is_told(length):
    answer = {"x": "y" * length}
    packet = Packet(PacketType.SUBMIT_UNIT, "a1", {"final_data": answer, "files": []})
    told = _told_of_other(writes.message_of(packet), answer)
    assert told == {"final_data": json.dumps(answer, separators=(",", ":"))[:4000], "files": []}


async def test_a_report_of_a_stranger_that_is_sent_twice_is_heard_once(browser, operator):
    for text in ("one", "two", "one", "three"):
        assert (await browser.post("/log_error", {"error_data": {"text": text}}))[0] == 200
    heard = [(await operator.message("log_error"))[1]["data"]["text"] for _ in range(3)]
    assert heard == ["one", "two", "three"]


def test_of_reports_so_many_are_remembered(tmp_path):
    store = Store.open(tmp_path / "inbox.db", "run1")
    txn = Txn(store._db)
    said = writes.message_of(Packet(PacketType.LOG_ERROR, "mephisto", {}))
    for number in range(9):
        writes.report(txn, said, most=3, digest=bytes([number]))
        writes.acknowledge(txn, number + 1)
    remembered = [bytes([number]) for number in (6, 7, 8)]
    assert [row[0] for row in store._db.execute("SELECT digest FROM reports")] == remembered
    results = [writes.report(txn, said, most=3, digest=digest) for digest in (*remembered, b"new")]
    assert results == [SubmissionResult.DUPLICATE] * 3 + [SubmissionResult.TAKEN]
    asyncio.run(store.close())


async def test_what_is_said_anew_is_heard_anew(browser, operator, agent):
    for text in ("one", "two", "one"):
        await browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": {"text": text}})
    said = [(await operator.message("submit_metadata"))[1]["data"]["metadata"]["text"] for _ in range(2)]
    assert said == ["one", "two"]


async def test_what_a_crowd_tells_twice_is_heard_twice(start_router, session):
    # Only its reader knows whether it is the same event, or says the same of another moment.
    router = start_router(crowd_events_key="k" * 22)
    for _ in range(2):
        answer = await Browser(router.address, session).post("/crowd_events/" + "k" * 22, {"id": 1})
        assert answer == (200, {"status": "Received!"})
    async with shake_hands(router.address) as operator:
        bodies = {(await operator.message("crowd_event"))[1]["data"]["body"] for _ in range(2)}
    assert len(bodies) == 1


async def test_the_same_tip_of_two_agents_is_heard_twice(browser, operator):
    agents = [await operator.give_agent(), await operator.give_agent()]
    for agent in agents:
        await browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": TIP})
    assert [(await operator.message("submit_metadata"))[1]["subject_id"] for _ in agents] == agents


async def test_a_live_message_that_is_sent_twice_is_heard_once(browser, operator, agent):
    async with browser.socket(agent) as page:
        for text, name in (("a", "u1"), ("a", "u1"), ("b", "u2")):
            await page.send("mephisto_bound_live_update", agent, {"update_id": name, "text": text})
        kind = "mephisto_bound_live_update"
        heard = [(await operator.message(kind))[1]["data"]["text"] for _ in range(2)]
    assert heard == ["a", "b"]


async def test_it_is_known_after_a_restart(start_router, session):
    async with shake_hands((router := start_router()).address) as operator:
        agent = await operator.give_agent()
        sent = {"USED_AGENT_ID": agent, "metadata": TIP}
        assert await Browser(router.address, session).post("/submit_metadata", sent) == (200, {"status": TAKEN})
    await router.terminate()
    again = Browser(start_router().address, session)
    assert await again.post("/submit_metadata", sent) == (200, {"status": TAKEN, "duplicate": True})


TAKEN = "Submitted metadata"
