"""What the server knows is never taken from a worker: every name of ours, and what looks like it, is sent as theirs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mephisto_nb import SharedTaskState
from mephisto_nb.blueprints.form.blueprint import PROBLEMS, UNCHECKED, FormBlueprint, FormBlueprintArgs
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.display.dashboard.moment import _preview, preview_of
from mephisto_nb.display.review_answers import _by_exact_names
from mephisto_nb.frames import frames
from mephisto_nb.kernel.live_run import describe_files, with_files
from mephisto_nb.model.answers import StoredFile
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.review.selection import select

FORM = {"title": "A form", "sections": [{"fieldsets": [{"rows": [{"fields": [
    {"name": "mood", "type": "text", "label": "Mood"}, {"name": "photo", "type": "file", "label": "Photo"},
]}]}]}]}  # fmt: skip
DIRECTORY = Path("run")
STORED = {"fieldname": "photo", "filename": "0a1b", "originalname": "cat.png", "mimetype": "image/png", "size": 3}
#: Names of columns, of files, of messages and of settings of ours, and what some program takes for another name.
NAMES = [
    *frames.RESULT_COLUMNS, "files", "filesByFields", "messages", "answer", "input", "answer.mood", "mood.x", "(more)",
    "(more) (2)", PROBLEMS, UNCHECKED, "(worker)", "(files)", "form_version", "a.b", "a_DOT_b", "index", "None", "nan",
    "True", "@status", "`status`", "__class__", "", " mood", "mood (as sent)", "Mood", "ｍood", "m\u200bood",
]  # fmt: skip
VALUES = st.sampled_from(
    [None, True, "accepted", "/etc/passwd", "run/files/0a1b", "0a1b", STORED, [STORED], {"photo": [STORED]}, 7, [], {}]
)
ANSWERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)


def form() -> FormBlueprint:
    return FormBlueprint(FormBlueprintArgs(form=FORM), SharedTaskState(static_task_data=[{}]))


def page() -> StaticHTMLBlueprint:
    html = "<input name=mood><input name=photo type=file>"
    return StaticHTMLBlueprint(StaticHTMLBlueprintArgs(task_html=html), SharedTaskState(static_task_data=[{}]))


def scripted() -> StaticHTMLBlueprint:
    """Make a page of which nobody can tell what it asks for."""
    html = "<input name=mood><input name=photo type=file><input name=day type=date><script>1</script>"
    return StaticHTMLBlueprint(StaticHTMLBlueprintArgs(task_html=html), SharedTaskState(static_task_data=[{}]))


BLUEPRINTS = {"form": form(), "page": page()}


def results_of(kind: str, *answers: Any) -> pd.DataFrame:
    """Return the frame of answers as a run of this kind of task makes it; no file came with them."""
    about = {name: f"{name} of ours" for name in frames.RESULT_COLUMNS}
    about |= {"accepted_at": 1e9, "submitted_at": 1e9 + 5, "assignment_index": 0, "unit_index": 0, "pay_amount": 0.1}  # type: ignore[dict-item]
    rows = [{**about, "shared": {}, "unit_data": [{}], "data": with_files(DIRECTORY, one, [])} for one in answers]
    blueprint = BLUEPRINTS[kind]
    made_of = (blueprint.get_inputs, blueprint.get_answer)
    return frames.results_frame(rows, *made_of, asked=blueprint.get_asked_fields())


@pytest.mark.parametrize("kind", BLUEPRINTS)
@settings(max_examples=60, deadline=None)
@given(sent=ANSWERS)
def test_no_field_of_an_answer_is_a_column_of_ours(kind: str, sent: dict[str, Any]) -> None:
    honest = {"mood": "glad"}
    alone, both = results_of(kind, honest, honest), results_of(kind, sent, honest)
    ours = [name for name in alone.columns if not name.startswith("answer.")]
    assert list(both.columns[: len(ours)]) == ours
    pd.testing.assert_frame_equal(both[ours], alone[ours])
    assert both["answer.mood"].iloc[1] == "glad"
    assert set(both.columns) - set(alone.columns) <= {"answer.(more)", "answer.photo", "answer.photo (as sent)"}
    if kind == "form":
        problem = both[f"answer.{PROBLEMS}"].iloc[0]
        assert problem is None or problem != sent.get(PROBLEMS)


@settings(max_examples=60, deadline=None)
@given(sent=ANSWERS | VALUES)
def test_only_the_servers_record_makes_a_file(sent: Any) -> None:
    assert not _files_in(with_files(DIRECTORY, sent, []))
    told = with_files(DIRECTORY, sent, [STORED])
    if isinstance(sent, dict):
        assert _files_in(told) == [str(DIRECTORY / "files" / "0a1b")]
    assert [one["name"] for one in describe_files(DIRECTORY, [STORED])] == ["cat.png"]


@pytest.mark.parametrize("text", ["/etc/passwd", "run/files/0a1b", ["0a1b"], {"filename": "0a1b"}])
def test_a_text_in_the_place_of_a_file_is_told_as_no_answer(text: Any) -> None:
    results = results_of("form", {"mood": "glad", "photo": text})
    assert "photo: This is no answer" in results[f"answer.{PROBLEMS}"].iloc[0]


@pytest.mark.parametrize("text", ["/etc/passwd", "run/files/0a1b"])
def test_a_text_in_the_place_of_a_pages_file_stands_apart(text: str) -> None:
    (row,) = results_of("page", {"photo": text}).to_dict("records")
    assert (row["answer.photo"], row["answer.photo (as sent)"]) == (None, [text])
    told = with_files(DIRECTORY, {"photo": text}, [STORED])
    assert BLUEPRINTS["page"].get_answer(told) == {
        "photo": str(DIRECTORY / "files" / "0a1b"),
        "photo (as sent)": [text],
    }


@settings(max_examples=60, deadline=None)
@given(sent=ANSWERS)
def test_what_was_sent_for_something_else_is_said_by_us_alone(sent: dict[str, Any]) -> None:
    blueprint, forged = scripted(), {"photo (as sent)": "forged", "day (as sent)": "forged"}
    row = {"shared": {}, "unit_data": [{}], "unit_index": 0, "data": {**sent, **forged, "day": "soon", "photo": "x"}}
    made_of = (blueprint.get_inputs, blueprint.get_answer, {}, blueprint.get_answer_times())
    (found,) = frames.results_frame([row], *made_of, blueprint.get_asked_fields()).to_dict("records")
    assert (found["answer.photo (as sent)"], found["answer.day (as sent)"]) == (["x"], "soon")
    assert found["answer.(more)"].items() >= forged.items()


def test_the_dashboard_tells_made_up_fields_from_those_of_the_page() -> None:
    answer: Any = SimpleNamespace(preview=None, data={"mood": "glad", "photo (as sent)": "forged", "paid": "yes"})
    assert _preview(answer, BLUEPRINTS["page"]) == preview_of(
        {"mood": "glad", "(more)": {"photo (as sent)": "forged", "paid": "yes"}}
    )


def test_a_file_that_was_sent_is_an_answer() -> None:
    told = with_files(DIRECTORY, {"mood": "glad"}, [STORED])
    assert BLUEPRINTS["form"].get_answer(told)[PROBLEMS] is None


ODD_NAMES = [
    "None", "nan", "True", "False", "", "null", "<NA>", "ann", " ann", "Ann", "ａnn", "an\u200bn", "a" * 128, "*",
    "ann' or 'a' == 'a", "`status`", "@units", "unit_id", "accepted", "u1", "['ann', 'bob']", "ann,bob", "^.*$",
]  # fmt: skip


class Run:
    """A run with a unit of each worker, to select from."""

    def units(self) -> pd.DataFrame:
        status = UnitStatus.COMPLETED.value
        return pd.DataFrame([{"unit_id": f"u{n}", "status": status, "worker_name": w} for n, w in enumerate(ODD_NAMES)])

    results = units


@pytest.mark.parametrize("number", range(len(ODD_NAMES)))
def test_a_name_means_one_worker_whatever_it_looks_like(number: int) -> None:
    assert list(select(Run(), worker=ODD_NAMES[number])) == [f"u{number}"]
    assert list(select(Run(), lambda results: results["worker_name"] == ODD_NAMES[number])) == [f"u{number}"]


def test_no_made_up_column_is_taken_for_another_by_a_filter() -> None:
    results = pd.DataFrame({"status": ["a", "b"], "answer.a.b": [1, 2], "answer.a_DOT_b": [2, 1]})
    told, meant = _by_exact_names("`answer.a.b` == 1 and status != '`answer.a.b`'", results)
    assert list(meant.eval(told, engine="python")) == [True, False]


def _files_in(value: Any) -> list[str]:
    if isinstance(value, StoredFile):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for each in inner for one in _files_in(each)]
