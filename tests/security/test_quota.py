"""One worker cannot fill the disk, nor can all together, nor those who are no workers; the others go on."""

import asyncio
import contextlib
import itertools

import aiohttp
import pytest

from tests.router.harness import Browser, close_code, shake_hands
from tests.security.strangers import Stranger, request

KIB = 1024
#: Each of what is said is another thing: the same would be taken once.
NUMBERS = itertools.count()
LIMITS = {"agent_stored": 300 * KIB, "run_stored": 1000 * KIB, "errors_stored": 20 * KIB, "nameless_uploads": 150 * KIB,
          "disk_free": 1}  # fmt: skip


def upload_of(agent, size, *, files_first=False):
    form = aiohttp.FormData()
    fields = [
        ("USED_AGENT_ID", agent, {}),
        ("final_string_data", "{}", {}),
        ("metadata", f'{{"n":{next(NUMBERS)}}}', {}),
    ]
    files = [("film", bytes(size), {"filename": "film.mp4"})]
    for name, value, more in files + fields if files_first else fields + files:
        form.add_field(name, value, **more)
    return form


class Site:
    """A router with tight quotas, its operator, and a browser."""

    def __init__(self, router, session):
        self.router, self.browser = router, Browser(router.address, session)

    @property
    def file_sizes(self):
        return sum(path.stat().st_size for path in (self.router.directory / "files").iterdir())

    async def upload(self, agent, size, path="/submit_metadata", **how):
        status, body = await self.browser.post(path, data=upload_of(agent, size, **how))
        return status, body.get("error", {}).get("code")


@pytest.fixture
def site(start_router, session):
    return Site(start_router(limits=LIMITS), session)


@pytest.fixture
async def operator(site):
    async with shake_hands(site.router.address) as operator:
        yield operator


async def test_what_one_agent_stores_is_bounded_and_the_others_go_on(site, operator):
    ann, bob = await operator.give_agent(), await operator.give_agent()
    answers = [await site.upload(ann, 90 * KIB) for _ in range(6)]
    assert answers == [(200, None)] * 3 + [(413, "quota")] * 3
    status, body = await site.browser.post("/submit_metadata", data=upload_of(ann, 90 * KIB))
    assert (status, "smaller files for instance" in body["error"]["message"]) == (413, True)
    assert site.file_sizes == 3 * 90 * KIB
    assert await site.upload(bob, 90 * KIB, "/submit_task") == (200, None)
    assert (await site.browser.submit(ann, mood="calm"))[0] == 200


async def test_answers_without_files_count_as_well(site, operator):
    agent = await operator.give_agent()
    send = [site.browser.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": {"x": "ü" * 40_000, "n": n}})
            for n in range(5)]  # fmt: skip
    assert [(await one)[0] for one in send] == [200, 200, 200, 413, 413]


async def test_it_counts_for_ever_also_once_the_operator_has_it(site, operator):
    agent = await operator.give_agent()
    for _ in range(3):
        assert await site.upload(agent, 90 * KIB) == (200, None)
        seq, _ = await operator.message("submit_metadata")
        await operator.send({"type": "ack", "seq": seq})
    assert await site.upload(agent, 90 * KIB) == (413, "quota")


async def test_it_counts_over_a_restart(start_router, session):
    router = start_router(limits=LIMITS)
    async with shake_hands(router.address) as operator:
        agent = await operator.give_agent()
        for _ in range(3):
            assert await Site(router, session).upload(agent, 90 * KIB) == (200, None)
    await router.terminate()
    again = Site(start_router(limits=LIMITS), session)
    assert await again.upload(agent, 90 * KIB) == (413, "quota")
    assert await again.upload(agent, 10 * KIB) == (200, None)


async def test_what_was_refused_does_not_count(site, operator):
    agent = await operator.give_agent()
    assert await site.upload(agent, 90 * KIB, "/submit_task") == (200, None)
    again = [await site.upload(agent, 90 * KIB, "/submit_task") for _ in range(8)]  # duplicates
    assert again == [(200, None)] * 8
    assert await site.upload(agent, 150 * KIB) == (200, None)


async def test_an_arrived_answer_is_confirmed_again_without_free_room(site, operator):
    """The page did not hear that it had arrived, and sends it again."""
    agent = await operator.give_agent()
    assert await site.upload(agent, 140 * KIB, "/submit_task") == (200, None)
    assert await site.upload(agent, 120 * KIB) == (200, None)
    assert await site.upload(agent, 140 * KIB, "/submit_task") == (200, None)


async def test_all_together_are_bounded_and_told_to_wait_for_room(site, operator):
    agents = [await operator.give_agent() for _ in range(12)]
    answers = [await site.upload(agent, 90 * KIB, "/submit_task") for agent in agents]
    assert answers == [(200, None)] * 11 + [(507, "disk_full")]
    assert site.file_sizes == 11 * 90 * KIB


async def begin_upload(stack, site, agent, size):
    """Let a stranger send so much of a file, and then wait."""
    parts = f'--b\r\nContent-Disposition: form-data; name="USED_AGENT_ID"\r\n\r\n{agent}\r\n' if agent else ""
    parts += '--b\r\nContent-Disposition: form-data; name="film"; filename="f"\r\n\r\n'
    form = "Content-Type: multipart/form-data; boundary=b"
    stranger = await stack.enter_async_context(Stranger.come(site.router.line["port"]))
    await stranger.send(request("POST", "/submit_metadata", form, "Content-Length: 99999999", body=parts.encode()))
    await stranger.send(bytes(size))
    return stranger


@pytest.mark.parametrize(("named", "status"), [(True, 413), (False, 429)])
async def test_many_uploads_at_once_find_no_more_room_than_one(site, operator, named, status):
    agent = await operator.give_agent()
    async with contextlib.AsyncExitStack() as stack:
        strangers = [await begin_upload(stack, site, agent if named else "", 70 * KIB) for _ in range(12)]
        answers = [asyncio.create_task(stranger.status()) for stranger in strangers]
        done = 12 - (4 if named else 2)
        while sum(answer.done() for answer in answers) < done:
            await asyncio.wait([one for one in answers if not one.done()], return_when=asyncio.FIRST_COMPLETED)
        assert {answer.result() for answer in answers if answer.done()} == {status}
        assert site.file_sizes <= (LIMITS["agent_stored"] if named else LIMITS["nameless_uploads"])
        # Whoever says first for which agent does not suffer from those who do not say.
        assert (await site.upload(await operator.give_agent(), 90 * KIB, "/submit_task"))[0] == 200
        for answer in answers:
            answer.cancel()


async def test_who_names_no_agent_of_ours_need_not_send_the_rest(site, operator):
    async with contextlib.AsyncExitStack() as stack:
        stranger = await begin_upload(stack, site, "nobody", 10)
        assert await stranger.status() == 404


async def test_a_form_that_names_its_agent_last_is_taken(site, operator):
    agent = await operator.give_agent()
    assert await site.upload(agent, 100 * KIB, files_first=True) == (200, None)
    assert await site.upload(agent, 140 * KIB, files_first=True) == (200, None)
    assert await site.upload(agent, 140 * KIB, files_first=True) == (413, "quota")
    assert site.file_sizes == 240 * KIB


async def test_live_messages_count_and_the_socket_is_closed(site, operator):
    agent = await operator.give_agent()
    async with site.browser.socket(agent) as page:
        for _ in range(5):
            await page.send("mephisto_bound_live_update", agent, {"text": "x" * 100 * KIB})
        assert await close_code(page.socket) == 1008
    assert (await site.browser.submit(agent, mood="calm"))[0] == 200


async def test_error_reports_of_those_who_are_no_agent_are_few(site, operator):
    agent = await operator.give_agent()
    reports = [{"error_data": {"text": f"{number}" + "x" * 8 * KIB}} for number in range(5)]
    assert [(await site.browser.post("/log_error", report))[0] for report in reports] == [200] * 4 + [429]
    assert (await site.browser.post("/log_error", {**reports[0], "USED_AGENT_ID": agent}))[0] == 200


async def test_of_an_error_report_no_more_is_stored_than_is_kept(site, operator):
    agent = await operator.give_agent()
    large = {**{f"key {number}": [7, "x" * 500] for number in range(70)}, "n" * 300: "text"}
    for sender in ({"USED_AGENT_ID": agent}, {}):
        assert (await site.browser.post("/log_error", {"error_data": large, **sender}))[0] == 200
    reports = [(await operator.message("log_error"))[1]["data"] for _ in range(2)]
    text = str(large["key 0"])
    assert reports[0] == {f"key {number}": text for number in range(20)}
    assert list(reports[1]) == list(reports[0])
    assert "".join(reports[1].values()) == (text * 20)[:4000]


async def test_uploads_leave_room_on_the_disk_for_answers(start_router, session):
    site = Site(start_router(limits={"disk_free": 2**60}), session)
    async with shake_hands(site.router.address) as operator:
        agent = await operator.give_agent()
        assert await site.upload(agent, 10) == (507, "disk_full")
        assert site.file_sizes == 0
        assert (await site.browser.submit(agent, mood="calm"))[0] == 200
