"""The operator and its runs, as a notebook shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader

from mephisto_nb.data_model import records
from mephisto_nb.display.progress import show_progress, showing_runs
from mephisto_nb.display.summary import RunSummary, summarize
from mephisto_nb.operations import operator
from mephisto_nb.operations.task_run import LiveTaskRun

#: HTML is escaped, text is not: worker and researcher text never becomes markup.
_templates = Environment(
    loader=PackageLoader("mephisto_nb.display"),
    autoescape=lambda name: name is not None and name.endswith(".html"),
    trim_blocks=True,
    lstrip_blocks=True,
)


def draw_run(run: RunSummary) -> dict[str, str]:
    """Draw a run as it was: by type, a page that reads well even where its styles are stripped, and plain text."""
    return {
        "text/plain": _templates.get_template("run.txt").render(run=run),
        "text/html": _templates.get_template("run.html").render(run=run),
    }


def draw_operator(running: Sequence[RunSummary], waiting: Sequence[records.TaskRun], *, closed: bool) -> str:
    """Draw an operator as a page: the runs it drives, and those that wait to be taken up again."""
    return _templates.get_template("operator.html").render(running=running, waiting=waiting, closed=closed)


class TaskRun(LiveTaskRun):
    """A task run that shows how it is when it is the last value of a cell."""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return draw_run(summarize(self))


class Operator(operator.Operator):  # noqa: D101 - the same docstring as its base, on the next line
    __doc__ = operator.Operator.__doc__
    run_class = TaskRun
    progress = staticmethod(show_progress)

    async def wait_for_runs_then_shutdown(self) -> None:  # noqa: D102 - as its base says; a terminal shows how far it is
        async with showing_runs(self.get_running_task_runs()):
            await super().wait_for_runs_then_shutdown()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        running = [summarize(run) for run in self.get_running_task_runs()]
        return {
            "text/plain": repr(self),
            "text/html": draw_operator(running, self.left_behind, closed=self._closed),
        }
