"""Qualifications and workers as a notebook shows them: panels where a kernel is, tables everywhere else."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from mephisto_nb.display.people.people_model import PeopleRoom, room_of
from mephisto_nb.display.people.people_panels import draw_qualifications, draw_workers
from mephisto_nb.display.widgets.widget import FrontEnd, can_be_live, make_model
from mephisto_nb.display.widgets.widget_server import Subject
from mephisto_nb.people.acts import PeopleActs
from mephisto_nb.people.qualifications import Qualifications
from mephisto_nb.people.workers import Workers

if TYPE_CHECKING:
    from mephisto_nb.operator import Operator

#: The panels, each part after those that it needs.
PEOPLE = FrontEnd(
    "People",
    (
        "words", "dom", "link", "dialogs", "grid", "ask", "heading", "mount", "compose", "qualifications", "workers",
        "panels",
    ),
    ("base", "dashboard", "panels", "rooms"),
)  # fmt: skip


class _Panel:
    """A panel of one topic, over the room of an operator."""

    def __init__(self, operator: Operator, topic: str) -> None:
        self._operator, self._topic = operator, topic

    @property
    def room(self) -> PeopleRoom:
        """The room."""
        return room_of(self._operator)

    @cached_property
    def model(self) -> Any:
        """The widget."""
        return make_model(self._topic, self._find, PEOPLE)

    async def _find(self, topic: str) -> Subject:
        return Subject(self.room)

    def bundle(self, still: dict[str, str]) -> dict[str, Any]:
        """Give the panel in all its forms; the widget's comes first."""
        if not can_be_live():
            return dict(still)
        bundle: dict[str, Any] = self.model._repr_mimebundle_()[0]
        return {**{name: one for name, one in bundle.items() if name.startswith("application/")}, **still}


class _Shown:
    """What has a panel."""

    _panel: _Panel

    def panel(self) -> Any:
        """Give the panel itself, an anywidget, to put into a layout of your own, or into marimo.

        Raises
        ------
        ConfigError
            anywidget is not installed.
        """
        return self._panel.model


class QualificationsPanel(_Shown, Qualifications):  # noqa: D101 - the same docstring as its base, on the next line
    __doc__ = Qualifications.__doc__

    def __init__(self, acts: PeopleActs, operator: Operator) -> None:
        super().__init__(acts)
        self._panel = _Panel(operator, "qualifications")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._panel.bundle(draw_qualifications(self._panel.room))


class WorkersPanel(_Shown, Workers):  # noqa: D101 - the same docstring as its base, on the next line
    __doc__ = Workers.__doc__

    def __init__(self, acts: PeopleActs, operator: Operator) -> None:
        super().__init__(acts)
        self._panel = _Panel(operator, "workers")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._panel.bundle(draw_workers(self._panel.room))
