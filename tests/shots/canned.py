"""Dashboards of canned states, for a notebook: what they show depends on nothing that happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
import pandas as pd

from mephisto_nb.display.charts import CHARTS, draw_charts, spec_of
from mephisto_nb.display.notebook import ALL_RUNS
from mephisto_nb.display.widgets.widget import Subject, make_model
from tests.display.states import RUN_ID, RUNS, STATES, SUBMISSION

PREVIEWS = {
    "shutdown": "66 units that nobody is working on are taken back. 8 workers at work go on, and may submit. "
    "The run ends when they are done.",
    "limits": "Pay for a unit: $0.20 instead of $0.15, for 66 units that nobody has yet: adds $3.96, fees included.",
}


class Canned:
    """A source that stays as it is, and a run that can only say what it would do."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self.on_change: list[Callable[[], None]] = []

    def state(self) -> dict[str, Any]:
        return self._state

    async def load(self) -> None:
        """There is nothing to read."""

    def submission(self, agent_id: str) -> dict[str, Any]:
        return SUBMISSION

    def preview(self, action: str, **arguments: Any) -> str:
        return PREVIEWS.get(action, "")


def dashboard(name: str) -> Any:
    """Return the dashboard of a canned state, or the list of all runs."""
    state = RUNS if name == ALL_RUNS else STATES[name]

    async def find(topic: str) -> Subject:
        source = Canned(state)
        return Subject(source, source)

    return make_model(ALL_RUNS if name == ALL_RUNS else RUN_ID, find)


def narrow(name: str) -> Any:
    """Return the same in a narrow column."""
    return ipywidgets.Box([dashboard(name)], layout=ipywidgets.Layout(width="360px"))


def charts(count: int) -> Any:
    """Return charts of so many answers."""
    drawing = {"spec": spec_of(draw_charts(answers(count))), "answered": count, "error": ""}

    async def find(topic: str) -> Subject:
        return Subject(Canned(drawing))

    return make_model("charts", find, CHARTS)


def answers(count: int) -> pd.DataFrame:
    """Return answers of pairs of people to questions of several kinds."""
    numbers = range(count)
    moments = pd.to_datetime("2026-11-26 14:00") + pd.to_timedelta([20 * n + 37 * (n % 3) for n in numbers], unit="s")
    return pd.DataFrame(
        {
            "submitted_at": moments,
            "duration_in_seconds": [18 + (n * 37 % 41) + (n % 13 == 0) * 60 for n in numbers],
            "assignment_id": [f"a{n // 2}" for n in numbers],
            "answer.tone": [("angry", "friendly", "neutral", "angry")[(n // 2 + (n % 7 == 0)) % 4] for n in numbers],
            "answer.urgency": [1 + (n // 2 * 3 + (n % 5 == 0)) % 5 for n in numbers],
            "answer.reply": [f"Reply number {n}" for n in numbers],
        }
    )
