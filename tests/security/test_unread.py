"""Who names no agent of ours is refused before what was sent is read, and a request's shape before it costs."""

import io
import json

import aiohttp
import pytest

from tests.router.harness import AS_JSON, close_code
from tests.security.strangers import JSON, Stranger, frame, request, upgrade

FORM = "Content-Type: multipart/form-data; boundary=B"
HEADS = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
STRANGER = HEADS % (b"USED_AGENT_ID", b"nobody")


def body_of(piece, size, end="]}"):
    return ('{"x":[' + piece * (size // len(piece)) + "1" + end).encode()


@pytest.mark.parametrize("path", ["/submit_task", "/submit_metadata", "/submit_onboarding", "/return_unit"])
async def test_who_names_nobody_at_first_need_not_send_the_rest(stranger, path):
    beginning = b'{"USED_AGENT_ID": "nobody", "final_data": ['
    await stranger.send(request("POST", path, JSON, "Content-Length: 20000", body=beginning))
    assert await stranger.status() == 404


@pytest.mark.parametrize("parts", [STRANGER, HEADS % (b"a", b"1") * 300 + STRANGER])
async def test_a_form_of_nobody_need_not_be_sent_to_its_end(stranger, parts):
    await stranger.send(request("POST", "/submit_task", FORM, "Content-Length: 90000000", body=parts + b"--B\r\n"))
    assert await stranger.status() == 404


@pytest.mark.parametrize(
    ("end", "code"), [('],"USED_AGENT_ID":"nobody"}', 404), ("]}", 400), ('],"final_data":"USED_AGENT_ID"}', 400)]
)
async def test_a_large_body_of_nobody_is_not_read(browser, end, code):
    # It is no JSON either: of that nothing is said, for nobody has looked.
    data = body_of("{]", 500_000, end)
    assert (await browser.post("/submit_task", data=data, headers=AS_JSON))[0] == code


async def test_the_agent_of_an_answer_is_the_one_that_is_read(browser, operator):
    """What looks like a name in a text is no name."""
    one, other = await operator.give_agent(), await operator.give_agent()
    text = f'"USED_AGENT_ID":"{other}"' + "x" * 10_000
    assert (await browser.post("/submit_task", {"final_data": text, "USED_AGENT_ID": one}))[0] == 200
    assert (await operator.message("submit_unit"))[1]["subject_id"] == one
    form = aiohttp.FormData({"final_string_data": json.dumps(text), "USED_AGENT_ID": other}, default_to_multipart=True)
    assert (await browser.post("/submit_task", data=form))[0] == 200
    assert (await operator.message("submit_unit"))[1]["subject_id"] == other


async def test_the_name_of_an_agent_within_a_part_is_no_head(browser, operator, agent):
    text = f'name="USED_AGENT_ID"\r\n\r\nnobody\r\n--{agent}'
    form = aiohttp.FormData(
        {"note": text, "final_string_data": "{}", "USED_AGENT_ID": agent}, default_to_multipart=True
    )
    assert (await browser.post("/submit_task", data=form))[0] == 200


@pytest.mark.parametrize(
    ("piece", "size", "code"),
    [("{},", 900_000, 413), ("1,", 1_200_000, 413), ('"a",', 1_600_000, 200), ('{"a":1},', 1_000_000, 413)],
)
async def test_a_worker_sends_so_many_values_and_no_more(browser, agent, piece, size, code):
    data = io.BytesIO(body_of(piece, size, f'],"USED_AGENT_ID":"{agent}"}}'))
    found, answer = await browser.post("/submit_task", data=data, headers=AS_JSON)
    assert (found, answer.get("error", {}).get("code")) == (code, "too_intricate" if code == 413 else None)


MANY = {"list": [1] * 3000, "names": {f"k{n}": 1 for n in range(1500)}, "a name": {"n" * 3000: 1}}


@pytest.mark.parametrize("value", MANY.values(), ids=MANY)
async def test_those_who_name_nobody_say_little(browser, value):
    for path in ("/log_error", "/request_agent"):
        assert (await browser.post(path, {"error_data": value, "provider_data": {"x": value}}))[0] == 413


UNUSED = b'--B\r\nContent-Disposition: form-data; name="f"; filename=""\r\n\r\n\r\n'


@pytest.mark.parametrize("part", [HEADS % (b"a", b""), UNUSED])
async def test_the_parts_of_a_form_are_counted_whatever_they_are(browser, agent, part):
    body = (
        HEADS % (b"USED_AGENT_ID", agent.encode()) + HEADS % (b"final_string_data", b"{}") + part * 300 + b"--B--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    code, answer = await browser.post("/submit_task", data=body, headers=headers)
    assert (code, answer["error"]["code"]) == (413, "too_many")


async def test_a_field_has_no_endless_name(browser, agent):
    body = HEADS % (b"USED_AGENT_ID", agent.encode()) + HEADS % (b"n" * 2000, b"x") + b"--B--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    assert (await browser.post("/submit_task", data=body, headers=headers))[0] == 400


FOR_NOBODY = ["", "{}", "null", '{"packet_type":"alive"}', '{"packet_type":7,"subject_id":"nobody"}']


@pytest.mark.parametrize("text", FOR_NOBODY)
async def test_messages_for_nobody_are_counted_and_the_socket_closed(browser, text):
    async with browser.socket() as page:
        for _ in range(20):
            await page.socket.send(text)
        assert await close_code(page.socket) == 1008


@pytest.mark.parametrize("opcode", [0x9, 0xA], ids=["pings", "pongs"])
async def test_a_flood_of_tiny_frames_is_cut_off(router, opcode):
    async with Stranger.come(router.line["port"]) as stranger:
        await stranger.send(upgrade())
        assert await stranger.status() == 101
        await stranger.send(frame(opcode) * 500)
        assert b"too many frames" in await stranger.rest()


async def test_many_messages_at_once_are_taken_from_who_has_a_name(browser, operator, agent):
    """A page that was away sends all that waited, in one go."""
    async with browser.socket() as page:
        await page.send("alive", agent, {})
        for number in range(150):
            await page.send("mephisto_bound_live_update", agent, {"update_id": str(number)})
        kind = "mephisto_bound_live_update"
        heard = [(await operator.message(kind))[1]["data"]["update_id"] for _ in range(150)]
    assert heard == [str(number) for number in range(150)]
