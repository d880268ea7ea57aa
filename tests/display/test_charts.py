"""What the charts of a run are drawn from, and what they say where there is little to say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mephisto_nb as mnb
from mephisto_nb.display import charts as chart_specs
from mephisto_nb.errors import MissingExtraError
from tests.kernel.runs import crowd_of, end_routers, launch, rows, take


def results(count: int = 8) -> pd.DataFrame:
    """Return answers of pairs of people who agree on every second item."""
    moments = pd.to_datetime("2026-01-01") + pd.to_timedelta(range(count), unit="min")
    tones = ["angry" if index % 4 != 1 else "glad" for index in range(count)]
    words = [f"words {index}" for index in range(count)]
    items = [f"a{index // 2}" for index in range(count)]
    columns: dict[str, Any] = {"submitted_at": moments, "duration_in_seconds": range(10, 10 + count)}
    return pd.DataFrame({**columns, "assignment_id": items, "answer.tone": tones, "answer.words": words})


def test_choices_are_told_from_words_and_lists() -> None:
    frame = results().assign(**{"answer.boxes": [["a", "b"]] * 8})
    assert chart_specs.closed_questions(frame) == ["answer.tone"]


def test_agreement_counts_pairs_of_one_item() -> None:
    assert chart_specs.agreement_by_question(results(), ["answer.tone"]) == {"answer.tone": 0.5}
    alone = results().assign(assignment_id=range(8))
    assert chart_specs.agreement_by_question(alone, ["answer.tone"]) == {}


@pytest.mark.parametrize("frame", [results(0), results(1), results(2), results(), results(12_000)], ids=len)
def test_any_number_of_answers_can_be_drawn(frame: pd.DataFrame) -> None:
    assert chart_specs.draw_charts(frame).to_dict()["config"]["background"] == "transparent"


@pytest.mark.parametrize("known", [7, 1, 0])
def test_answers_of_unknown_time_are_drawn_as_far_as_possible(known: int) -> None:
    frame = results()
    frame.loc[known:, "submitted_at"] = pd.NaT
    frame["duration_in_seconds"] = frame["duration_in_seconds"].astype("float64").where(frame.index < known)
    assert len(chart_specs.draw_charts(frame).to_dict()["concat"]) == (4 if known else 2)
    if known:
        assert str(chart_specs.completion(frame).title).startswith(f"{known} answers in ")
    without_choices = frame.drop(columns="answer.tone")
    assert chart_specs.draw_charts(without_choices).to_dict()


def test_titles_say_what_is_found() -> None:
    assert chart_specs.completion(results()).title == "8 answers in 7 min"
    assert chart_specs.answers(results(), "answer.tone").title == "tone: angry leads with 75%"
    assert (
        chart_specs.time_per_unit(results()).to_dict()["layer"][0]["title"] == "Half of the answers took 14 s or less"
    )


def test_counts_have_no_fractions_and_short_times_are_not_zero() -> None:
    quick = results().assign(duration_in_seconds=[0.2, 0.4, 1.2, 1.27, 1.27, 1.4, 1.5, 2.0])
    drawn = chart_specs.time_per_unit(quick).to_dict()["layer"][0]
    assert drawn["title"] == "Half of the answers took 1.3 s or less"
    assert drawn["encoding"]["y"]["axis"]["tickMinStep"] == 1


def test_a_line_of_many_answers_is_drawn_with_few_points() -> None:
    assert len(chart_specs.completion(results(9_000)).data) < 310


async def test_a_run_without_a_front_end_shows_a_picture(data_dir: Path) -> None:
    async with mnb.Operator(data_dir=data_dir) as operator:
        run = await launch(operator, rows(1))
        async with crowd_of(run.url) as worker:
            await worker("ann").submit(await take(worker("ann")), {"mood": "glad"})
        await run.completed()
        assert set(run.charts()._repr_mimebundle_()) == {"text/plain", "image/png"}
    await end_routers(data_dir)


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    async with mnb.Operator(data_dir=data_dir) as operator:
        run = await launch(operator, rows(1))
        for module, name in [("vl_convert", "vl-convert-python"), ("altair", "altair")]:
            monkeypatch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtraError, match=f"Charts need {name}.*mephisto-nb\\[charts\\]"):
                run.charts()
        assert set(run._repr_mimebundle_()) == {"text/plain", "text/html"}
        await run.force_shutdown()
    await end_routers(data_dir)


async def test_charts_are_drawn_in_a_thread_and_may_be_closed_twice(data_dir: Path) -> None:
    async with mnb.Operator(data_dir=data_dir) as operator:
        run = await launch(operator, rows(1))
        charts = run.charts()
        assert "No answers yet." in await charts._draw()
        assert charts._redraws.state()["error"] == ""
        for _ in range(2):
            charts.close()
        await run.force_shutdown()
    await end_routers(data_dir)
