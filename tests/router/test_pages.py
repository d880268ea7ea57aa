"""What browsers read, and what comes with every answer."""

import os

import pytest
from websockets.asyncio.client import connect
from yarl import URL

from mephisto_nb.router.http.answers import SLASH_HASH, SLASH_SCRIPT
from tests.router.harness import Browser, shake_hands


@pytest.mark.parametrize("path", ["/", "/task_index", "/welcome", "/index.html", "/?worker_id=1"])
async def test_the_page_is_served(browser, path):
    response = await browser.get(path)
    assert (response.status, response.content_type) == (200, "text/html")
    assert response.headers["Cache-Control"] == "no-store"


async def test_files_of_the_site_are_served(browser):
    response = await browser.get("/bundle.js")
    assert (response.content_type, await response.text()) == ("text/javascript", "let a = 1")


@pytest.mark.parametrize("path", ["/", "/bundle.js", "/is_alive", "/nothing", "/download_file/x"])
async def test_every_answer_has_the_security_headers(browser, path):
    headers = (await browser.get(path)).headers
    policy = "default-src 'self'; frame-ancestors https://www.mturk.com"
    assert headers["Content-Security-Policy"] == policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/../router_config.json",
        "/..%2frouter_config.json",
        "/%2e%2e/router_config.json",
        "/..%5crouter_config.json",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/site",
        "/%00",
        "/%ff%fe",
        "/" + "a" * 3000,
        "/" + "a/" * 1000,
        "/bundle.js/x",
        "/.",
    ],
)
async def test_nothing_outside_the_site_is_served(browser, path):
    async with browser.session.get(URL(f"http://{browser.address}{path}", encoded=True)) as response:
        assert response.status == 404
        assert "error" in await response.json()


@pytest.mark.skipif(os.name != "posix", reason="Windows lets few make links")
async def test_a_link_out_of_the_site_is_not_followed(router, browser):
    (router.directory / "site" / "link").symlink_to(router.directory / "router_config.json")
    assert (await browser.get("/link")).status == 404


async def test_a_linked_file_is_served_as_it_is_at_that_moment(start_router, session, tmp_path):
    source = tmp_path / "source.js"
    browser = Browser(start_router(linked_files={"bundle.js": str(source)}).address, session)
    assert (await browser.get("/bundle.js")).status == 404
    for text in ("one", "two"):
        source.write_text(text)
        response = await browser.get("/bundle.js")
        assert (await response.text(), response.headers["Cache-Control"]) == (text, "no-store")
        assert response.headers["Content-Type"].startswith("text/javascript")
    assert (await browser.get("/source.js")).status == 404


async def test_the_small_answers(browser):
    assert await (await browser.get("/is_alive")).json() == {"status": "Alive!"}
    config = await (await browser.get("/task_config.json?mephisto_task_version=2.0.3")).json()
    assert config == {"task_title": "é", "mephisto_task_version": "2.0.3"}


async def test_the_status_says_whether_the_operator_is_there(router, browser):
    async with shake_hands(router.address):
        assert await (await browser.get("/status")).json() == {"operator": "here"}


async def test_below_its_folder_a_router_serves_the_same(start_router, session):
    browser = Browser(start_router(folder="/user/ann/study/").address, session)
    for path in ("", "/user/ann/study"):
        assert await (await browser.get(f"{path}/is_alive")).json() == {"status": "Alive!"}
        assert await (await browser.get(f"{path}/bundle.js?v=1")).text() == "let a = 1"
        assert (await browser.submit("nobody"))[0] == 404
    assert (await browser.get("/user/ann/study")).content_type == "text/html"
    assert (await browser.get("/user/ann/studying/bundle.js")).status == 404
    async with connect(f"ws://{browser.address}/user/ann/study/") as socket:
        assert socket.response.status_code == 101


async def test_a_page_finds_its_folder_where_its_policy_lets_it(start_router, session, tmp_path):
    browser = Browser(start_router(content_security_policy="default-src 'none'; script-src 'self'").address, session)
    (tmp_path / "site" / "index.html").write_text("<!doctype html><head lang=en><script src=bundle.js></script>")
    page = await browser.get("/?worker_id=ann")
    assert f"<head lang=en><script>{SLASH_SCRIPT}</script><script src" in await page.text()
    assert page.headers["Content-Security-Policy"].count(f"script-src 'self' '{SLASH_HASH}'; ") == 1
    assert SLASH_SCRIPT not in await (await browser.get("/task_index")).text()


async def test_a_router_says_since_when_its_run_is_over(start_router, session):
    router = start_router()
    browser = Browser(router.address, session)
    async with shake_hands(router.address) as operator:
        agent = await operator.give_agent(status="in task")
        async with browser.socket(agent) as page:
            await operator.send({"type": "finish", "linger": 60})
            told = (await page.receive())["data"]
        assert (told["status"], told["closed_at"] > 1e9) == ("in task", True)
        async with browser.socket() as page:
            await page.send("alive", agent, {})
            assert (await page.receive())["data"] == told
    for path in ("/status", "/task_config.json"):
        assert (await (await browser.get(path)).json())["closed_at"] == told["closed_at"]


@pytest.mark.parametrize("path", ["/submit_task", "/request_agent"])
async def test_a_wrong_method_is_an_error_in_json(browser, path):
    response = await browser.get(path)
    assert response.status in (404, 405)
    assert "error" in await response.json()
