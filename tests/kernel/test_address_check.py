"""An address is tried as people will come by it, and each thing that would keep them out is found and named."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import LaunchError
from mephisto_nb.kernel.outside.address_check import CheckTimes, check_address
from mephisto_nb.kernel.outside.address_itself import judge_address
from mephisto_nb.kernel.outside.address_report import AddressFinding, AddressReport, Fitness
from mephisto_nb.kernel.outside.asking import PublicSite
from mephisto_nb.utils.addresses import read_address
from tests.kernel.bad_proxy import END, HANG, BadProxy, answer, believing, make_certificate, serving
from tests.router.harness import RouterProcess, shake_hands, write_config

pytestmark = pytest.mark.slow

PAGE = '<html><head><title>Moods</title></head><script src="bundle.js"></script><p>Hello</p></html>'
WARNING = b"<html><title>You are about to visit</title><button>Go on</button></html>"
DAY = 86_400.0
#: Other tests may have the machine to themselves for a while.
AT_LEISURE = CheckTimes(name=20, first=20, rest=20, slow=20)


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router with a page, below a folder as well, for all tests."""
    directory = tmp_path_factory.mktemp("router")
    write_config(
        directory,
        content_security_policy="script-src 'self'",
        folder="/study/",
        task_config={"run_id": "run1"},
        operator_absence_in_seconds=3600,
    )
    (directory / "site" / "index.html").write_text(PAGE)
    started = RouterProcess(directory)
    yield started
    started.kill()


@pytest.fixture
def behind(router: RouterProcess) -> Callable[..., Any]:
    """Check the router through a proxy that misbehaves in this way; give the report."""

    async def check(path: str = "/", *, known: bool = False, **how: Any) -> AddressReport:
        settings: dict[str, Any] = {"times": AT_LEISURE}
        settings |= {name: how.pop(name) for name in ("times", "now", "run_id") if name in how}
        site = router.directory / "site" if known else None
        async with BadProxy(router.address, **how).serve() as proxy:
            return await check_address(f"http://{proxy.address}{path}", allow_local=True, site=site, **settings)

    return check


def told(report: AddressReport, fitness: Fitness = Fitness.ERROR) -> dict[str, str]:
    """Return what is wrong, by what was tried."""
    return {one.tried: f"{one.found} {one.remedy}" for one in report.findings if one.fitness is fitness}


def only(asked: str, given: bytes) -> Callable[[str, str], bytes | None]:
    return lambda method, path: given if (method, path) == ("GET", asked) else None


@pytest.mark.parametrize("path", ["/", "/study/", "/study"])
@pytest.mark.parametrize("known", [False, True])
async def test_through_a_good_proxy_all_is_fine(behind: Any, path: str, known: bool) -> None:
    report = await behind(path, known=known, run_id="run1")
    assert [one.tried for one in report.findings] == [
        *("the name", "the router", "the clock", "the speed", "the run", "the page"),
        *("the script bundle.js of the page", "posting", "the socket"),
    ]
    assert {one.fitness for one in report.findings} == {Fitness.FINE}
    report.raise_for_errors()


async def test_nothing_of_it_is_stored_or_heard(behind: Any, router: RouterProcess) -> None:
    await behind()
    async with shake_hands(router.address) as operator:
        assert operator.welcome["newest"] == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer("200 OK", WARNING), "another page comes before the task's, answered with 200, called 'You are about"),
        (answer("511 Network Authentication Required", WARNING), "another page comes before the task's"),
        (answer("401 Unauthorized", b"who?"), "visitors are asked who they are"),
        (answer("502 Bad Gateway", b"<h1>oh</h1>"), "reaches no router behind it (502). Launch the run first."),
        (answer("404 Not Found", b"<title>nginx</title>"), "knows nothing of this address (404, called 'nginx')"),
        (answer("200 OK", b'{"status": "up"}', "application/json"), "something else answers, with 200 and application"),
        (answer("200 OK", b"[" * 100_000, "application/json"), "something else answers"),
        (answer("421 No", b'{"error": {"code": "unknown_host"}}', "application/json"), "mephisto.architect.addresses"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the address does not answer in HTTP"),
        (b"", "the address does not answer in HTTP"),
    ],
)
async def test_who_answers_in_its_place_is_named(behind: Any, given: bytes, words: str) -> None:
    report = await behind(instead=lambda method, path: given)
    assert len(report.errors) == 1
    assert words in str(report.errors[0])
    assert {one.tried for one in report.errors} <= {"the router", "the first answer"}


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://127.0.0.1/", "sent on to https://127.0.0.1. Give that address, with https://"),
        ("https://www.lab.example/study/", "sent on to https://www.lab.example. Give the address that they end at"),
        ("/hub/login?next=%2F", "to log in, where a crowd's people have no account"),
        ("/elsewhere", "visitors are sent on to /elsewhere instead of being answered"),
    ],
)
async def test_where_people_are_sent_on_to_is_told(behind: Any, location: str, words: str) -> None:
    given = answer("302 Found", b"", "text/html", f"Location: {location}")
    report = await behind(instead=lambda method, path: given)
    assert words in told(report)["the router"]


async def test_a_page_that_comes_first_is_found_though_all_else_is_ours(behind: Any) -> None:
    report = await behind(instead=only("/", answer("200 OK", WARNING)))
    assert list(told(report)) == ["the page"]
    assert "another page comes before the task's, called 'You are about to visit'" in told(report)["the page"]


@pytest.mark.parametrize("known", [False, True])
async def test_a_page_that_is_written_into_is_told(behind: Any, known: bool) -> None:
    def spoil(raw: bytes) -> bytes:
        head, end, body = raw.partition(END)
        if b"<p>Hello</p>" not in body or (not known and b"location.replace" not in body):
            return raw
        body = body.replace(b"</html>", b"<i>ad</i></html>")
        return head.replace(b"content-length: %d" % (len(body) - 9), b"content-length: %d" % len(body)) + end + body

    report = await behind(after=spoil, known=known)
    assert list(told(report)) == []
    assert "something on the way writes into it" in told(report, Fitness.WARNING)["the page"]


async def test_a_script_that_is_changed_is_told_where_it_is_known(behind: Any) -> None:
    report = await behind(after=lambda raw: raw.replace(b"let a = 1", b"let a = 2"), known=True)
    assert "changes it" in told(report, Fitness.WARNING)["the script bundle.js of the page"]


async def test_a_prefix_that_is_lost_is_found(behind: Any) -> None:
    lost = answer("404 Not Found", b"no")
    report = await behind("/study/", instead=lambda method, path: lost if path.startswith("/study/") else None)
    assert "it answers without the folder /study/" in told(report)["the router"]


async def test_a_script_whose_path_is_lost_is_found(behind: Any) -> None:
    report = await behind("/study/", instead=only("/study/bundle.js", answer("200 OK", WARNING)))
    why = told(report)["the script bundle.js of the page"]
    assert "answered with 200 and text/html, not with a script" in why
    assert "it has to pass on all that is below /study/" in why


async def test_scripts_named_from_the_root_are_found(behind: Any, router: RouterProcess) -> None:
    index, lost = router.directory / "site" / "index.html", answer("404 Not Found", b"no")
    index.write_text(PAGE.replace('"bundle.js"', '"/bundle.js"'))
    try:
        report = await behind("/study/", instead=only("/bundle.js", lost))
    finally:
        index.write_text(PAGE)
    assert "Name files in the page without a slash in front" in told(report)["the script /bundle.js of the page"]


@pytest.mark.parametrize("other", ["http://evil.example/x.js", "//evil.example/x.js"])
async def test_scripts_of_other_sites_are_asked_for_nothing(behind: Any, router: RouterProcess, other: str) -> None:
    index = router.directory / "site" / "index.html"
    index.write_text(PAGE.replace("bundle.js", other))
    try:
        assert (await behind()).errors == []
    finally:
        index.write_text(PAGE)


async def test_another_runs_router_is_found(behind: Any) -> None:
    report = await behind(run_id="run2")
    assert "the router of another run answers (run1), and not that of run2" in told(report)["the run"]


def upgraded(head: bytes) -> bytes:
    """Leave out what asks for a WebSocket."""
    if b"upgrade: websocket" not in head.lower():
        return head
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"upgrade:", b"sec-"))]
    return b"\r\n".join(b"Connection: close" if line.startswith(b"Connection:") else line for line in lines)


async def test_a_proxy_without_websockets_is_found(behind: Any) -> None:
    report = await behind(before=upgraded)
    assert list(told(report)) == ["the socket"]
    assert "a WebSocket is refused with 200." in told(report)["the socket"]
    assert "it has to pass on WebSockets" in told(report)["the socket"]


async def test_a_socket_whose_messages_are_lost_is_found(router: RouterProcess) -> None:
    class Deaf(BadProxy):
        async def _join(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asking, telling = await asyncio.open_connection("127.0.0.1", router.line["port"])
            telling.write(head)
            writer.write(await asking.readuntil(END))
            try:
                await reader.read()  # and hands on none of it
            finally:
                telling.transport.abort()

    async with Deaf(router.address).serve() as proxy:
        report = await check_address(f"http://{proxy.address}", allow_local=True, times=CheckTimes(rest=0.5))
    assert told(report)["the socket"].startswith("nothing came within 0.5 seconds.")


def with_head(name: bytes, value: bytes) -> Callable[[bytes], bytes]:
    """Return what writes a header anew, where it is there."""

    def change(raw: bytes) -> bytes:
        head, end, body = raw.partition(END)
        lines = [name + b": " + value if line.lower().startswith(name + b":") else line for line in head.split(b"\r\n")]
        return b"\r\n".join(lines) + end + body

    return change


async def test_a_proxy_that_names_another_host_is_found(behind: Any) -> None:
    report = await behind(before=with_head(b"host", b"inner.example"))
    assert "not known by the name 127.0.0.1 (421)" in told(report)["the router"]


async def test_a_proxy_that_changes_the_page_of_origin_is_found(behind: Any) -> None:
    report = await behind(before=with_head(b"origin", b"http://inner.example"))
    assert list(told(report)) == ["posting", "the socket"]
    assert all("pass on Origin as it is" in why for why in told(report).values())


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"instead": lambda method, path: answer("403 Forbidden", b"WAF") if method == "POST" else None}, "not by the"),
        ({"before": with_head(b"content-type", b"text/plain")}, "without its body, or its Content-Type"),
        ({"before": lambda raw: raw.replace(b"USED_AGENT_ID", b"UNUSED_AGENT0")}, "does not arrive as it was sent"),
    ],
)
async def test_a_proxy_that_spoils_what_is_posted_is_found(behind: Any, how: Any, words: str) -> None:
    report = await behind(**how)
    assert list(told(report)) == ["posting"]
    assert words in told(report)["posting"]


async def test_a_router_that_has_just_begun_anew_is_fine(tmp_path: Path) -> None:
    write_config(tmp_path, task_config={"run_id": "run1"})
    (tmp_path / "site" / "index.html").write_text(PAGE)
    RouterProcess(tmp_path).kill()
    again = RouterProcess(tmp_path)  # which tells whom it does not know to wait
    try:
        assert (await check_address(f"http://{again.address}", allow_local=True)).errors == []
    finally:
        again.kill()


@pytest.mark.parametrize(("shift", "which"), [(DAY, "seconds ahead of"), (-DAY, "seconds behind")])
async def test_a_wrong_clock_is_told(behind: Any, shift: float, which: str) -> None:
    report = await behind(now=lambda: time.time() + shift)
    assert list(told(report, Fitness.WARNING)) == ["the clock"]
    assert which in told(report, Fitness.WARNING)["the clock"]
    assert report.errors == []


@pytest.mark.parametrize("date", [b"yesterday", b"Mon, 99 Nov 2026 99:99:99 GMT", b""])
async def test_a_date_that_is_none_tells_nothing(behind: Any, date: bytes) -> None:
    report = await behind(after=with_head(b"date", date))
    assert report.errors == report.warnings == []


async def test_a_slow_way_is_told(behind: Any) -> None:
    report = await behind(times=CheckTimes(slow=0.0))
    assert "and a page asks for several" in told(report, Fitness.WARNING)["the speed"]


async def test_no_wait_is_for_ever(behind: Any) -> None:
    times = CheckTimes(first=0.3)
    silent = await behind(instead=lambda method, path: HANG, times=times)
    assert told(silent)["the first answer"].startswith("nothing came within 0.3 seconds.")
    posting = await behind(instead=lambda method, path: HANG if method == "POST" else None, times=CheckTimes(rest=0.5))
    assert told(posting)["posting"].startswith("nothing came within 0.5 seconds.")
    most = CheckTimes()
    assert most.name + most.first + most.rest < 10


async def test_where_nobody_listens_it_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    report = await check_address(f"http://127.0.0.1:{port}", allow_local=True)
    assert f"has nobody who listens at port {port}" in told(report)["the first answer"]


# TLS


@pytest.fixture
def over_tls(router: RouterProcess, tmp_path: Path) -> Callable[..., Any]:
    """Check the router through a proxy with a certificate made so; it is believed, or not."""

    async def check(host: str = "127.0.0.1", *, believed: bool = True, **made: float) -> AddressReport:
        certificate = make_certificate(tmp_path, host, **made)
        async with BadProxy(router.address).serve(serving(certificate)) as served:
            tls = believing(certificate) if believed else None
            return await check_address(f"https://{served.address}", allow_local=True, tls=tls, times=AT_LEISURE)

    return check


async def test_a_good_certificate_is_believed(over_tls: Any) -> None:
    report = await over_tls()
    assert "holds for 89 days more" in told(report, Fitness.FINE)["the certificate"]
    assert report.warnings == []
    assert "carries messages both ways" in told(report, Fitness.FINE)["the socket"]


async def test_one_that_vouches_for_itself_is_found_and_all_else_too(over_tls: Any) -> None:
    report = await over_tls(believed=False)
    assert list(told(report)) == ["the certificate"]
    assert "vouches for it alone" in told(report)["the certificate"]
    assert "it arrives as it is." in told(report, Fitness.FINE)["the page"]


async def test_one_for_another_name_is_found(over_tls: Any) -> None:
    report = await over_tls("lab.example")
    assert "it is for another name than 127.0.0.1" in told(report)["the certificate"]


async def test_one_that_is_over_is_found(over_tls: Any) -> None:
    report = await over_tls(days=30, began=31)
    assert told(report)["the certificate"].startswith("it is over.")


@pytest.mark.parametrize(("days", "began", "left"), [(90, 80, 9), (6, 5, 0)])
async def test_one_that_ends_soon_is_told(over_tls: Any, days: float, began: float, left: int) -> None:
    report = await over_tls(days=days, began=began)
    assert f"it ends in {left} days." in told(report, Fitness.WARNING)["the certificate"]


async def test_a_short_one_is_fine_while_it_is_new(over_tls: Any) -> None:
    assert (await over_tls(days=6, began=1)).warnings == []


async def test_https_where_none_is_spoken_is_found(router: RouterProcess) -> None:
    report = await check_address(f"https://{router.address}", allow_local=True)
    assert "does not speak TLS" in told(report)["the first answer"]


# What an address tells by itself


def judged(url: str, *, allow_local: bool = False) -> list[AddressFinding]:
    return list(judge_address(read_address(url), allow_local=allow_local))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "192.168.1.7",
        "10.1.2.3",
        "100.64.0.9",
        "lab",
        "a.local",
        "a.localdomain",
        "a.localhost",
    ],
)
def test_a_local_address_is_refused_for_a_crowd(host: str) -> None:
    (why,) = judged(f"https://{host}")
    assert (why.fitness, "to this computer or network alone" in why.found) == (Fitness.ERROR, True)
    assert judged(f"http://{host}:3000", allow_local=True) == []


def test_http_is_refused_for_a_crowd() -> None:
    (why,) = judged("http://lab.example.org/study/")
    assert (why.fitness, "http://" in why.found) == (Fitness.ERROR, True)
    assert judged("https://lab.example.org/study/") == []


@pytest.mark.parametrize(
    ("host", "changes", "warns"),
    [
        ("words-of-four-kinds.trycloudflare.com", True, False),
        ("a1b2c3.lhr.life", True, False),
        ("9f3a-203-0-113-7.ngrok-free.app", True, True),
        ("honest-quick-otter.ngrok-free.app", False, True),
        ("honest-quick-otter.ngrok-free.dev", False, True),
        ("9f3a2b1c.ngrok.io", True, False),
        ("my-lab.ngrok.app", False, False),
        ("proud-cat-7.loca.lt", True, True),
        ("rnabc-1-2-3-4.a.free.pinggy.link", True, False),
        ("laptop.tail1234.ts.net", False, False),
        ("study.lab.example.org", False, False),
        ("trycloudflare.com.evil.example.org", False, False),
    ],
)
def test_known_tunnels_are_warned_of(host: str, changes: bool, warns: bool) -> None:
    found = [one.found for one in judged(f"https://{host}")]
    assert any("another one whenever the tunnel is started again" in one for one in found) is changes
    assert any("a page of its own before the task" in one for one in found) is warns
    assert len(found) == changes + warns


def test_a_name_made_of_an_address_is_warned_of() -> None:
    (why,) = judged("https://203-0-113-7.nip.io")
    assert (why.fitness, "many strangers share" in why.found) == (Fitness.WARNING, True)


@pytest.mark.parametrize(
    ("leads_to", "fitness"),
    [
        (["127.0.0.1"], Fitness.ERROR),
        (["10.0.0.7"], Fitness.WARNING),
        (["2001:4860:4860::8888"], Fitness.WARNING),
        (["93.184.215.14", "2001:4860:4860::8888"], Fitness.FINE),
    ],
)
async def test_where_a_name_leads_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, leads_to: list[str], fitness: Fitness
) -> None:
    async def find(site: PublicSite) -> list[str]:
        return leads_to

    async def ask(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(PublicSite, "find", find)
    monkeypatch.setattr(PublicSite, "ask", ask)
    report = await check_address("https://lab.example.org", times=CheckTimes(first=0.01))
    assert leads_to[0] in told(report, fitness)["the name"] or "IPv6 alone" in told(report, fitness)["the name"]


@pytest.mark.parametrize(
    "url",
    ["", "lab.example", "ftp://lab.example", "https://", "https://ann:pw@lab.example", "https://lab.example/?a=b",
     "https://lab.example/#x", "https://lab.example:99999", "https://la b.example"],
)  # fmt: skip
async def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    report = await check_address(url)
    assert [one.tried for one in report.errors] == ["the address"]


async def test_a_name_that_leads_nowhere_is_found() -> None:
    report = await check_address("https://nobody.invalid")
    assert "leads nowhere" in told(report)["the name"]


# What is shown


def test_all_errors_are_raised_in_one_text() -> None:
    found = [AddressFinding(Fitness.ERROR, "a", "b.", "Do c."), AddressFinding(Fitness.WARNING, "d", "e.", "Do f.")]
    report = AddressReport("https://x.org", (*found, AddressFinding(Fitness.ERROR, "g", "h.", "Do i.")))
    with pytest.raises(LaunchError) as raised:
        report.raise_for_errors()
    assert str(raised.value).splitlines()[1:] == ["- a: b. Do c.", "- g: h. Do i."]
    assert repr(report) == "<AddressReport https://x.org: 2 errors, 1 warning>"
    AddressReport("https://x.org", (found[1],)).raise_for_errors()


async def test_what_a_stranger_writes_is_shown_as_text(behind: Any, router: RouterProcess) -> None:
    hostile = b"<title>\x1b[31m&lt;b&gt;\xe2\x80\xaeevil</title>"
    async with BadProxy(router.address, instead=lambda method, path: answer("200 OK", hostile)).serve() as proxy:
        report = await mnb.check_address(f"http://{proxy.address}", allow_local=True)
    assert "\x1b" not in str(report) + repr(report) + report._repr_html_()
    assert "\u202e" not in str(report) + report._repr_html_()
    assert "<b>" not in report._repr_html_()
    assert "<table>" in report._repr_html_()


async def test_a_shown_report_begins_with_what_is_wrong(router: RouterProcess) -> None:
    report = await mnb.check_address(f"http://{router.address}")
    html = report._repr_html_()
    assert html.index(">error<") < html.index(">fine<")
    assert "cannot be offered to a crowd" in html
