"""The charts of a run, live where a kernel is and a picture everywhere else (extra ``charts``)."""

from __future__ import annotations

import asyncio
import base64
from functools import cached_property
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from mephisto_nb.display.chart_specs import draw_charts
from mephisto_nb.display.observation.watch import watch
from mephisto_nb.display.widgets.model import can_be_live
from mephisto_nb.errors import ConfigError
from mephisto_nb.operations.run_frames import RunFrames
from mephisto_nb.operations.threads import in_thread
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: The least time between two drawings, in seconds; and how much of its time a kernel may draw: one part in this many.
INTERVAL, SHARE = 2.0, 20


class RunCharts:
    """Shows how a run comes along, how long people take, what they say, and whether they agree.

    In JupyterLab and Notebook 7 it follows the run. The scripts that draw come from the package vl-convert: nothing is
    loaded from the network.

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
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @property
    def chart(self) -> Any:
        """The Altair chart of now, to change, combine or save; reads the results."""
        return draw_charts(self._run.results())

    def close(self) -> None:
        """Follow the run no longer; what is drawn stays."""
        if self._task is not None:
            self._task.cancel()

    def __repr__(self) -> str:
        return f"<charts of run {self._run.task_run_id}: shown in a notebook; .chart is an Altair chart>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        chart = self.chart
        picture = BytesIO()
        chart.save(picture, format="png", scale_factor=2)
        still = {"text/plain": repr(self), "image/png": base64.b64encode(picture.getvalue()).decode()}
        if not can_be_live():
            return still
        self._model.chart = chart
        self._follow()
        return {**self._model._repr_mimebundle_()[0], **still}

    @cached_property
    def _model(self) -> Any:
        import altair as alt

        alt.JupyterChart.enable_offline()
        return alt.JupyterChart(alt.Chart().mark_point(), embed_options={"actions": False})

    def _follow(self) -> None:
        source = watch(self._run)
        if self._task is None and source.state()["run"]["status"] in ("live", "paused", "closing", "done"):
            source.on_change.append(self._news.set)
            self._task = asyncio.get_running_loop().create_task(self._redraw(), name="charts")
            self._task.add_done_callback(lambda _: source.on_change.remove(self._news.set))

    async def _redraw(self) -> None:
        """Draw anew after news, not too often, until the run is over."""
        loop, source = asyncio.get_running_loop(), watch(self._run)
        pause, answered = INTERVAL, -1
        while True:
            await asyncio.sleep(pause)
            await self._news.wait()
            self._news.clear()
            state = source.state()
            if state["units"]["answered"] != answered:
                answered, begun = state["units"]["answered"], loop.time()
                await self._draw_anew()
                pause = max(INTERVAL, SHARE * (loop.time() - begun))
            if state["run"]["status"] in ("ended", "failed", "detached"):
                return

    async def _draw_anew(self) -> None:
        try:
            self._model.chart = await in_thread(lambda: self.chart)
        except Exception:  # a database that is away, say: the next answers bring the next drawing
            logger.exception("the charts of run %s could not be drawn anew", self._run.task_run_id)
