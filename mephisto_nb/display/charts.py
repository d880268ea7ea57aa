"""The charts of a run: drawn from its results, redrawn as answers come in, and shown (extra ``charts``).

The colours can be told apart by colour-blind people, and text and lines read on light and on dark grounds alike.
Titles say what is to be seen; a number behind it is never left to be guessed.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from functools import cached_property
from io import BytesIO
from typing import Any, Protocol
from weakref import WeakMethod

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.dashboard.watch import watch
from mephisto_nb.display.summary import SavedDisplays
from mephisto_nb.display.widgets.widget import (
    FrontEnd,
    Handle,
    StateSource,
    Subject,
    Timers,
    ViewTasks,
    can_be_live,
    make_model,
    still_or_live,
)
from mephisto_nb.display.words import count, duration, plain
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddSubmission, Changes
from mephisto_nb.review.queue import agreement_by_question, closed_questions
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.logging import listen_weakly

ACCENT, GREY, LINE = "#12908b", "#7a7a7a", "#9a9a9a55"
#: No more questions than this are drawn.
MOST_QUESTIONS = 6
#: From how many answers on something is drawn.
FEWEST = 3
_WIDTH, _HEIGHT = 270, 150
#: How long a slice of time may be, in seconds.
_STEPS = [digit * 10.0**power for power in range(-3, 8) for digit in (1, 2, 5)]


def draw_charts(results: pd.DataFrame) -> Any:
    """Draw what the results so far show, as one Altair chart."""
    with needs("charts"):
        import altair as alt

    if len(results) < FEWEST:
        words = f"{count(len(results), 'answer')} so far; charts begin with {FEWEST}."
        nothing = pd.DataFrame({"words": ["No answers yet." if results.empty else words]})
        return _dressed(alt.Chart(nothing).mark_text(color=GREY, fontSize=14).encode(text="words"))
    questions = _most_answered(results, closed_questions(results))
    charts = [answers(results, name) for name in questions]
    if results["duration_in_seconds"].notna().any():  # what was imported may have no times
        charts.insert(0, time_per_unit(results))
    if results["submitted_at"].notna().any():
        charts.insert(0, completion(results))
    agreeing = agreement(results, questions)
    if agreeing is not None:
        charts.append(agreeing)
    if not charts:
        nothing = pd.DataFrame({"words": [f"{count(len(results), 'answer')} of unknown times, without choices."]})
        return _dressed(alt.Chart(nothing).mark_text(color=GREY, fontSize=14).encode(text="words"))
    return _dressed(alt.concat(*charts, columns=2, spacing=34))


def _most_answered(results: pd.DataFrame, questions: list[str]) -> list[str]:
    """Return the few questions that most answers have, in their order: what somebody made up displaces none."""
    counts = {name: len(results[name].dropna()) for name in questions}
    chosen = sorted(questions, key=lambda name: -counts[name])[:MOST_QUESTIONS]
    return [name for name in questions if name in chosen]


def completion(results: pd.DataFrame) -> Any:
    """Draw how many answers there were at each moment; those of which it is not known are left out."""
    with needs("charts"):
        import altair as alt

    moments = results["submitted_at"].dropna().sort_values().reset_index(drop=True)
    last = len(moments) - 1
    # A line of a few hundred points looks the same as one of ten thousand.
    chosen = sorted({*range(0, last, 1 + last // 300), last})
    points = pd.DataFrame({"at": moments.iloc[chosen].to_numpy(), "answers": [index + 1 for index in chosen]})
    span = (moments.iloc[-1] - moments.iloc[0]).total_seconds()
    # A tick for each second at most: a few answers within one would be told apart by fractions of it.
    ticks = max(1, min(5, int(span)))
    shown = "%H:%M:%S" if span < 60 else "%H:%M" if span < 86400 else "%b %-d, %H:%M"
    times = alt.Axis.from_dict({"tickCount": ticks, "labelOverlap": True, "format": shown})
    area = alt.Chart(points, title=f"{last + 1:,} answers in {duration(span)}")
    return area.mark_area(
        line={"color": ACCENT}, color=ACCENT, opacity=0.25, interpolate="step-after", clip=True
    ).encode(
        alt.X("at:T", title=None, axis=times),
        alt.Y("answers:Q", title="answers", stack=None, axis=_whole(last + 1)),
        tooltip=["at:T", "answers:Q"],
    )


def time_per_unit(results: pd.DataFrame) -> Any:
    """Draw how long answers took; the few slowest are put together."""
    with needs("charts"):
        import altair as alt

    seconds = results["duration_in_seconds"].dropna().astype(float)
    median = float(seconds.median())
    # As exact as the line that marks it.
    words = f"{median:.1f} s" if median < 10 else duration(median)
    slices = _slices(seconds)
    bars = alt.Chart(slices, title=f"Half of the answers took {words} or less")
    longer = seconds.max() >= slices["end"].max()
    label = f"seconds for a unit{'; the last bar: all longer ones' if longer else ''}"
    columns = bars.mark_bar(color=ACCENT, binSpacing=1).encode(
        alt.X("begin:Q", bin="binned", title=label),
        alt.X2("end:Q"),
        alt.Y("answers:Q", title="answers", axis=_whole(slices["answers"].max())),
        tooltip=["begin:Q", "end:Q", "answers:Q"],
    )
    middle = alt.Chart(pd.DataFrame({"seconds": [median]}))
    return columns + middle.mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="seconds:Q")


def _slices(seconds: pd.Series[float]) -> pd.DataFrame:
    """Count answers in some two dozen slices of time; what takes longer than nearly all others is in the last one."""
    longest = float(seconds.quantile(0.98))
    rough = max(longest - float(seconds.min()), 1.0) / 24
    size = next(step for step in _STEPS if step >= rough)
    counts = (seconds.clip(upper=longest) // size).value_counts().sort_index()
    begin = counts.index.to_numpy() * size
    return pd.DataFrame({"begin": begin, "end": begin + size, "answers": counts.to_numpy()})


def answers(results: pd.DataFrame, question: str) -> Any:
    """Draw how often each choice of a question was made."""
    with needs("charts"):
        import altair as alt

    counts = results[question].map(lambda value: plain(str(value)[:40]), na_action="ignore").value_counts()
    rows = pd.DataFrame({"choice": counts.index.astype(str), "answers": counts.to_numpy()})
    name = _name(question)
    title = f"{name}: {rows['choice'].iloc[0]} leads with {rows['answers'].iloc[0] / counts.sum():.0%}"
    bars = alt.Chart(rows, title=title).mark_bar(color=ACCENT)
    # Grades keep their order; other choices stand with the most frequent first.
    is_grade = pd.api.types.is_numeric_dtype(results[question])
    choice = alt.Y("choice:N", sort="ascending" if is_grade else "-x", title=None)
    return bars.encode(
        alt.X("answers:Q", title="answers", axis=_whole(rows["answers"].max())),
        choice,
        tooltip=["choice:N", "answers:Q"],
    )


def agreement(results: pd.DataFrame, questions: list[str]) -> Any | None:
    """Draw how often two people who judged one item say the same."""
    with needs("charts"):
        import altair as alt

    shares = agreement_by_question(results, questions)
    if not shares:
        return None
    rows = pd.DataFrame({"question": [_name(name) for name in shares], "agreement": list(shares.values())})
    worst = rows.sort_values("agreement").iloc[0]
    title = f"Least agreement: {worst['question']} ({worst['agreement']:.0%} of pairs)"
    if len(rows) == 1:
        title = f"Two people agree on {worst['question']} in {worst['agreement']:.0%} of pairs"
    scale = alt.X("agreement:Q", title="pairs that agree", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    bars = alt.Chart(rows, title=title).mark_bar(color=ACCENT)
    return bars.encode(scale, alt.Y("question:N", sort="x", title=None), tooltip=["question:N", "agreement:Q"])


def _name(question: str) -> str:
    return plain(question.removeprefix("answer."))[:40]


def _whole(most: int) -> Any:
    """Make an axis that counts to so many: there are no half answers."""
    with needs("charts"):
        import altair as alt

    return alt.Axis(tickMinStep=1, format=",d", tickCount=min(6, int(most)))


def _dressed(chart: Any) -> Any:
    text = {
        "labelColor": GREY,
        "titleColor": GREY,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    }
    return (
        chart.configure(background="transparent", font="system-ui, sans-serif")
        .configure_view(stroke=None, continuousWidth=_WIDTH, continuousHeight=_HEIGHT, discreteWidth=_WIDTH)
        .configure_axis(labelLimit=110, gridColor=LINE, domainColor=LINE, tickColor=LINE, **text)
        .configure_axisX(grid=False)
        .configure_title(color=GREY, fontSize=13, anchor="start", offset=10)
    )


#: The least time between two drawings, in seconds; and how much of its time a kernel may draw: one part in this many.
INTERVAL, SHARE = 2.0, 20
#: When a drawing that failed is tried again, unless somebody looks anew before, in seconds.
RETRY = 15.0


class Owner(Protocol):
    """Owns what is started: `display.widgets.widget.ViewTasks`."""

    def start(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
        """Start something; `done(result, error)` is called with what came of it."""
        ...

    def close(self) -> None:
        """Call off what is still under way."""
        ...


class Redraws:
    """The newest drawing of a run, as a source that a feed can follow.

    It follows the run for as long as somebody follows it, and a look at it begins a drawing where there are answers
    that the last one has not.

    Parameters
    ----------
    run
        The run's own source.
    draw
        Draws; gives the specification as JSON.
    owner
        Owns the drawings that are under way.
    timers
        The event loop.
    """

    def __init__(
        self, run: StateSource, draw: Callable[[], Coroutine[Any, Any, str]], owner: Owner, timers: Timers
    ) -> None:
        #: Called after each drawing, and after one that failed; empty while nobody looks.
        self.on_change: list[Callable[[], None]] = []
        self._run, self._draw, self._owner, self._timers = run, draw, owner, timers
        self._spec, self._error = "", ""
        self._drawn: int | None = None
        self._is_drawing = False
        self._due: Handle | None = None
        self._not_before = timers.time()

    def show(self, spec: str, answered: int) -> None:
        """Take in what was drawn elsewhere, of so many answers."""
        self._spec, self._error, self._drawn = spec, "", answered
        self._tell()

    def state(self) -> JSONObject:
        """Return the newest drawing (JSON in a string: it can be of one piece only), and why there is no newer one."""
        if self._note not in self._run.on_change:
            self._run.on_change.append(self._note)
        self._draw_soon()
        return {"spec": self._spec, "answered": self._drawn, "error": self._error}

    async def load(self) -> None:
        """There is nothing to read: a look has begun what has to be drawn."""

    def close(self) -> None:
        """Follow the run no longer; what is drawn stays. May be called twice."""
        self._let_go()
        self._owner.close()

    def _let_go(self) -> None:
        if self._note in self._run.on_change:
            self._run.on_change.remove(self._note)
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _note(self) -> None:
        if self.on_change:
            self._draw_soon()
        else:
            self._let_go()

    def _draw_soon(self) -> None:
        if self._due is None and not self._is_drawing:
            wait = max(0.0, self._not_before - self._timers.time())
            self._due = self._timers.call_later(wait, self._draw_what_is_new)

    def _draw_what_is_new(self) -> None:
        self._due = None
        if not self.on_change:
            return
        begun = self._timers.time()
        self._not_before = begun + INTERVAL
        answered = self._run.state()["units"]["answered"]
        if answered == self._drawn:
            return

        def done(spec: str | None, error: str | None) -> None:
            self._is_drawing = False
            took = self._timers.time() - begun
            self._not_before = begun + max(INTERVAL, SHARE * took) if error is None else begun + took + RETRY
            if spec is not None:
                self.show(spec, answered)
            else:
                self._error = error or ""
                self._tell()
            self._note()  # there may be news since

        self._is_drawing = True
        self._owner.start(self._draw(), done)

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()


#: The least time between two pictures of what notebooks keep, in seconds: one takes a second to draw.
_PICTURE_INTERVAL = 60.0


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
    MissingExtraError
        Altair or vl-convert is not installed.

    Examples
    --------
    ``run.charts()``, on a line of its own; ``run.charts().chart`` is the Altair chart of now
    """

    def __init__(self, run: RunFrames) -> None:
        with needs("charts"):
            import altair  # noqa: F401
            import vl_convert  # noqa: F401
        self._run, self._live = run, run.live
        self._saved, self._tasks = SavedDisplays(), ViewTasks()

    @property
    def chart(self) -> Any:
        """The Altair chart of now, to change, combine or save; reads the results."""
        return draw_charts(self._run.results())

    def close(self) -> None:
        """Follow the run no longer; what is drawn stays."""
        self._leave()
        self._tasks.close()
        if "_redraws" in vars(self):
            self._redraws.close()

    def __repr__(self) -> str:
        return f"<charts of run {self._run.task_run_id}: shown in a notebook; .chart is an Altair chart>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        answered = watch(self._run).state()["units"]["answered"]  # before: what comes meanwhile is to be drawn again
        chart = self.chart
        picture = picture_of(chart)
        if not can_be_live():
            return {"text/plain": repr(self), "image/png": picture}
        self._redraws.show(spec_of(chart), answered)
        return self._bundle(picture)

    def _bundle(self, picture: str) -> dict[str, Any]:
        still = {
            "text/plain": repr(self),
            "text/html": f'<img src="data:image/png;base64,{picture}" alt="Charts of the run" width="100%">',
            "image/png": picture,  # for what shows pictures, and no pages
        }
        return still_or_live(still, lambda: self._model)

    def _ipython_display_(self) -> None:
        if not can_be_live():
            raise NotImplementedError  # IPython shows the picture by itself
        self._saved.show(self._repr_mimebundle_())
        if self._live is not None and self._live.is_running and self._end not in self._live.listeners:
            self._live.listeners.append(self._end)
            listen_weakly(self._run.writer.listeners, WeakMethod(self._hear))

    def _hear(self, changes: Changes) -> None:
        if any(isinstance(one, AddSubmission) for one in changes.changes):
            self._saved.renew_soon(self._draw_last, _PICTURE_INTERVAL)

    def _end(self) -> None:
        """Draw a last time for what a notebook keeps, once the run is over."""
        if self._live is not None and not self._live.is_running:
            self._leave()

            def renew(bundle: dict[str, Any] | None, error: str | None) -> None:
                if bundle is not None:
                    self._saved.renew(lambda: bundle)

            self._tasks.start(self._draw_last(), renew)

    async def _draw_last(self) -> dict[str, Any]:
        picture = await in_thread(lambda: picture_of(self.chart))
        return self._bundle(picture)

    def _leave(self) -> None:
        if self._live is not None and self._end in self._live.listeners:
            self._live.listeners.remove(self._end)

    @cached_property
    def _redraws(self) -> Redraws:
        return Redraws(watch(self._run), self._draw, self._tasks, asyncio.get_running_loop())

    async def _draw(self) -> str:
        return await in_thread(lambda: spec_of(self.chart))

    @cached_property
    def _model(self) -> Any:
        async def find(topic: str) -> Subject:
            return Subject(self._redraws)

        return make_model("charts", find, CHARTS)


def spec_of(chart: Any) -> str:
    """Return the Vega-Lite specification of an Altair chart, as JSON."""
    return json.dumps(chart.to_dict())


def picture_of(chart: Any) -> str:
    """Return a chart as a PNG, in base64."""
    picture = BytesIO()
    chart.save(picture, format="png", scale_factor=2)
    return base64.b64encode(picture.getvalue()).decode()


def _with_vega(module: str) -> str:
    """Put the Vega that Altair's specifications are for before a module."""
    with needs("charts"):
        import altair as alt
        import vl_convert

    version = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(module, vl_version=version)
    return bundle


CHARTS = FrontEnd("Charts", ("words", "dom", "link", "place", "charts"), ("base", "charts"), _with_vega)
