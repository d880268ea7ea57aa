"""What workers write is data wherever it is shown: in the notebook, in logs, in an exported file."""

import csv
import re

from mephisto_nb.display.dashboard.watch import RunWatch
from mephisto_nb.display.notebook import draw_run
from tests.inside import frames_of, parts_of
from tests.kernel.conftest import data_dir, make_operator, operator
from tests.kernel.runs import crowd_of, launch, rows, take

__all__ = ["data_dir", "make_operator", "operator"]

HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "\u202etxt.exe\u2066",
    "calm\r\n2026-01-01 00:00:00 ERROR forged",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "\t=1+1",
    "calm\r=1+1",
    "\ud800",
]
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def complain(unit):
    raise ValueError("\n".join(HARMFUL))


async def write_everywhere(worker, text):
    """Let a worker write this wherever workers can write."""
    agent = await take(worker)
    await worker.post("/log_error", {"USED_AGENT_ID": agent, "error_data": {text: text}})
    await worker.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": {text: text}})
    await worker.submit_form(agent, {"mood": text, text: text}, {"photo": b"bytes"})


async def finished_run(operator):
    """Return a run in which each worker wrote another of the harmful texts."""
    run = await launch(operator, rows(len(HARMFUL)), shared={"on_unit_submitted": complain})
    async with crowd_of(run.url) as worker:
        for number, text in enumerate(HARMFUL):
            await write_everywhere(worker(f"ann {number} {text if text.isprintable() else ''}"), text)
    await run.completed()
    return run


async def test_it_does_no_harm_in_the_notebook_the_logs_and_the_file(operator, tmp_path, caplog):
    caplog.set_level("DEBUG")
    run = await finished_run(operator)
    watch = RunWatch(frames_of(run))
    await watch.load()
    shown = draw_run(watch.state())
    tables = [frame._repr_html_() for frame in (run.results(), run.agents(), run.units(), run.events())]
    assert not re.search("<(script|img)", "".join([shown["text/html"], *tables]), re.IGNORECASE)
    log = (parts_of(run).directory / "router.log").read_text()
    plain = [repr(run), *shown.values(), caplog.text, log]
    assert [text for text in plain if STEERING.search(text) or "\n2026-01-01 00:00:00 ERROR" in text] == []
    with run.export(tmp_path / "answers.csv", for_spreadsheet=True).open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert "'@SUM(A1)" in cells


async def test_a_name_that_cannot_be_shown_gets_no_unit(operator):
    run = await launch(operator, rows(1))
    names = ["", " ", "\x1b[31m", "\u202eann", "ann\nbob", "\ud800", "a" * 129, ["ann"], {}, 7]
    async with crowd_of(run.url) as worker:
        told = [await worker(name).register("r") for name in names]
    assert {(details["agent_id"], details["failure_code"]) for details in told} == {(None, "bad_registration")}
