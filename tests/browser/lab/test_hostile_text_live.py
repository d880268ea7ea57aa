"""What strangers write, in JupyterLab, Notebook 7 and nbconvert: no link, script or formula, nothing over the page."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.jupyter import Lab
from tests.browser.lab.test_dashboard_still import save
from tests.security.corpus import CONTROLS, EVERYTHING, HONEST

SETUP = """
import json
import mephisto_nb as mnb
from IPython.display import HTML
from mephisto_nb.testing.simulated_workers import simulate_workers
texts = json.loads({texts!r})
operator = mnb.Operator({folder!r})
task = dict(task_name={folder!r}, task_title="$5 and $8", task_description="d", task_tags="t", task_reward=0.1)
config = mnb.compose("static_html", blueprint_args=dict(task_html="<p>${{text}}</p><input name=mood>"), task=task)
rows = mnb.SharedTaskState(static_task_data=[{{"text": text, "n": n}} for n, text in enumerate(texts)])
run = await operator.launch_task_run(config, rows)
await simulate_workers(run, lambda row: {{"mood": row["text"]}}, num_workers=3, thinking_time=(0, 0))
await run.completed()
mine = __import__("pandas").DataFrame({{"text": texts}})
"""
SHOWN = [
    "run",
    "import pandas; pandas.set_option('display.max_rows', None, 'display.max_colwidth', None)\nrun.results()",
    "run.results()[['answer.mood']].head(20)",
    "run.results()['answer.mood'].value_counts().to_frame()",
    "mine.merge(run.results(), left_on='text', right_on='input.text')[['text', 'answer.mood']]",
    "run.results()['answer.mood']",
    "run.events()",
    "run.review()",
    "run.review.queue()",
    "operator",
    "operator.workers",
    "mnb.preview(config, rows, row=8)",
    "from mephisto_nb.utils.logging import get_logger\nget_logger('x').warning(texts[8])",
    "try:\n    raise mnb.errors.ConfigError(texts[8])\nexcept Exception:\n    get_ipython().showtraceback()",
]
#: What is a formula wherever formulas are made.
CONTROL = "HTML('<p id=a-formula>$x^2$</p>')"
#: Texts that would be made a formula of: neither in code, nor in what formulas are kept out of.
LEFT_OPEN = """() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const kept = ".tex2jax_ignore, .mathjax_ignore, pre, code, script, style, textarea, .jp-Cell-inputWrapper";
  while (walk.nextNode()) {
    const { data, parentElement } = walk.currentNode;
    if (/[$]|\\\\[([]|\\\\begin/.test(data) && !parentElement.closest(kept)) found.push(data.trim());
  }
  return found;
}"""
HARM = """() => {
  const outputs = [...document.querySelectorAll(".jp-OutputArea-output, .jp-RenderedHTMLCommon")];
  const all = (what) => outputs.flatMap((one) => [...one.querySelectorAll(what)]);
  return {
    // JupyterLab itself makes a link of an address in plain text, which is called by the address.
    links: all("a[href*='evil'], img[src*='evil'], iframe[src], area, [onerror], [onload]")
      .filter((one) => !one.closest("pre") || one.textContent !== one.getAttribute("href")).map((one) => one.outerHTML),
    scripts: all("table script, .mnb script").length,
    over: all("table *, .mnb *").filter((one) => getComputedStyle(one).position === "fixed"
      && one.getBoundingClientRect().width > innerWidth / 2).length,
    title: document.title,
  };
}"""


@pytest.mark.parametrize("is_notebook7", [False, True], ids=["lab", "notebook7"])
@pytest.mark.timeout(300)
async def test_words_of_strangers_stay_words(
    jupyter_lab: Lab, page: Page, chromium: Browser, is_notebook7: bool
) -> None:
    lab = jupyter_lab.with_notebook7() if is_notebook7 else jupyter_lab
    name = f"words-{is_notebook7}"
    texts = [text for text in EVERYTHING if text != "\ud800"]
    setup = SETUP.format(texts=json.dumps(texts), folder=name)
    lab.write_notebook(
        f"{name}.ipynb", [setup, *SHOWN, CONTROL, "await operator.force_shutdown(); print('all', 'ran')"]
    )
    await lab.open(page, f"{name}.ipynb")
    await lab.run_all(page)
    await lab.output(page, "all ran").wait_for(timeout=120_000)
    await page.locator("#a-formula").scroll_into_view_if_needed()
    await page.locator("#a-formula mjx-container").wait_for()
    await page.get_by_text(HONEST[0]).first.scroll_into_view_if_needed()
    await expect(page.get_by_text(HONEST[0]).first).to_be_visible()
    assert await page.locator("mjx-container").count() == 1
    assert await page.evaluate(LEFT_OPEN) == []
    harm = await page.evaluate(HARM)
    assert (harm["links"], harm["scripts"], harm["over"], "owned" in harm["title"]) == ([], 0, 0, False)
    await save(page, lab.root / f"{name}.ipynb")
    await _nothing_is_made_of_it_by_nbconvert(lab, chromium, name)


async def _nothing_is_made_of_it_by_nbconvert(lab: Lab, chromium: Browser, name: str) -> None:
    from nbconvert import HTMLExporter, MarkdownExporter  # here, for it takes seconds to import

    body, _ = HTMLExporter().from_filename(str(lab.root / f"{name}.ipynb"))
    context = await chromium.new_context(java_script_enabled=True, offline=True)
    still = await context.new_page()
    await still.set_content(body)
    assert await still.evaluate(LEFT_OPEN) == ["$x^2$"]
    harm = await still.evaluate(HARM)
    assert (harm["links"], harm["scripts"], "owned" in harm["title"]) == ([], 0, False)
    await context.close()
    text, _ = MarkdownExporter().from_filename(str(lab.root / f"{name}.ipynb"))
    assert not [one for one in CONTROLS if "\x1b" in one and one in text]
