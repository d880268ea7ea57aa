"""The panel of review in Chromium, with its real server, model and database in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FrameLocator, Locator, Page, expect

from mephisto_nb.display.review_panel import REVIEW, TOPIC, ReviewModel
from mephisto_nb.operator import Operator
from tests.display.stage import Stage
from tests.review.answers import Row, add_answers, sample_run, stored_page_run, stored_run

PAGE = """<h1>How does it sound?</h1><p>${text}</p>
<fieldset><legend>Tone</legend><label><input type=radio name=tone value=glad required> glad</label>
<label><input type=radio name=tone value=grim> grim</label></fieldset>
<label>Why <textarea name=why></textarea></label>
<label><input type=checkbox name=marks value=funny> funny</label>
<label><input type=checkbox name=marks value=loud> loud</label>
<label>Sure <select name=sure><option value=no>no<option value=yes>yes</select></label>"""
HOSTILE = "<img src=x onerror=\"parent.document.title='owned'\"><script>top.document.title='owned'</script>"


@pytest_asyncio.fixture(loop_scope="session")
async def stage(page: Page, tmp_path: Path) -> AsyncIterator[Stage]:
    """A page that is to show a review; nothing on it may raise or complain, save a page that is kept from something."""
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    operator = Operator(data_dir=tmp_path)
    stage = Stage(page, operator)
    stage.front_end = REVIEW
    yield stage
    await stage.close()
    await operator.shutdown()


def answer(tone: str, why: str = "", **more: Any) -> dict[str, Any]:
    return {"tone": tone, "why": why, "marks": ["loud"], "sure": "yes", **more}


def people(items: int) -> list[Row]:
    """Each item is answered by three people, one of whom clicks through."""
    tones = ("glad", "grim")
    careful = [
        (item, name, answer(tones[item % 2], f"It sounds like it, says {name}."), 20.0 + item % 7)
        for item in range(items)
        for name in ("ann", "bob")
    ]
    return [*careful, *((item, "eve", answer("grim"), 2.0) for item in range(items))]


async def open_review(
    stage: Stage, run: Any, *args: Any, dark: bool = False, width: str = "", **options: Any
) -> ReviewModel:
    model: ReviewModel = run.review(*args, **options).panel_model
    stage.source = lambda: model
    await stage.open(TOPIC, dark=dark, width=width)
    return model


def panel(stage: Stage) -> Locator:
    return stage.page.get_by_role("region", name="The answer")


def frame(stage: Stage) -> FrameLocator:
    return stage.page.frame_locator("iframe.mnb-page").frame_locator("iframe")


async def at(stage: Stage, place: int, total: int) -> None:
    """Wait until the answer of a place is shown."""
    await expect(panel(stage).get_by_text(f"Answer {place} of {total}, ")).to_be_visible()


async def press(stage: Stage, key: str, told: str) -> None:
    """Press a key, and wait for what the panel tells."""
    await stage.page.keyboard.press(key)
    await expect(stage.page.locator(".mnb-notice")).to_contain_text(told)


async def faults(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or worse."""
    found = (await Axe().run(page, options={"resultTypes": ["violations"]})).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


DARK = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


@pytest.mark.timeout(300)
async def test_forty_answers_with_bonus_block_and_undo_need_only_a_keyboard(stage: Stage) -> None:
    rows = people(14)[:40]
    run = stored_page_run(stage.operator, PAGE, rows)
    await open_review(stage, run)
    keyboard = stage.page.keyboard
    await at(stage, 1, 40)
    for _ in range(40):
        await keyboard.press("Tab")
        if await panel(stage).evaluate("node => node === document.activeElement"):
            break
    for n in range(1, 41):
        await at(stage, n, 40)
        if n in (2, 3, 4):
            await keyboard.press("b")
            await keyboard.type("0.10")
            await expect(stage.page.locator(".mnb-effect")).to_contain_text("$0.10 of bonuses")
            await keyboard.press("Enter")
        elif n == 5:
            await keyboard.press("x")
            await keyboard.type("clicks through")
            await expect(stage.page.locator(".mnb-effect")).to_contain_text("1 worker will be blocked")
            await keyboard.press("Enter")
        elif n == 6:
            await keyboard.press("r")
            await at(stage, 7, 40)
            await press(stage, "u", "Undone: the decision on 1 answer.")
            await at(stage, 6, 40)
            await keyboard.press("s")
        else:
            await keyboard.press("a")
        if n < 40:
            await at(stage, n + 1, 40)
    await expect(stage.page.get_by_text("38 approved, 1 soft-rejected, 1 rejected")).to_be_visible()
    assert run.units()["status"].value_counts().to_dict() == {"accepted": 38, "soft_rejected": 1, "rejected": 1}
    payments = stage.operator.payments()
    assert payments[(payments["kind"] == "bonus") & (payments["status"] == "owed")]["amount"].tolist() == [0.1] * 3
    assert stage.operator.workers.frame()["blocked"].sum() == 1
    assert run.review.decisions()["undone_by"].notna().sum() == 1
    assert await panel(stage).evaluate("node => node === document.activeElement")


async def test_a_page_is_shown_filled_in_and_closed(stage: Stage) -> None:
    await open_review(stage, stored_page_run(stage.operator, PAGE, [(0, "ann", answer("grim", HOSTILE), 9.0)]))
    page = frame(stage)
    await expect(page.get_by_label("grim")).to_be_checked()
    await expect(page.get_by_label("glad")).not_to_be_checked()
    await expect(page.get_by_label("loud")).to_be_checked()
    await expect(page.get_by_label("funny")).not_to_be_checked()
    await expect(page.get_by_label("Sure")).to_have_value("yes")
    await expect(page.get_by_label("Why")).to_have_value(HOSTILE)
    for field in await page.locator("input, select, textarea, button").all():
        await expect(field).to_be_disabled()


REACHES = """<p>${text}</p><input name=tone><p id=said></p><script>
const tried = {};
const attempt = (name, act) => { try { tried[name] = String(act()); } catch (error) { tried[name] = error.name; } };
addEventListener("input", (event) => {
  const box = document.createElement("div");
  box.innerHTML = event.target.value;
  document.body.append(box);
  attempt("parent", () => parent.document.title);
  attempt("top", () => { top.location = "https://evil.invalid/"; return "set"; });
  attempt("cookie", () => document.cookie);
  attempt("frame", () => frameElement.ownerDocument.title);
  attempt("popup", () => open("https://evil.invalid/"));
  attempt("jupyter", () => parent.jupyterapp);
  const form = Object.assign(document.createElement("form"), { action: "https://evil.invalid/", target: "_top" });
  document.body.append(form);
  attempt("form", () => form.submit());
  parent.postMessage({ type: "act", key: "a", what: "act", topic: "review" }, "*");
  fetch("https://evil.invalid/").then(() => "sent", (error) => error.name).then((fetched) => {
    document.getElementById("said").textContent = JSON.stringify({ ...tried, fetched, ran: window.ran ?? null });
  });
});
</script>"""


async def test_neither_an_answer_nor_a_page_gets_out_of_its_frame(stage: Stage) -> None:
    """A page that does all that it can, and puts what a worker wrote in as markup, which ours never does."""
    text = f"<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>{HOSTILE}"
    run = stored_page_run(stage.operator, REACHES, [(0, HOSTILE, {"tone": text}, 9.0), (1, "bob", {"tone": text}, 9.0)])
    asked: list[str] = []
    stage.page.on("request", lambda request: asked.append(request.url))
    await open_review(stage, run)
    told = frame(stage).locator("#said")
    await expect(told).to_contain_text('"ran":null')
    tried = await told.evaluate("node => JSON.parse(node.textContent)")
    assert tried == {
        "parent": "SecurityError", "top": "SecurityError", "cookie": "SecurityError", "frame": "TypeError",
        "popup": "null", "jupyter": "SecurityError", "form": "undefined", "fetched": "TypeError", "ran": None,
    }  # fmt: skip
    assert await stage.page.locator("iframe.mnb-page").get_attribute("sandbox") == "allow-scripts"
    assert (await stage.page.title(), stage.page.url, len(stage.page.context.pages)) == ("Dashboard", "about:blank", 1)
    assert not [url for url in asked if "evil" in url]
    assert set(run.units()["status"]) == {"completed"}
    await expect(stage.page.get_by_role("grid", name="Answers").get_by_text("<img src=").first).to_be_visible()
    await expect(stage.page.locator(".mnb img, .mnb script")).to_have_count(0)


async def test_a_click_into_the_page_leaves_the_keys_with_the_panel(stage: Stage) -> None:
    run = stored_page_run(stage.operator, PAGE, people(1))
    await open_review(stage, run)
    await frame(stage).get_by_role("heading", name="How does it sound?").click()
    await expect(panel(stage)).to_be_focused()
    await press(stage, "a", "Approved 1 answer.")


async def test_a_key_held_down_decides_once(stage: Stage) -> None:
    run = stored_run(stage.operator, people(3))
    await open_review(stage, run)
    await panel(stage).focus()
    await stage.page.evaluate("""() => { for (let n = 0; n < 9; n++) document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key: "a", bubbles: true, repeat: n > 3 })); }""")
    await at(stage, 2, 9)
    await expect(stage.page.get_by_text("8 waiting, 1 approved")).to_be_visible()
    assert len(run.review.decisions()) == 1


async def test_all_of_a_worker_and_a_filter_say_their_sum_first(stage: Stage) -> None:
    run = stored_run(stage.operator, people(4))
    await open_review(stage, run)
    await panel(stage).focus()
    await stage.page.keyboard.press("A")
    effect = stage.page.locator(".mnb-effect")
    await expect(effect).to_contain_text("4 answers of 1 worker will be approved. $1.00 will be owed")
    await press(stage, "Enter", "Approved 4 answers.")
    await stage.page.get_by_label("Filter, as in DataFrame.query").fill("duration_in_seconds < 5")
    await stage.page.keyboard.press("Enter")
    await expect(stage.page.get_by_text("Answer 1 of 4,")).to_be_visible()
    await stage.page.get_by_role("button", name="More…").click()
    await stage.page.get_by_label("Decision").select_option("Reject")
    await stage.page.get_by_label("About").select_option("list")
    await expect(effect).to_contain_text("4 answers of 1 worker will be rejected.")
    await stage.page.get_by_role("button", name="Decide", exact=True).click()
    await expect(stage.page.get_by_text("4 waiting, 4 approved, 4 rejected")).to_be_visible()


class SlowModel:
    """Answers what a panel asks when it is let go on."""

    def __init__(self, model: ReviewModel) -> None:
        self.asked, self.may_go_on = asyncio.Event(), asyncio.Event()
        self.held: tuple[str, ...] = ()
        self._answer, model.answer = model.answer, self.answer  # type: ignore[method-assign]

    def hold(self, *what: str) -> None:
        self.held = what
        self.asked.clear()
        self.may_go_on.clear()

    async def answer(self, what: str, args: Any) -> Any:
        if what in self.held:
            self.asked.set()
            await self.may_go_on.wait()
        return await self._answer(what, args)


async def test_an_action_asked_for_while_loading_is_about_what_is_shown(stage: Stage) -> None:
    run = stored_run(stage.operator, people(4))
    model = SlowModel(await open_review(stage, run))
    await at(stage, 1, 12)
    model.hold("rows", "show")
    await stage.page.get_by_label("Filter, as in DataFrame.query").fill("duration_in_seconds < 5")
    await stage.page.keyboard.press("Enter")
    await model.asked.wait()
    await stage.page.get_by_role("button", name="More…").click()
    dialog = stage.page.get_by_role("dialog")
    await expect(dialog).to_have_count(0)
    model.may_go_on.set()
    await expect(dialog.get_by_role("heading", name="Decide on eve’s answer")).to_be_visible()
    await expect(stage.page.locator(".mnb-effect")).to_contain_text("1 answer of 1 worker will be approved.")
    await dialog.get_by_role("button", name="Decide", exact=True).click()
    await at(stage, 2, 4)
    assert run.review.decisions()["worker_name"].tolist() == ["eve"]


async def test_a_decision_is_made_though_the_list_moves_under_its_window(stage: Stage) -> None:
    run = stored_run(stage.operator, people(4))
    model = SlowModel(await open_review(stage, run))
    await at(stage, 1, 12)
    await stage.page.get_by_role("button", name="More…").click()
    await expect(stage.page.locator(".mnb-effect")).to_contain_text("1 answer of 1 worker will be approved.")
    model.hold("show")
    # What changes the list while a window is open is no click of the same person: a test has to reach behind it.
    await stage.page.get_by_label("Order").evaluate(
        "node => { node.value = 'suspicion'; node.dispatchEvent(new Event('input')); }"
    )
    await model.asked.wait()
    await stage.page.get_by_role("button", name="Decide", exact=True).click()
    model.may_go_on.set()
    await expect(stage.page.get_by_text("11 waiting, 1 approved")).to_be_visible()
    await expect(stage.page.locator(".mnb-notice")).to_contain_text("Approved 1 answer.")


async def test_an_empty_review_fills_as_answers_come(stage: Stage) -> None:
    later = sample_run(stage.operator, "later")
    model = await open_review(stage, stage.operator.get_task_run(later.id))
    await expect(stage.page.get_by_text("Nothing to review yet; answers appear as they come.")).to_be_visible()
    assert await faults(stage.page) == []
    add_answers(later, people(2))
    await model.answer("look", {})
    await at(stage, 1, 6)


@DARK
async def test_it_reads_well_in_both_themes_and_narrow(stage: Stage, shots: Path, dark: bool) -> None:
    run = stored_page_run(stage.operator, PAGE, people(14))
    await run.review.approve(lambda results: results["assignment_index"] < 2, note="fine")
    await run.review.reject(
        lambda results: (results["worker_name"] == "eve") & (results["assignment_index"] == 2), note="too fast"
    )
    theme = "dark" if dark else "light"
    await open_review(stage, run, order="suspicion", dark=dark)
    await expect(frame(stage).get_by_label("grim")).to_be_checked()
    assert await faults(stage.page) == []
    await stage.page.screenshot(path=shots / f"review-page-{theme}.png", full_page=True)
    await panel(stage).focus()
    await stage.page.keyboard.press("b")
    await expect(stage.page.locator(".mnb-effect")).to_contain_text("will be owed")
    assert await faults(stage.page) == []
    await stage.page.screenshot(path=shots / f"review-decide-{theme}.png")
    await stage.page.keyboard.press("Escape")
    await stage.page.keyboard.press("?")
    await expect(stage.page.get_by_role("heading", name="Keys")).to_be_visible()
    assert await faults(stage.page) == []
    await open_review(stage, run, dark=dark, width="480px")
    await expect(frame(stage).get_by_text("How does it sound?")).to_be_visible()
    assert await stage.page.locator(".mnb").evaluate("node => node.scrollWidth <= node.clientWidth")
    assert await faults(stage.page) == []
    await stage.page.screenshot(path=shots / f"review-narrow-{theme}.png", full_page=True)
