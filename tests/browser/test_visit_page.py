"""A visit of several units as somebody on a phone sees it, on a real router: from the first unit to the way back."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.outcomes import ExitLink, VisitEnd
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.ports.crowd_provider import VisitExits
from mephisto_nb.providers.link import LinkProvider
from tests.browser.npm_tasks import ANN, TASK

UNITS = 6
HTML = "<h1>Moods</h1><p>${text}</p><p><label>Mood <input name=mood required></label></p>"
#: Notes when an answer was acknowledged, and when the next unit can be seen.
WATCH = """
window.times = [];
const shown = () => document.querySelector("#task-body p")?.textContent;
const real = window.fetch;
window.fetch = async (...about) => {
  const response = await real(...about);
  if (String(about[0]).includes("submit_task")) {
    window.acknowledged = performance.now();
    window.before = shown();
  }
  return response;
};
new MutationObserver(() => {
  if (!window.acknowledged || !shown() || shown() === window.before) return;
  const since = window.acknowledged;
  window.acknowledged = 0;
  requestAnimationFrame(() => window.times.push(performance.now() - since));
}).observe(document, { childList: true, subtree: true });
"""


class _Exits(VisitExits):
    def get_exit(self, end: VisitEnd) -> ExitLink | None:
        return ExitLink(end.outcome, "https://crowd.example/done?cc=C0DE1", "C0DE1", automatic=False)


class PhoneCrowd(LinkProvider):
    """People who come by a link once, with a way back."""

    PROVIDER_TYPE = "phone_crowd"
    ALIASES = ()
    SERVES_AGAIN = False

    @property
    def exits(self) -> VisitExits:
        return _Exits()


@pytest_asyncio.fixture(loop_scope="session")
async def phone(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(viewport={"width": 360, "height": 740}, has_touch=True, color_scheme="dark")
    page = await context.new_page()
    await page.add_init_script(WATCH)
    yield page
    await context.close()


async def launch(operator: Operator, **task: Any) -> Any:
    if PhoneCrowd.PROVIDER_TYPE not in registry.get_valid_provider_types():
        registry.PROVIDERS.register(PhoneCrowd)
    config = compose(
        "static_html",
        provider=PhoneCrowd.PROVIDER_TYPE,
        blueprint_args={"task_html": HTML},
        provider_args={"signed_links": False},
        task={**TASK, "task_reward": 0.6, "units_per_visit": UNITS, **task},
    )
    rows = [{"text": f"It is day {number}."} for number in range(20)]
    return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows))


async def fits(page: Page) -> bool:
    """Whether nothing is wider than the phone."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_a_visit_on_a_phone(tmp_path: Path, phone: Page, shots: Path) -> None:
    async with Operator(data_dir=tmp_path / "data") as operator:
        run = await launch(operator)
        await phone.goto(run.url + ANN)
        for number in range(UNITS):
            await expect(phone.locator("#task-body")).to_contain_text(f"It is day {number}.")
            await expect(phone.locator("#visit")).to_contain_text(f"{number + 1} of {UNITS}")
            assert await fits(phone)
            if number in (0, 2):
                await phone.screenshot(path=shots / f"visit-{number + 1}.png", full_page=True)
            if number == 2:  # by the keyboard alone
                await phone.get_by_label("Mood").focus()
                await phone.keyboard.type("calm")
                await phone.keyboard.press("Enter")
            else:
                await phone.get_by_label("Mood").fill("calm")
                await phone.get_by_role("button", name="Send").click()
        await expect(phone.get_by_role("heading", name="Thank you. You are done.")).to_be_visible()
        await expect(phone.get_by_role("link", name="Back to crowd.example")).to_be_visible()
        assert await fits(phone)
        await phone.screenshot(path=shots / "visit-exit.png", full_page=True)
        times = await phone.evaluate("window.times")
        print("from the acknowledgement to the next unit (ms):", [round(time) for time in times])  # noqa: T201
        assert len(times) == UNITS - 1
        assert statistics.median(times) < 2000  # on a busy machine; alone it is some tens of milliseconds
        (row,) = run.visits().to_dict("records")
        assert (row["done"], row["outcome"]) == (UNITS, "completed")


async def test_stopping_on_a_phone(tmp_path: Path, phone: Page, shots: Path) -> None:
    async with Operator(data_dir=tmp_path / "data") as operator:
        run = await launch(operator)
        await phone.goto(run.url + ANN)
        await phone.get_by_label("Mood").fill("calm")
        await phone.get_by_role("button", name="Send").click()
        await phone.get_by_role("button", name="Stop here").click()
        await expect(phone.get_by_text(f"You have sent 1 of {UNITS}.")).to_be_visible()
        await phone.screenshot(path=shots / "visit-stop.png")
        await phone.get_by_role("button", name="Stop", exact=True).click()
        await expect(phone.get_by_role("heading", name="You have stopped")).to_be_visible()
        await phone.screenshot(path=shots / "visit-stopped.png", full_page=True)
        await phone.reload()
        await expect(phone.get_by_role("heading", name="You have stopped")).to_be_visible()
        assert run.visits()[["outcome", "short", "done"]].to_dict("records") == [
            {"outcome": "returned", "short": "stopped_early", "done": 1}
        ]
