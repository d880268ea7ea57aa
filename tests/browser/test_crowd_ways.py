"""A person's whole way on a phone, for each outcome: from their crowd's page to the task, and back to their crowd.

With MEPHISTO_SHOTS=FOLDER each step is also a picture in that folder.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import Participant, ProlificStandIn, StandInSettings
from tests.browser.axe import faults
from tests.browser.fake_crowd import FakeCrowd, fake_crowd
from tests.browser.test_visit_page import WATCH, fits
from tests.inside import parts_of
from tests.providers.prolific.offers import Memory

UNITS = 20
OUTCOMES = ("completed", "screened_out", "quota_full", "failed_checks", "no_consent", "timed_out", "returned")
#: None of them is success's.
CODES = {one: f"{one[:4].upper()}-{number}C0DE" for number, one in enumerate(OUTCOMES)}
TITLE = "Moods of sentences"
LONG_TITLE = "Impressions of everyday sentences from letters, novels and conversations between 1890 and 1930, part 17b"
LONG_ID = "p" * 40 + "-" + "4711" * 20
HTML = """<h1>${title}</h1>
<p>${text}</p>
<details><summary>About this study</summary>
<p>We ask how sentences sound. Nothing that says who you are is kept.</p>
<p><button data-leave="no_consent">I do not agree to take part</button></p></details>
<p><label>Mood <input name=mood required></label></p>"""


@dataclass
class Town:
    """The crowd, and the runs that its people come to, by what happens in them."""

    crowd: FakeCrowd
    runs: dict[str, TaskRun]
    clock: FakeClock

    def entry(self, kind: str, person: str, visit: str) -> str:
        """Return the address by which the crowd sends somebody to a run."""
        return f"{self.runs[kind].url.rstrip('/')}/?person={quote(person)}&visit={visit}"

    def came_back(self, outcome: str) -> dict[str, str]:
        """Return with what the last person came back, who has come by this way."""
        path, query = self.crowd.back[-1]
        assert path == f"/back/{outcome}"
        return query


async def launch(
    operator: Operator,
    crowd: FakeCrowd,
    name: str,
    title: str = TITLE,
    *,
    blueprint: Any = None,
    shared: Any = None,
    num_rows: int = 3 * UNITS,
    **task: Any,
) -> TaskRun:
    """Launch a run whose people come from the crowd by ids, and go back by an address and a code."""
    about = {"task_name": name, "task_title": title, "task_description": "Say how it sounds.", "task_tags": "mood"}
    ways = {one: crowd.way(one, code=CODES[one]) for one in OUTCOMES}
    config = compose(
        "static_html",
        provider="external",
        provider_args={"participant_parameter": "person", "session_parameter": "visit", **ways},
        blueprint_args={"task_html": HTML, **(blueprint or {})},
        task={**about, "task_reward": 0.6, "units_per_visit": UNITS, "visits_per_worker": 1, **task},
    )
    rows = [{"title": title, "text": f"It is day {number}.", "right": "calm"} for number in range(num_rows)]
    return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows, **(shared or {})))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """All that the tests of this module share."""
    clock = FakeClock(1_800_000_000.0)
    folder = tmp_path_factory.mktemp("town")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalArchitect, "closed_notice", 20.0)  # who comes back after the end finds somebody
        async with (
            fake_crowd() as crowd,
            Operator(data_dir=folder / "real") as operator,
            Operator(data_dir=folder / "timed", clock=clock) as timed,
        ):
            yield Town(crowd, await runs_of(crowd, operator, timed), clock)
            await operator.force_shutdown()
            await timed.force_shutdown()


async def runs_of(crowd: FakeCrowd, operator: Operator, timed: Operator) -> dict[str, TaskRun]:
    """Launch the runs of the town."""
    checks = {"attention_checks": {"mood": "right"}, "max_failed_checks": 0}
    screening = {"screening": [{"title": LONG_TITLE, "text": "A try-out.", "mood": "glad"}], "screening_answer": "mood"}
    return {
        "plain": await launch(operator, crowd, "plain"),
        "gated": await launch(
            operator, crowd, "gated", LONG_TITLE, blueprint=checks, shared=screening, units_per_visit=2
        ),
        "small": await launch(operator, crowd, "small", num_rows=1, units_per_visit=1),
        "timed": await launch(timed, crowd, "timed", assignment_duration_in_seconds=600),
    }


Phone = Callable[..., Any]


@pytest.fixture
def phone(chromium: Browser) -> Phone:
    """Open a page on a phone."""

    @asynccontextmanager
    async def opened(*, is_dark: bool = False) -> AsyncIterator[Page]:
        context = await chromium.new_context(
            viewport={"width": 390, "height": 844},
            has_touch=True,
            is_mobile=True,
            device_scale_factor=2,
            color_scheme="dark" if is_dark else "light",
        )
        page = await context.new_page()
        await page.add_init_script(WATCH)
        yield page
        await context.close()

    return opened


async def look(page: Page, name: str) -> None:
    """Hold a step to what every one has to be, and take its picture if one is wanted."""
    assert await fits(page), f"{name} is wider than the phone"
    assert await faults(page) == [], name
    if folder := os.environ.get("MEPHISTO_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def come(page: Page, crowd: FakeCrowd, entry: str) -> None:
    """Go to a study from the crowd's own page."""
    await page.goto(crowd.start(entry))
    await page.get_by_role("link", name="Open the study").click()


async def send(page: Page, mood: str = "calm") -> None:
    await page.get_by_label("Mood").fill(mood)
    await page.get_by_role("button", name="Send").click()


async def go_back(page: Page, name: str, heading: str, outcome: str, words: str = "") -> None:
    """Find the way back on the page, and take it."""
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    await expect(page.get_by_label("Your code")).to_have_value(CODES[outcome])
    if words:
        await expect(page.locator("section[data-screen=exit]")).to_contain_text(words)
    await look(page, name)
    await page.get_by_role("link", name="Back to 127.0.0.1").click()
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()


async def test_who_completes_all(town: Town, phone: Phone) -> None:
    async with phone() as page:
        await come(page, town.crowd, town.entry("plain", "ann", "v1"))
        await expect(page.locator("#visit")).to_contain_text(f"1 of {UNITS}")
        await expect(page.locator("#visit")).to_contain_text("If you stop earlier, you are paid for the items")
        await look(page, "completed-1-begins")
        for number in range(UNITS):
            await expect(page.locator("#visit")).to_contain_text(f"{number + 1} of {UNITS}")
            if number == UNITS - 1:
                await look(page, "completed-2-last-unit")
            await send(page)
        times = [round(time) for time in await page.evaluate("window.times")]
        print("from an acknowledgement to the next unit (ms):", times)  # noqa: T201
        assert len(times) == UNITS - 1
        assert statistics.median(times) < 2000  # on a busy machine; alone it is some tens of milliseconds
        await page.get_by_role("button", name="Stay on this page").click()
        await expect(page.get_by_text("You are taken there in")).to_be_hidden()
        await go_back(page, "completed-3-exit", "Thank you. You are done.", "completed")
        assert town.came_back("completed") == {"person": "ann", "cc": CODES["completed"]}


async def test_who_comes_a_second_time(town: Town, phone: Phone) -> None:
    async with phone() as page:
        await come(page, town.crowd, town.entry("plain", "bea", "v1"))
        await send(page)
        await page.get_by_role("button", name="Stop here").click()
        await page.get_by_role("button", name="Stop", exact=True).click()
        await page.clock.install()
        await come(page, town.crowd, town.entry("plain", "bea", "v2"))
        await expect(page.get_by_role("heading", name="There is nothing left to do")).to_be_visible()
        await expect(page.get_by_text("You are taken there in")).to_be_visible()
        await look(page, "quota-full-exit")
        await page.clock.run_for(11_000)
        await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
        await look(page, "crowd-welcome-back")
        assert town.came_back("quota_full")["cc"] == CODES["quota_full"]


async def test_who_stops_early_by_the_keyboard_alone(town: Town, phone: Phone) -> None:
    async with phone() as page:
        await come(page, town.crowd, town.entry("plain", "cyd", "v1"))
        for number in range(3):
            await expect(page.locator("#visit")).to_contain_text(f"{number + 1} of {UNITS}")
            await tab_to(page, "Mood")
            await page.keyboard.type("calm")
            await page.keyboard.press("Enter")
        await expect(page.locator("#visit")).to_contain_text(f"4 of {UNITS}")
        await look(page, "returned-1-under-way")
        await tab_to(page, "Stop here")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text(f"You have sent 3 of {UNITS}.")).to_be_visible()
        await look(page, "returned-2-question")
        await tab_to(page, "Stop")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="You have stopped")).to_be_visible()
        await look(page, "returned-3-exit")
        await tab_to(page, "Stay on this page")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Back to 127.0.0.1")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
        # What was sent is paid by unit: for the crowd that is a visit that was completed.
        assert town.came_back("completed") == {"person": "cyd", "cc": CODES["completed"]}


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus."""
    focused = "document.activeElement.labels?.[0]?.innerText.trim() || document.activeElement.innerText.trim()"
    for _ in range(30):
        if await page.evaluate(focused) == name:
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"no Tab leads to {name!r}")


async def test_who_does_not_agree(town: Town, phone: Phone) -> None:
    async with phone(is_dark=True) as page:
        await come(page, town.crowd, town.entry("plain", "dan", "v1"))
        await page.get_by_text("About this study").click()
        await look(page, "no-consent-1-dark")
        await page.get_by_role("button", name="I do not agree to take part").click()
        await go_back(page, "no-consent-2-exit-dark", "You are not taking part", "no_consent")
        assert town.came_back("no_consent")["person"] == "dan"


async def test_who_does_not_pass_screening(town: Town, phone: Phone) -> None:
    async with phone() as page:
        await come(page, town.crowd, town.entry("gated", LONG_ID, "v1"))
        await expect(page.get_by_text("A try-out.")).to_be_visible()
        await look(page, "screened-out-1-long-title")
        await send(page, "sad")
        await go_back(page, "screened-out-2-exit", "This task is for other people", "screened_out")
        assert town.came_back("screened_out")["person"] == LONG_ID


async def test_who_fails_a_check(town: Town, phone: Phone) -> None:
    async with phone() as page:
        await come(page, town.crowd, town.entry("gated", "eve", "v1"))
        await send(page, "glad")
        await expect(page.get_by_text("It is day")).to_be_visible()
        await send(page, "whatever")
        await go_back(page, "failed-checks-exit", "Thank you for your work", "failed_checks")
        assert town.came_back("failed_checks")["person"] == "eve"


async def test_whose_time_is_over(town: Town, phone: Phone) -> None:
    async with phone() as page:
        await come(page, town.crowd, town.entry("timed", "fay", "v1"))
        await page.get_by_label("Mood").fill("half writ")
        town.clock.advance(601)
        await parts_of(town.runs["timed"]).engine.wait_until(lambda state: not state.visits.open)
        await expect(page.get_by_role("heading", name="The time is over")).to_be_visible()
        await expect(page.get_by_label("In case you want to keep it")).to_have_value("mood: half writ")
        await go_back(page, "timed-out-exit", "The time is over", "timed_out")
        assert town.came_back("timed_out")["person"] == "fay"


async def test_who_waits_for_the_last_unit_in_vain(town: Town, phone: Phone) -> None:
    async with phone() as first, phone() as second:
        await come(first, town.crowd, town.entry("small", "gus", "v1"))
        await expect(first.get_by_label("Mood")).to_be_visible()
        await come(second, town.crowd, town.entry("small", "hal", "v1"))
        await expect(second.get_by_text("Others are working on all that is open")).to_be_visible()
        await look(second, "waiting-1-for-others")
        await send(first)
        await go_back(first, "completed-4-single-unit", "Thank you. You are done.", "completed")
        await go_back(second, "waiting-2-in-vain", "There is nothing left to do", "quota_full")
        assert town.came_back("quota_full")["person"] == "hal"


async def test_who_sends_the_last_while_nobody_is_at_the_notebook(town: Town, phone: Phone, tmp_path: Path) -> None:
    async with phone() as page:
        async with Operator(data_dir=tmp_path) as operator:
            run = await launch(operator, town.crowd, "alone", units_per_visit=1)
            alone = Town(town.crowd, {"alone": run}, town.clock)
            await come(page, town.crowd, alone.entry("alone", "ivy", "v1"))
            await expect(page.get_by_label("Mood")).to_be_visible()
            await operator.detach()
        await send(page)
        await go_back(page, "completed-5-kernel-away", "Thank you. You are done.", "completed")
        assert alone.came_back("completed") == {"person": "ivy", "cc": CODES["completed"]}
        async with Operator(data_dir=tmp_path) as operator:
            run = await operator.reconnect(run.task_run_id)
            await parts_of(run).engine.wait_until(lambda state: not state.visits.open)
            assert run.visits()["outcome"].to_list() == ["completed"]
            await operator.force_shutdown()


# -- with the stand-in of Prolific -------------------------------------------------------------------------------


@dataclass
class Fair:
    """A run on the stand-in of Prolific, whose app is the fake crowd."""

    crowd: FakeCrowd
    prolific: ProlificStandIn
    run: TaskRun

    def participant(self, seed: int) -> Participant:
        """Return somebody who has taken a place in the study."""
        (one,) = self.prolific.participants(1, seed=seed)
        (study_id,) = self.prolific.world.studies
        assert one.begin(study_id)
        return one

    async def told(self) -> None:
        """Wait until the crowd was told of all visits that have ended."""
        await parts_of(self.run).engine.wait_until(lambda state: not state.visits.open and not state.visits.untold)

    def code_of(self, code_type: str) -> str:
        """Return a code of the study."""
        (study,) = self.prolific.world.studies.values()
        (found,) = [one["code"] for one in study.fields["completion_codes"] if one["code_type"] == code_type]
        return str(found)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fair]:
    """A study that is open."""
    folder = tmp_path_factory.mktemp("fair")
    with pytest.MonkeyPatch.context() as patch:
        async with (
            fake_crowd() as crowd,
            ProlificStandIn(StandInSettings(publishing=0, processing=0)) as prolific,
            Operator(data_dir=folder) as operator,
        ):
            patch.setenv("PROLIFIC_TOKEN", prolific.token.reveal())
            patch.setenv("MEPHISTO_CONFIG", str(folder / "config.yml"))
            about = {"task_name": "fair", "task_title": TITLE, "task_description": "Say it.", "task_tags": "mood"}
            config = compose(
                "static_html",
                provider="prolific",
                provider_args={"base_url": prolific.url, "app_url": crowd.url, "estimated_minutes": 3},
                blueprint_args={"task_html": HTML},
                task={**about, "task_reward": 0.6, "currency": "GBP", "units_per_visit": 2},
            )
            rows = [{"title": TITLE, "text": f"It is day {number}."} for number in range(20)]
            run = await operator.launch_task_run(config, SharedTaskState(static_task_data=rows))
            if not prolific.world.studies:
                await open_study(run)
            yield Fair(crowd, prolific, run)
            await operator.force_shutdown()


async def open_study(run: TaskRun) -> None:
    """Offer a run on the crowd."""
    recruiter = parts_of(run).provider.recruiter
    assert recruiter is not None
    about = (run.task_run_id, TITLE, "Say it.", run.url, Money.of("0.60", "GBP"), 10, 1800.0)
    await recruiter.open(Offer(*about, events_url=parts_of(run).events_url), Memory())


async def test_a_participant_completes(fair: Fair, phone: Phone) -> None:
    ann = fair.participant(1)
    async with phone() as page:
        await come(page, fair.crowd, ann.entry_url)
        await send(page)
        await expect(page.locator("#visit")).to_contain_text("2 of 2")
        await send(page)
        await expect(page.get_by_role("heading", name="Thank you. You are done.")).to_be_visible()
        await look(page, "prolific-1-completed")
        await page.get_by_role("link", name="Back to 127.0.0.1").click()
        await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
        assert fair.crowd.back[-1] == ("/submissions/complete", {"cc": fair.code_of("COMPLETED")})
    await fair.told()
    assert ann.status == "AWAITING REVIEW"


async def test_a_participant_does_not_agree(fair: Fair, phone: Phone) -> None:
    bob = fair.participant(2)
    async with phone() as page:
        await come(page, fair.crowd, bob.entry_url)
        await page.get_by_text("About this study").click()
        await page.get_by_role("button", name="I do not agree to take part").click()
        await expect(page.get_by_role("heading", name="You are not taking part")).to_be_visible()
        await look(page, "prolific-2-no-consent")
        await page.get_by_role("link", name="Back to 127.0.0.1").click()
        await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    _, query = fair.crowd.back[-1]
    assert query == {"cc": fair.code_of("NO_CONSENT")}
    await fair.told()
    assert bob.status == "ACTIVE"  # we hand nothing in for them
    assert bob.hand_in(query["cc"])
    assert bob.submission is not None
    assert bob.submission.return_requested


async def test_a_participant_gives_the_task_back(fair: Fair, phone: Phone) -> None:
    cyd = fair.participant(3)
    async with phone() as page:
        await come(page, fair.crowd, cyd.entry_url)
        await page.get_by_role("button", name="Return this task").click()
        await expect(page.get_by_text("As nothing was sent, nothing is paid.")).to_be_visible()
        await look(page, "prolific-3-return-question")
        await page.get_by_role("button", name="Give it back").click()
        await expect(page.get_by_text("If you still hold a place on Prolific, please return it")).to_be_visible()
        await look(page, "prolific-4-returned")
    await fair.told()
    assert cyd.give_back()
    assert cyd.status == "RETURNED"


async def test_a_participant_closes_the_tab(fair: Fair, phone: Phone) -> None:
    dan = fair.participant(4)
    async with phone() as page:
        await come(page, fair.crowd, dan.entry_url)
        await send(page)
        await expect(page.locator("#visit")).to_contain_text("2 of 2")
        await page.get_by_label("Mood").fill("calm")
        async with page.expect_response("**/submit_task"):
            await page.get_by_role("button", name="Send").click()
    await fair.told()
    assert dan.status == "AWAITING REVIEW"
