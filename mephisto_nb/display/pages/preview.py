"""The page of a task, shown in a notebook before anything is launched."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader
from omegaconf import DictConfig

from mephisto_nb._typing import JSON
from mephisto_nb.display.preview import make_document
from mephisto_nb.kernel.launch.launch_input import read_handed_over
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.pages.unit_page import UnitPage, make_page

_HEIGHT = 640
_templates = Environment(loader=PackageLoader("mephisto_nb.display.pages", "."), autoescape=True)


class Preview:
    """A worker's page, which shows itself on a line of its own in a notebook. It is made by `preview`.

    What is shown holds all that it needs: there is no server, no process is left, and it works with any front end,
    on any computer, and still when the kernel is gone. It runs in a frame that cannot reach the notebook.

    Examples
    --------
    ``mnb.preview(config, shared_state)``, or ``Preview(page, height=900)`` for a higher one
    """

    def __init__(self, page: UnitPage, height: int = _HEIGHT) -> None:
        self._page, self._height = page, height

    def row(self, answer: JSON) -> pd.DataFrame:
        """Give the row of `results()` that an answer would become: its ``input.NAME`` and ``answer.NAME`` columns.

        Parameters
        ----------
        answer
            What the page sends; it is shown when something is sent in the preview.
        """
        return self._page.row(answer)

    def document(self) -> str:
        """Give the page as one HTML document."""
        told = {
            "task_config": self._page.task_config,
            "init_task_data": self._page.init_data,
            "is_onboarding": self._page.is_onboarding,
        }
        return make_document(self._page.files, self._page.policy, told, secrets.token_hex(12))

    def __repr__(self) -> str:
        return f"<Preview of {self._page.title!r}; a notebook shows it>"

    def _repr_html_(self) -> str:
        return _templates.get_template("frame.html").render(
            title=self._page.title or "a task",
            document=self.document(),
            height=self._height,
            is_live=self._page.runner is not None,
            left_out=self._page.left_out,
        )


def preview(
    config: DictConfig | Mapping[str, Any] | Iterable[Any],
    shared_state: SharedTaskState | pd.DataFrame | list[Any] | None = None,
    row: int | Mapping[str, Any] | None = 0,
    *,
    height: int = _HEIGHT,
) -> Preview:
    """Show the page that a worker would see, filled with a row of data. Nothing is launched, written or sent.

    What is filled in can be sent, but goes nowhere: the preview then says what would have been sent.

    Parameters
    ----------
    config
        A task's configuration, as for `Operator.launch_task_run`; or what `form_task` or
        `chat_task` made, which has its data.
    shared_state
        The task's data and hooks, as for a launch.
    row
        Which row of the data, counted from 0; or a row itself, where data comes one by one. None: the introduction
        that newcomers go through first.
    height
        How high it is shown, in pixels.

    Returns
    -------
    Preview
        Which a notebook shows. A copy of it stays in the notebook's output, with the row's data.

    Raises
    ------
    ConfigError
        Whatever a launch would refuse; or there is no such row.

    Examples
    --------
    >>> from mephisto_nb.config.hydra_config import compose
    >>> about = {"task_name": "moods", "task_title": "Moods", "task_description": "", "task_tags": "", "task_reward": 0}
    >>> page = {"task_html": "<p>${text}</p> <label>Mood <input name=mood></label>"}
    >>> config = compose("static_html", task=about, blueprint_args=page)
    >>> shown = preview(config, SharedTaskState(static_task_data=[{"text": "Rain."}]))
    >>> shown.row({"mood": "grim"}).values.tolist()
    [['Rain.', 'grim']]
    """
    settings, state = read_handed_over(config, shared_state)
    return Preview(make_page(settings, state, row), height)
