"""Qualifications and workers as a notebook shows them: panels where a kernel is, their first rows everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from time import time
from typing import Any

from mephisto_nb.display.people_model import PeopleModel, people_model_of
from mephisto_nb.display.summary import MOST_ROWS, render_table
from mephisto_nb.display.table import Query, to_json
from mephisto_nb.display.widgets.widget import FrontEnd, can_be_live, make_model
from mephisto_nb.display.widgets.widget_server import Subject
from mephisto_nb.display.words import UNKNOWN, count, duration, money, plain
from mephisto_nb.people.people import People
from mephisto_nb.runs import Runs

Column = tuple[str, Callable[[Mapping[str, Any]], str]]


def _range(row: Mapping[str, Any]) -> str:
    low, high = row["lowest"], row["highest"]
    return UNKNOWN if low is None else f"{low}" if low == high else f"{low} to {high}"


def _held(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{plain(name)} {value}" for name, value in row["qualifications"].items()) or UNKNOWN


def _hourly(row: Mapping[str, Any]) -> str:
    warning = f" (below {money(row['minimum_hourly_pay'])})" if row["below_minimum"] else ""
    return money(row["hourly_pay"]) + warning


_QUALIFICATIONS: tuple[Column, ...] = (
    ("Qualification", lambda row: plain(row["qualification_name"])),
    ("Holders", lambda row: f"{row['holders']:,}"),
    ("Values", _range),
    ("Description", lambda row: plain(row["description"]) or UNKNOWN),
)
_WORKERS: tuple[Column, ...] = (
    ("Worker", lambda row: plain(row["worker_name"]) + (" (blocked)" if row["blocked"] else "")),
    ("Crowd", lambda row: plain(row["provider_type"])),
    ("Units", lambda row: f"{row['units']:,}"),
    ("Approved", lambda row: f"{row['approved']:,}"),
    ("Median time", lambda row: duration(row["median_seconds"])),
    ("Pay an hour", _hourly),
    ("Qualifications", _held),
)


def draw_qualifications(model: PeopleModel) -> dict[str, str]:
    """Draw the qualifications as they are now, by type: a page, and plain text."""
    first = "await operator.qualifications.create('careful', 'reads twice')"
    return _draw(model, "qualifications", "qualification", _QUALIFICATIONS, first)


def draw_workers(model: PeopleModel) -> dict[str, str]:
    """Draw the workers as they are now, by type: a page, and plain text."""
    return _draw(model, "workers", "worker", _WORKERS, "run = await operator.launch_task_run(config, shared_state)")


def _draw(model: PeopleModel, table: str, one: str, columns: Sequence[Column], first: str) -> dict[str, str]:
    frame = model.table(table).find(Query())
    rows = [[words(row) for _, words in columns] for row in to_json(frame.head(MOST_ROWS))]
    values = {
        "title": f"{one}s".capitalize(),
        "counted": count(len(frame), one),
        "names": [name for name, _ in columns],
        "rows": rows,
        "more": len(frame) - len(rows),
        "frame": f"operator.{table}.frame()",
        "first": first,
        "taken_at": time(),
    }
    return render_table(values)


#: The panels, each part after those that it needs.
PEOPLE = FrontEnd(
    "People",
    (
        "words", "dom", "link", "dialogs", "grid", "ask", "heading", "mount", "compose", "qualifications", "workers",
        "panels",
    ),
    ("base", "dashboard", "panels", "people"),
)  # fmt: skip


class PeoplePanel:
    """The panel of one topic, over the model of an operator's people.

    Parameters
    ----------
    people, runs
        Of whom, and the runs of the same operator.
    topic
        ``qualifications`` or ``workers``.
    """

    def __init__(self, people: People, runs: Runs, topic: str) -> None:
        self._people, self._runs, self._topic = people, runs, topic

    @property
    def panel_model(self) -> PeopleModel:
        """What the panel knows, and answers."""
        return people_model_of(self._people, self._runs)

    @cached_property
    def model(self) -> Any:
        """The widget."""
        return make_model(self._topic, self._find, PEOPLE)

    async def _find(self, topic: str) -> Subject:
        return Subject(self.panel_model)

    def bundle(self) -> dict[str, Any]:
        """Return the panel in all its forms; the widget's comes first."""
        still = _DRAWN[self._topic](self.panel_model)
        if not can_be_live():
            return dict(still)
        bundle: dict[str, Any] = self.model._repr_mimebundle_()[0]
        return {**{name: one for name, one in bundle.items() if name.startswith("application/")}, **still}


_DRAWN = {"qualifications": draw_qualifications, "workers": draw_workers}
