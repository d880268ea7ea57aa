"""A live view takes the place of its still while a kernel answers, and only then."""

from __future__ import annotations

from typing import Any

import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.display.widgets.widget import _read

#: What a notebook shows: stills inside outputs. `answer()` is the kernel's first word, `end()` the end of the model.
PAGE = """<!doctype html><main>{outputs}</main>"""
OUTPUT = '<div class="jp-RenderedHTMLCommon"><div class="mephisto-place-{name}"><p>still of {name}</p></div></div>'
STAGE = """async ([source, name]) => {
  const { takePlaces } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const heard = [];
  window.sent = []; window.rendered = 0; window.ended = 0;
  window.answer = () => heard.forEach((listener) => listener({ type: "hello" }));
  const controller = new AbortController();
  window.end = () => controller.abort();
  const model = { get: () => name, on: (_, listener) => heard.push(listener), send: (message) => sent.push(message) };
  takePlaces({ model, signal: controller.signal }, ({ el }) => {
    el.append(Object.assign(document.createElement("input"), { value: `live ${++rendered}` }));
    return () => { ended += 1; };
  });
}"""


class Notebook:
    """A page with outputs, and a model that looks for its places."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, *names: str) -> None:
        await self.page.set_content(PAGE.format(outputs="".join(OUTPUT.format(name=name) for name in names)))
        await self.page.evaluate(STAGE, [_read("js", "place.js"), "a"])

    async def run(self, code: str) -> Any:
        return await self.page.evaluate(code)

    async def expect_live(self, *values: str) -> None:
        await expect(self.page.locator("input")).to_have_count(len(values))
        for index, value in enumerate(values):
            await expect(self.page.locator("input").nth(index)).to_have_value(value)


@pytest_asyncio.fixture(loop_scope="session")
async def notebook(page: Page) -> Notebook:
    return Notebook(page)


async def test_a_still_is_seen_until_a_kernel_answers(notebook: Notebook) -> None:
    await notebook.open("a", "b")
    assert await notebook.run("sent") == [{"type": "hello"}]
    await expect(notebook.page.get_by_text("still of a")).to_be_visible()
    await notebook.run("answer()")
    await notebook.expect_live("live 1")
    await expect(notebook.page.get_by_text("still of a")).to_be_hidden()
    await expect(notebook.page.get_by_text("still of b")).to_be_visible()


async def test_a_still_that_is_put_out_anew_leaves_the_view_as_it_is(notebook: Notebook) -> None:
    await notebook.open("a")
    await notebook.run("answer()")
    await notebook.page.locator("input").fill("what somebody writes")
    await notebook.run("""(() => { const host = document.querySelector(".jp-RenderedHTMLCommon");
        host.innerHTML = host.innerHTML.replace("still", "newer still"); })()""")
    await notebook.expect_live("what somebody writes")
    await notebook.run("end()")
    await expect(notebook.page.get_by_text("newer still of a")).to_be_visible()


async def test_each_place_has_its_view_also_one_that_comes_later(notebook: Notebook) -> None:
    await notebook.open("a")
    await notebook.run("answer()")
    more = OUTPUT.format(name="a")
    await notebook.run(f"document.querySelector('main').insertAdjacentHTML('beforeend', `{more}`)")
    await notebook.expect_live("live 1", "live 2")


async def test_a_cell_that_is_scrolled_away_keeps_its_view(notebook: Notebook) -> None:
    await notebook.open("a")
    await notebook.run("answer()")
    await notebook.run("window.kept = document.querySelector('main'); kept.remove()")
    await notebook.run("document.body.append(kept)")
    await notebook.expect_live("live 1")
    assert await notebook.run("ended") == 0


async def test_an_output_that_shows_something_else_is_left(notebook: Notebook) -> None:
    await notebook.open("a")
    await notebook.run("answer()")
    await notebook.run("document.querySelector('.jp-RenderedHTMLCommon').innerHTML = '<p>something else</p>'")
    await expect(notebook.page.get_by_text("something else")).to_be_visible()
    await notebook.expect_live()
    await notebook.page.wait_for_function("ended === 1")


async def test_the_end_of_the_model_shows_the_still_again(notebook: Notebook) -> None:
    await notebook.open("a", "a")
    await notebook.run("answer()")
    await notebook.expect_live("live 1", "live 2")
    await notebook.run("end()")
    await notebook.expect_live()
    await expect(notebook.page.get_by_text("still of a").first).to_be_visible()
