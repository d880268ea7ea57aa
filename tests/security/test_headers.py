"""What comes with every answer: errors, files, and what the server says by itself."""

import pytest
from playwright.async_api import async_playwright

from mephisto_nb.blueprints.mock import MockBlueprint, MockBlueprintArgs
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.kernel.launching.crowd_script import CROWD_SCRIPT, read_crowd_script
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from tests.chromium import FLAGS, find_chromium
from tests.router.harness import TOKEN, shake_hands
from tests.security.strangers import request
from tests.security.test_fuzz import SCHEMA

EXPECTED = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "payment=(), usb=(), serial=(), hid=()",
}
TEMPLATE = (
    "<style>p { color: green }</style><p style='margin: 1em'>${text}</p><input name=mood><script>let a = 1</script>"
)


@pytest.fixture
def router(either_router):
    """All this holds on platforms without httptools as well."""
    return either_router


def headers_of(response):
    return {name: response.headers.get(name) for name in EXPECTED}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_every_answer_has_them(browser, method):
    for path in [*SCHEMA["paths"], "/bundle.js", "/nothing/here", "/%00"]:
        async with browser.session.request(method, f"http://{browser.address}{path}", data=b"[") as response:
            kept = "no-cache" if path == "/bundle.js" and response.status == 200 else "no-store"
            assert (path, headers_of(response)) == (path, EXPECTED)
            assert (path, response.headers["Cache-Control"]) == (path, kept)


@pytest.mark.parametrize("header", ["Range: bytes=0-1", "Range: bytes=99-", "If-None-Match: *"])
async def test_parts_of_files_have_them(browser, header):
    name, _, value = header.partition(": ")
    assert headers_of(await browser.get("/bundle.js", headers={name: value})) == EXPECTED


async def test_a_download_has_them_and_is_never_shown(browser, router):
    (router.directory / "files" / ("cd" * 16)).write_bytes(b"<script>")
    answer = await browser.get(f"/download_file/{'cd' * 16}", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    assert headers_of(answer) == EXPECTED


@pytest.mark.parametrize("sent", [b"NONSENSE\r\n\r\n", request("GET", "/", "X: " + "x" * 600_000), b"GET / HT"])
async def test_what_the_server_says_by_itself_has_them(stranger, sent):
    await stranger.send(sent)
    answer = (await stranger.rest()).decode().lower()
    assert answer.startswith("http/1.1 4")
    assert [name for name in EXPECTED if f"{name.lower()}: " not in answer] == []


@pytest.mark.parametrize("path", ["//evil.example/", "/request_agent/", "/is_alive/", "/\\evil.example/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_is_sent_elsewhere(stranger, method, path):
    await stranger.send(request(method, path, "Content-Length: 0"))
    assert await stranger.status() in (200, 400, 404, 405)


def static_html():
    return StaticHTMLBlueprint(
        StaticHTMLBlueprintArgs(task_html=TEMPLATE), SharedTaskState(static_task_data=[{"text": "hello"}])
    )


@pytest.mark.parametrize("make", [static_html, lambda: MockBlueprint(MockBlueprintArgs(), SharedTaskState())])
def test_the_policy_of_our_own_pages_allows_nothing_inline(make):
    policy = make().get_content_security_policy()
    assert "unsafe" not in policy
    assert "default-src" in policy


@pytest.mark.browser
async def test_the_page_works_in_a_browser_without_one_complaint(start_router):
    blueprint = static_html()
    router = start_router(content_security_policy=blueprint.get_content_security_policy())
    site = router.directory / "site"
    blueprint.build_site(site)
    (site / CROWD_SCRIPT).write_text(read_crowd_script(LinkProvider(LinkProviderArgs())))
    complaints = []
    async with shake_hands(router.address) as operator, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = await chromium.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"http://{router.address}/?worker_id=ann")
        _, asked = await operator.message("register_agent")
        request_id = asked["data"]["request_id"]
        details = {"request_id": request_id, "agent_id": "a1", "worker_id": "w", "status": "in task"}
        await operator.tell("agent_details", request_id, {**details, "init_task_data": {"text": "<b>hello</b>"}})
        await page.get_by_text("<b>hello</b>").wait_for()
        await page.locator("input[name=mood]").fill("calm")
        await page.get_by_role("button", name="Submit").or_(page.get_by_role("button", name="Send")).first.click()
        _, submitted = await operator.message("submit_unit")
        await chromium.close()
    assert submitted["data"]["final_data"]["mood"] == "calm"
    assert complaints == []
