"""How the charts of a run are drawn: from the frame of its results to Altair charts (extra ``charts``).

The colours can be told apart by colour-blind people, and text and lines read on light and on dark grounds alike.
Titles say what is to be seen; a number behind it is never left to be guessed.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from mephisto_nb.display.words import count, duration, plain
from mephisto_nb.review.queue import agreement_by_question, closed_questions

ACCENT, GREY, LINE = "#12908b", "#7a7a7a", "#9a9a9a55"
#: No more questions than this are drawn.
MOST_QUESTIONS = 6
#: From how many answers on something is drawn.
FEWEST = 3
_WIDTH, _HEIGHT = 270, 150
#: How long a slice of time may be, in seconds.
_STEPS = [digit * 10.0**power for power in range(-3, 8) for digit in (1, 2, 5)]


def draw_charts(results: pd.DataFrame) -> Any:
    """Draw what can be told from the results so far, as one Altair chart."""
    import altair as alt

    if len(results) < FEWEST:
        words = f"{count(len(results), 'answer')} so far; charts begin with {FEWEST}."
        nothing = pd.DataFrame({"words": ["No answers yet." if results.empty else words]})
        return _dressed(alt.Chart(nothing).mark_text(color=GREY, fontSize=14).encode(text="words"))
    questions = closed_questions(results)[:MOST_QUESTIONS]
    charts = [completion(results), time_per_unit(results), *(answers(results, name) for name in questions)]
    agreeing = agreement(results, questions)
    if agreeing is not None:
        charts.append(agreeing)
    return _dressed(alt.concat(*charts, columns=2, spacing=34))


def completion(results: pd.DataFrame) -> Any:
    """Draw how many answers there were at each moment."""
    import altair as alt

    moments = results["submitted_at"].sort_values().reset_index(drop=True)
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
    import altair as alt

    counts = results[question].map(lambda value: plain(value)[:40], na_action="ignore").value_counts()
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
