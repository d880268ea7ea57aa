"""The charts of a run, live where a kernel is and a picture everywhere else (extra ``charts``)."""

from __future__ import annotations

import asyncio
import base64
import json
from functools import cache, cached_property
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from mephisto_nb.display.chart_specs import draw_charts
from mephisto_nb.display.observation.watch import watch
from mephisto_nb.display.widgets.desk import Subject
from mephisto_nb.display.widgets.errands import Errands
from mephisto_nb.display.widgets.front_end import CHART_MODULES, CHART_STYLES, script, styles
from mephisto_nb.display.widgets.model import can_be_live, make_model
from mephisto_nb.display.widgets.redraws import Redraws
from mephisto_nb.errors import ConfigError
from mephisto_nb.operations.run_frames import RunFrames
from mephisto_nb.operations.threads import in_thread


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

    @property
    def chart(self) -> Any:
        """The Altair chart of now, to change, combine or save; reads the results."""
        return draw_charts(self._run.results())

    def close(self) -> None:
        """Follow the run no longer; what is drawn stays."""
        if "_redraws" in vars(self):
            self._redraws.close()

    def __repr__(self) -> str:
        return f"<charts of run {self._run.task_run_id}: shown in a notebook; .chart is an Altair chart>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        answered = watch(self._run).state()["units"]["answered"]  # before: what comes meanwhile is to be drawn again
        chart = self.chart
        picture = BytesIO()
        chart.save(picture, format="png", scale_factor=2)
        still = {"text/plain": repr(self), "image/png": base64.b64encode(picture.getvalue()).decode()}
        if not can_be_live():
            return still
        self._redraws.show(spec_of(chart), answered)
        return {**self._model._repr_mimebundle_()[0], **still}

    @cached_property
    def _redraws(self) -> Redraws:
        return Redraws(watch(self._run), self._draw, Errands(), asyncio.get_running_loop())

    async def _draw(self) -> str:
        return await in_thread(lambda: spec_of(self.chart))

    @cached_property
    def _model(self) -> Any:
        async def find(topic: str) -> Subject:
            return Subject(self._redraws)

        return make_model("charts", find, chart_script, chart_styles)


def spec_of(chart: Any) -> str:
    """Give the Vega-Lite specification of an Altair chart, as JSON."""
    return json.dumps(chart.to_dict())


@cache
def chart_script() -> str:
    """Give the front end of charts, with the Vega that Altair's specifications are for."""
    import altair as alt
    import vl_convert

    version = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(script(CHART_MODULES), vl_version=version)
    return bundle


def chart_styles() -> str:
    """Give the style sheet of charts."""
    return styles(CHART_STYLES)
