"""A browser sends wherever a stranger's page asks it to: only our addresses are served, only our pages are heard."""

import json

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.router.config import parse_config
from mephisto_nb.utils.addresses import is_frame_source, read_address, read_host, read_origin
from tests.router.harness import RUN_ID, TOKEN, Browser, shake_hands
from tests.security.strangers import Stranger, request

ROUTES = [
    "/",
    "/is_alive",
    "/task_config.json",
    "/status",
    "/bundle.js",
    "/openapi.json",
    "/nothing",
    "/download_file/x",
]
POSTS = ["/request_agent", "/submit_task", "/submit_onboarding", "/submit_metadata", "/return_unit", "/log_error"]
#: The one that takes bodies of every type.
EVENTS = "/crowd_events/" + "k" * 22
UPGRADE = [
    "Sec-WebSocket-Key: " + "x" * 22 + "==",
    "Sec-WebSocket-Version: 13",
    "Upgrade: websocket",
    "Connection: Upgrade",
]
SOCKETS = ["/", "/socket", "/operator"]
LAB = {"addresses": ["https://lab.example/study/", "tunnel.example:8443"]}


def raw(method, target, *headers, host="Host: localhost"):
    lines = [f"{method} {target} HTTP/1.1", *([host] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode()


async def status_of(router, data):
    async with Stranger.come(router.line["port"]) as stranger:
        await stranger.send(data)
        return await stranger.status()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "203.0.113.7", "[2001:db8::7]", "0x7f.1"])
async def test_no_route_answers_to_a_host_that_is_not_ours(either_router, host):
    asked = [raw("GET", path, host=f"Host: {host}") for path in ROUTES]
    asked += [raw("POST", path, "Content-Length: 0", host=f"Host: {host}") for path in (*POSTS, EVENTS)]
    asked += [raw("GET", path, *UPGRADE, host=f"Host: {host}") for path in SOCKETS]
    assert {await status_of(either_router, data) for data in asked} == {421}


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "http://[::1]", "x", "file://"]
)
async def test_no_route_hears_a_page_that_is_not_ours(either_router, origin):
    asked = [raw("GET", path, f"Origin: {origin}") for path in ROUTES]
    both = [(path, method) for path in (*POSTS, EVENTS) for method in ("POST", "OPTIONS")]
    asked += [raw(method, path, f"Origin: {origin}", "Content-Length: 0") for path, method in both]
    asked += [raw("GET", path, f"Origin: {origin}", *UPGRADE) for path in SOCKETS]
    assert {await status_of(either_router, data) for data in asked} == {403}


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "127.0.0.1", "[::1]", "127.0.0.1:{port}", "localhost:80"])
async def test_this_computer_is_served_by_each_of_its_names(either_router, host):
    host = "Host: " + host.format(port=either_router.line["port"])
    assert await status_of(either_router, raw("GET", "/is_alive", host=host)) == 200
    assert await status_of(either_router, raw("GET", "/", *UPGRADE, host=host)) == 101


@pytest.mark.parametrize("host", ["Host: a\r\nHost: localhost", None, "Host: ", "Host: a:b", "Host: [::1", "Host: a/b"])
async def test_what_names_no_single_host_is_refused(either_router, host):
    assert await status_of(either_router, raw("GET", "/is_alive", host=host)) == 400
    assert await status_of(either_router, raw("GET", "/", *UPGRADE, host=host)) in (400, 421)


@pytest.mark.parametrize(
    ("target", "status"), [("http://evil.example/is_alive", 421), ("http://localhost/is_alive", 200)]
)
async def test_the_host_of_a_whole_address_counts_too(either_router, target, status):
    assert await status_of(either_router, raw("GET", target)) == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("lab.example", "https://lab.example", 200),  # a proxy hands on what it was asked for
        ("LAB.example:443", "https://lab.EXAMPLE:443", 200),
        ("127.0.0.1:3000", "https://lab.example", 200),  # a proxy names where it asks
        ("lab.example", "http://lab.example", 403),  # there, somebody in between may speak for it
        ("lab.example", "https://lab.example:444", 403),
        ("tunnel.example", "https://tunnel.example", 200),
        ("tunnel.example:8443", "https://tunnel.example:8443", 200),
        ("tunnel.example:8443", "https://tunnel.example", 403),
        ("localhost:8000", "http://localhost:8000", 200),  # a tunnel of another port
        ("localhost:8000", "http://localhost:8001", 403),  # another program of this computer
        ("evil.example", "https://lab.example", 421),
    ],
)
async def test_proxies_and_tunnels_are_known_by_their_address(start_router, host, origin, status):
    router = start_router(**LAB)
    assert await status_of(router, raw("GET", "/is_alive", f"Origin: {origin}", host=f"Host: {host}")) == status


async def test_two_origins_are_none(router):
    same = f"Origin: http://{router.address}"
    assert await status_of(router, raw("GET", "/is_alive", same, host=f"Host: {router.address}")) == 200
    assert await status_of(router, raw("GET", "/is_alive", same, same, host=f"Host: {router.address}")) == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonp", ""]
)
@pytest.mark.parametrize("path", POSTS)
async def test_json_is_taken_as_json_alone(browser, path, kind):
    status, body = await browser.post(path, data=b"{}", headers={"Content-Type": kind})
    assert (status, body["error"]["code"]) == (415, "not_json")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"])
async def test_json_is_known_however_it_is_spelt(browser, operator, kind):
    agent = await operator.give_agent()
    body = json.dumps({"USED_AGENT_ID": agent, "final_data": {}}).encode()
    assert (await browser.post("/submit_task", data=body, headers={"Content-Type": kind}))[0] == 200


async def test_what_is_refused_is_told_and_kept_from_frames(start_router, session):
    browser = Browser(start_router().address, session)
    response = await browser.get("/is_alive", headers={"Host": "evil.example"})
    assert "mephisto.architect.addresses" in (await response.json())["error"]["message"]
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in response.headers["Content-Security-Policy"]


async def test_embedding_elsewhere_is_a_setting(start_router, session):
    browser = Browser(start_router(frame_ancestors=["https://lab.example"]).address, session)
    headers = (await browser.get("/")).headers
    assert "X-Frame-Options" not in headers
    assert "frame-ancestors https://lab.example" in headers["Content-Security-Policy"]


async def test_an_operator_of_no_page_is_heard(start_router):
    async with shake_hands(start_router().address) as operator:
        assert operator.welcome["type"] == "welcome"


@pytest.mark.parametrize(
    "text", ["", "a..b", "a:0", "a:65536", "a:١", "[::1", "[zz]", "a b", "a@b", "é.example", "[fe80::1%2]x"]
)
def test_a_host_that_is_none_is_not_read(text):
    with pytest.raises(ValueError, match=r"[a-z]"):
        read_host(text)


def test_a_host_has_one_spelling():
    assert read_host("[0:0:0:0:0:0:0:1]:80") == read_host("[::1]:80")
    assert read_address("HTTPS://Lab.Example.:8443/x?y") == read_origin("https://lab.example:8443")


@pytest.mark.parametrize(
    "text", ["null", "lab.example", "https://lab.example/x", "https://", "ftp://lab.example", "https://a@b"]
)
def test_an_origin_that_is_none_is_not_read(text):
    with pytest.raises(ValueError, match=r"[a-z]"):
        read_origin(text)


def test_whose_frames_are_spelt_as_browsers_read_them():
    assert all(map(is_frame_source, ["https://lab.example", "https://*.lab.example:*", "*", "'self'", "https:"]))
    assert not any(map(is_frame_source, ["a; script-src *", "a b", "", "'none'", "javascript:", "a,b"]))


@pytest.mark.parametrize("addresses", [[7], ["a b"], ["ftp://lab.example"]])
def test_addresses_that_are_none_are_refused(addresses):
    with pytest.raises(ConfigError, match=r"lab\.example"):
        parse_config({"run_id": RUN_ID, "token": TOKEN, "addresses": addresses})


def test_the_request_of_a_stranger_is_that_of_a_browser():
    assert b"Host: localhost" in request("GET", "/")


@pytest.mark.parametrize("text", ["https://München.example:8443/x", "https://xn--mnchen-3ya.example:8443"])
def test_an_address_in_another_alphabet_is_meant_as_browsers_send_it(text):
    assert read_address(text) == read_origin("https://xn--mnchen-3ya.example:8443")


@pytest.mark.parametrize(("text", "words"), [("straße.example", "xn--"), ("é.exa mple", "name"), ("é..x", "name")])
def test_a_name_that_cannot_be_sent_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        read_address(text)


def test_a_page_is_named_as_browsers_name_it():
    with pytest.raises(ValueError, match="no origin"):
        read_origin("https://münchen.example")
