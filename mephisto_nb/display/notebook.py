"""The operator and its runs, as a notebook shows them."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader

from mephisto_nb.display.summary import summarize
from mephisto_nb.operations import operator
from mephisto_nb.operations.task_run import LiveTaskRun

#: HTML is escaped, text is not: worker and researcher text never becomes markup.
_templates = Environment(
    loader=PackageLoader("mephisto_nb.display"),
    autoescape=lambda name: name is not None and name.endswith(".html"),
    trim_blocks=True,
    lstrip_blocks=True,
)


class TaskRun(LiveTaskRun):
    """A task run that shows how it is when it is the last value of a cell."""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        summary = summarize(self)
        return {
            "text/plain": _templates.get_template("run.txt").render(run=summary),
            "text/html": _templates.get_template("run.html").render(run=summary),
        }


class Operator(operator.Operator):  # noqa: D101 - the same docstring as its base, on the next line
    __doc__ = operator.Operator.__doc__
    run_class = TaskRun

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        running = [summarize(run) for run in self.get_running_task_runs()]
        page = _templates.get_template("operator.html")
        return {"text/plain": repr(self), "text/html": page.render(running=running, waiting=self.left_behind)}
