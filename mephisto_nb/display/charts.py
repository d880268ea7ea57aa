"""The charts of a run, live where a kernel is and a picture everywhere else (extra ``charts``)."""

from __future__ import annotations

import asyncio
import base64
import json
from functools import cached_property
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from mephisto_nb.display.charts import Redraws, draw_charts
from mephisto_nb.display.dashboard.watch import watch
from mephisto_nb.display.summary import SavedDisplays
from mephisto_nb.display.widgets.widget import FrontEnd, can_be_live, make_model
from mephisto_nb.display.widgets.widget_server import Errands, Subject
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.run import LiveTaskRun


class RunCharts:
    """Shows how a run comes along, how long people take, what they say, and whether they agree.

    In JupyterLab and Notebook 7 it follows the run while somebody looks. The scripts that draw come from the package
    vl-convert: nothing is loaded from the network.

    Parameters
    ----------
    run
        The run.

    Raises
    ------
    ConfigError
        Altair or vl-convert is not installed.

    Examples
    --------
    ``run.charts()``, on a line of its own; ``run.charts().chart`` is the Altair chart of now
    """

    def __init__(self, run: RunFrames) -> None:
        if find_spec("altair") is None or find_spec("vl_convert") is None:
            raise ConfigError("Charts need Altair and vl-convert. Install them: pip install 'mephisto-nb[charts]'.")
        self._run = run
        self._saved, self._errands = SavedDisplays(), Errands()

    @property
    def chart(self) -> Any:
        """The Altair chart of now, to change, combine or save; reads the results."""
        return draw_charts(self._run.results())

    def close(self) -> None:
        """Follow the run no longer; what is drawn stays."""
        self._leave()
        self._errands.close()
        if "_redraws" in vars(self):
            self._redraws.close()

    def __repr__(self) -> str:
        return f"<charts of run {self._run.task_run_id}: shown in a notebook; .chart is an Altair chart>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        answered = watch(self._run).state()["units"]["answered"]  # before: what comes meanwhile is to be drawn again
        chart = self.chart
        still = {"text/plain": repr(self), "image/png": picture_of(chart)}
        if not can_be_live():
            return still
        self._redraws.show(spec_of(chart), answered)
        return {**self._model._repr_mimebundle_()[0], **still}

    def _ipython_display_(self) -> None:
        if not can_be_live():
            raise NotImplementedError  # IPython shows the picture by itself
        self._saved.show(self._repr_mimebundle_())
        if isinstance(self._run, LiveTaskRun) and self._run.is_running and self._end not in self._run.listeners:
            self._run.listeners.append(self._end)

    def _end(self) -> None:
        """Draw a last time for what a notebook keeps, once the run is over."""
        if isinstance(self._run, LiveTaskRun) and not self._run.is_running:
            self._leave()

            def renew(bundle: dict[str, Any] | None, error: str | None) -> None:
                if bundle is not None:
                    self._saved.renew(lambda: bundle)

            self._errands.start(self._draw_last(), renew)

    async def _draw_last(self) -> dict[str, Any]:
        picture = await in_thread(lambda: picture_of(self.chart))
        return {**self._model._repr_mimebundle_()[0], "text/plain": repr(self), "image/png": picture}

    def _leave(self) -> None:
        if isinstance(self._run, LiveTaskRun) and self._end in self._run.listeners:
            self._run.listeners.remove(self._end)

    @cached_property
    def _redraws(self) -> Redraws:
        return Redraws(watch(self._run), self._draw, self._errands, asyncio.get_running_loop())

    async def _draw(self) -> str:
        return await in_thread(lambda: spec_of(self.chart))

    @cached_property
    def _model(self) -> Any:
        async def find(topic: str) -> Subject:
            return Subject(self._redraws)

        return make_model("charts", find, CHARTS)


def spec_of(chart: Any) -> str:
    """Give the Vega-Lite specification of an Altair chart, as JSON."""
    return json.dumps(chart.to_dict())


def picture_of(chart: Any) -> str:
    """Give a chart as a PNG, in base64."""
    picture = BytesIO()
    chart.save(picture, format="png", scale_factor=2)
    return base64.b64encode(picture.getvalue()).decode()


def _with_vega(module: str) -> str:
    """Put the Vega that Altair's specifications are for before a module."""
    import altair as alt
    import vl_convert

    version = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(module, vl_version=version)
    return bundle


CHARTS = FrontEnd("Charts", ("words", "dom", "link", "charts"), ("base", "charts"), _with_vega)
