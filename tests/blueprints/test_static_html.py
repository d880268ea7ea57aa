"""The settings of a static HTML task, the site it builds, and what its answers become."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.kernel.live_run import with_files
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState
from tests.blueprints.tasks import HTML, task

ROWS = [{"text": "one"}, {"text": "two"}]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"html": None}, "neither task_source nor task_html"),
        ({"task_source": "task.html"}, "task_source is 'task.html', and task_html is set as well"),
        ({"preview_source": "a.html", "preview_html": "<p>"}, "preview_source is 'a.html', and preview_html"),
        ({"units_per_assignment": 0}, "units_per_assignment is 0"),
        ({"extra_script_sources": ["'unsafe-inline'"]}, "not an address to load scripts from"),
        ({"extra_script_sources": ["https://a.org; img-src *"]}, "not an address"),
        ({"extra_source_dir": "no/such/folder"}, "extra_source_dir is 'no/such/folder', which is not a folder"),
        ({"html": "<p>${text}</p><input>"}, "no input with a name and no script"),
        ({"html": "<script src='a.js'></script>"}, "loads 'a.js', but extra_source_dir is not set"),
        ({"preview_html": "${missing}"}, "row 0 of static_task_data lacks 'missing'"),
        ({"preview_html": "${text}", "preview_with_sample": False}, "but visitors get no data"),
    ],
)
def test_settings_that_cannot_work_are_refused(args: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        task(ROWS, **args).assert_task_args()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task_source_review", "review.html"),
        ("tips_location", "tips.csv"),
    ],
)
def test_what_mephisto_does_and_we_do_not_is_left_out_with_a_remark(
    key: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    task(ROWS, **{key: value}).assert_task_args()
    assert f"mephisto.blueprint.{key} is {value!r}, which is left out" in caplog.text


def test_settings_of_mephisto_that_say_nothing_are_accepted() -> None:
    task(ROWS, task_source_review="", tips_location=None).assert_task_args()


def test_a_template_is_read_from_its_file(tmp_path: Path) -> None:
    source = tmp_path / "task.html"
    source.write_text("<p>${wrong}</p><input name=a>")
    with pytest.raises(DataFileError, match=r"\$\{wrong\}"):
        task(ROWS, html=None, task_source=str(source)).assert_task_args()
    with pytest.raises(DataFileError, match=r"task_source is .*none.html.*cannot be read"):
        task(ROWS, html=None, task_source=str(tmp_path / "none.html")).assert_task_args()


def test_the_site_holds_page_template_scripts_and_a_sample(tmp_path: Path) -> None:
    blueprint = task(ROWS, html=HTML + "<script>go()</script>")
    blueprint.assert_task_args()
    blueprint.build_site(tmp_path / "site")
    site = tmp_path / "site"
    assert {"index.html", "task.html", "task-script-1.js", "preview.json", "worker_page"} == {
        entry.name for entry in site.iterdir()
    }
    assert json.loads((site / "preview.json").read_text()) == ROWS[0]
    assert (site / "task-script-1.js").read_text() == "go()"


def test_no_row_becomes_public_where_that_is_not_wanted(tmp_path: Path) -> None:
    for number, blueprint in enumerate([task(ROWS, preview_with_sample=False), task(iter(ROWS))]):
        blueprint.build_site(tmp_path / str(number))
        assert not (tmp_path / str(number) / "preview.json").exists()
        assert blueprint.get_frontend_args()["has_sample"] is False


def test_the_extra_folder_lies_beside_the_page(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    (extra / "pictures").mkdir(parents=True)
    (extra / "pictures" / "cat.png").write_bytes(b"png")
    (extra / "a.js").write_text("")
    blueprint = task(ROWS, html=HTML + "<script src='a.js?v=2'></script>", extra_source_dir=str(extra))
    blueprint.assert_task_args()
    blueprint.build_site(tmp_path / "site")
    assert (tmp_path / "site" / "pictures" / "cat.png").read_bytes() == b"png"


def test_the_extra_folder_never_replaces_the_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "index.html").write_text("mine")
    (tmp_path / "extra" / "task-script-7.js").write_text("mine")
    blueprint = task(ROWS, extra_source_dir=str(tmp_path / "extra"))
    blueprint.assert_task_args()
    blueprint.build_site(tmp_path / "site")
    assert "Left out: index.html (a name that the worker's page has itself" in caplog.text
    assert "task-script-7.js (a name" in caplog.text
    assert "mine" not in (tmp_path / "site" / "index.html").read_text()
    assert not (tmp_path / "site" / "task-script-7.js").exists()


def test_names_that_the_page_fills_in_need_no_column() -> None:
    task(ROWS, html="<p>${text} ${mephisto_agent_id} ${provider_worker_id}</p><input name=a>").assert_task_args()


CDN = '<link\n rel="stylesheet" href="https://example.org/b.css"/><p>${text}</p><input name=a>'


def test_a_style_sheet_of_another_site_is_left_out_with_a_remark(caplog: pytest.LogCaptureFixture) -> None:
    blueprint = task(ROWS, html=CDN)
    blueprint.assert_task_args()
    assert "example.org" not in blueprint._template.html
    assert "line 1: the style sheet 'https://example.org/b.css' lies on another site" in caplog.text


def test_a_style_sheet_of_a_site_that_is_named_is_loaded() -> None:
    blueprint = task(ROWS, html=CDN, extra_script_sources=["https://example.org/"])
    blueprint.assert_task_args()
    assert "example.org/b.css" in blueprint._template.html
    assert "style-src 'self' https://example.org/;" in blueprint.get_content_security_policy()


def test_the_policy_stays_strict_but_for_the_scripts_that_are_allowed() -> None:
    policy = task(ROWS, extra_script_sources=["https://example.org/lib/"]).get_content_security_policy()
    assert "script-src 'self' https://example.org/lib/;" in policy
    assert "unsafe" not in policy


def test_the_task_configuration_reaches_the_page() -> None:
    shared_state = SharedTaskState(static_task_data=ROWS, task_config={"colour": "blue"})
    blueprint = StaticHTMLBlueprint(StaticHTMLBlueprintArgs(task_html=HTML), shared_state)
    assert blueprint.get_frontend_args() == {"colour": "blue", "has_preview": False, "has_sample": True}


def test_uploads_become_columns_of_the_answer() -> None:
    uploaded = {"fieldname": "photo", "originalname": "cat.png", "filename": "0a1b"}
    told = with_files(Path("run"), {"mood": "good"}, [uploaded])
    assert task(ROWS).get_answer(told) == {"mood": "good", "photo": str(Path("run/files/0a1b"))}


def test_a_file_and_a_text_of_one_name_are_both_in_its_column() -> None:
    uploaded = {"fieldname": "photo", "originalname": "cat.png", "filename": "0a1b"}
    told = with_files(Path("run"), {"photo": "of last year"}, [uploaded])
    assert task(ROWS).get_answer(told) == {"photo": ["of last year", str(Path("run/files/0a1b"))]}
    page = task(ROWS, "<p>${text}</p><input type=file name=photo><input name='photo (as sent)'>")
    assert page.get_answer({**told, "photo (as sent)": "asked"}) == {
        "photo": str(Path("run/files/0a1b")),
        "photo (as sent)": "asked",
        "photo (as sent) (2)": ["of last year"],
    }


@pytest.mark.parametrize(
    ("button", "told"),
    [
        ("<button>Play</button>", True),
        ("<button class=x id=play>Play</button>", True),
        ("<button type=button>Play</button>", False),
        ("<button name=verdict value=yes>Yes</button>", False),
        ("<form><button>Go</button></form>", False),
        ("<button data-leave=no_consent>No</button>", False),
    ],
)
def test_a_button_that_says_nothing_of_its_use_is_told(button: str, told: bool, caplog: Any) -> None:
    task(ROWS, f"<p>${{text}}</p>\n<input name=mood>{button}").assert_task_args()
    assert ("line 2: a <button> without type and name" in caplog.text) is told


@pytest.mark.parametrize(("kind", "told"), [("unseen_field", True), ("error", False), (None, False)])
def test_a_field_that_nobody_could_see_is_told(kind: str | None, told: bool) -> None:
    explained = task(ROWS).explain_page_error({"error_type": kind, "text": "x"}) or ""
    assert ("does not show a field" in explained) is told


def test_an_introduction_that_would_lose_files_is_refused() -> None:
    introduction = StaticHTMLBlueprintArgs(
        task_html="<p>${text}</p><input name=mood>", onboarding_html="<input type=file name=proof>"
    )
    with pytest.raises(ConfigError, match="files would not be kept"):
        StaticHTMLBlueprint(introduction, SharedTaskState(static_task_data=ROWS)).assert_task_args()


ROW = {"text": "What a day!", "who": {"name": "ann"}, "correct_answer": "glad"}


@pytest.mark.parametrize(
    ("html", "seen"),
    [
        ("<p>${text}</p><input name=mood>", {"text"}),
        ("<p>${who.name}</p><input name=mood>", {"who"}),
        ("<p>${text}</p><input name=mood><script>show(mephisto.data)</script>", set(ROW)),
    ],
)
def test_a_page_gets_the_columns_that_it_can_use_and_no_others(html: str, seen: set[str]) -> None:
    blueprint = task([ROW], html)
    assert set(blueprint.get_page_data(blueprint.get_init_data(ROW, {}))) == seen
    assert set(blueprint._sample) == seen


def test_columns_that_a_page_with_scripts_never_names_are_logged(caplog: Any) -> None:
    html = "<p>${text}</p><input name=mood><script>show(mephisto.data.who)</script>"
    task([ROW], html).assert_task_args()
    assert "columns correct_answer of the data" in caplog.text


def test_a_template_that_shows_what_is_kept_from_pages_is_refused() -> None:
    blueprint = task([ROW], "<p>${correct_answer}</p><input name=mood>")
    blueprint.hidden_fields = frozenset({"correct_answer"})
    with pytest.raises(ConfigError, match=r"task_html shows .*correct_answer.* on line 1.*attention_checks"):
        blueprint.assert_task_args()


@pytest.mark.parametrize("braces", ["{{text}}", "{{ text }}", "{{text.first}}"])
def test_braces_of_other_templates_are_refused_with_the_right_ones(braces: str) -> None:
    with pytest.raises(ConfigError, match=r"holds \{\{.*Did you mean \$\{text"):
        task([{"text": "a"}], f"<p>${{text}} {braces}</p><input name=mood>").assert_task_args()


def test_braces_of_no_column_or_of_a_page_with_scripts_are_kept() -> None:
    task([{"text": "a"}], "<p>${text} {{other}}</p><input name=mood>").assert_task_args()
    task([{"text": "a"}], "<p>{{text}}</p><input name=mood><script>text</script>").assert_task_args()


@pytest.mark.parametrize(
    ("html", "data", "told"),
    [
        ("<input name=mood>", [{"text": "a", "id": 1}] * 5, True),
        ("<p>${id}</p><input name=mood>", [{"text": "a", "id": 1}], False),
        ("<input name=mood>", [{}, {}], False),
        ("<input name=mood><script>mephisto.data.text</script>", [{"text": "a"}], False),
    ],
)
def test_a_page_that_is_the_same_for_each_row_is_told(html: str, data: Any, told: bool, caplog: Any) -> None:
    task(data, html).assert_task_args()
    assert ("each of the" in caplog.text) is told
    assert ("write ${text} where" in caplog.text) is told


def test_columns_of_times_are_noted_for_later_kernels() -> None:
    berlin = pd.to_datetime(["2026-07-01T12:00:00"]).tz_localize("Europe/Berlin").as_unit("ns")
    frame = pd.DataFrame({"text": "a", "at": berlin, "day": [datetime.date(2026, 7, 1)], "n": 1})
    times = {"at": "datetime64[ns, Europe/Berlin]", "day": "date"}
    noted = StaticHTMLBlueprint(StaticHTMLBlueprintArgs(), SharedTaskState(static_task_data=frame)).get_noted_args()
    later = StaticHTMLBlueprint(StaticHTMLBlueprintArgs(**noted), SharedTaskState())
    assert (noted, later.get_input_times()) == ({"time_columns": times}, times)


def test_a_column_is_of_times_if_all_of_it_are() -> None:
    day, time = datetime.datetime(2026, 7, 1), datetime.time(9)
    rows = [{"at": day, "mixed": day, "time": None, "text": "a"}, {"at": None, "mixed": "soon", "time": time}]
    state = SharedTaskState(static_task_data=[*rows, InitializationData({"at": day})])
    assert StaticHTMLBlueprint(StaticHTMLBlueprintArgs(), state).get_input_times() == {
        "at": "datetime64[us]",
        "time": "time",
    }
    assert StaticHTMLBlueprint(StaticHTMLBlueprintArgs(), SharedTaskState(iter(rows))).get_input_times() == {}


def test_inputs_of_days_and_times_are_known_by_name() -> None:
    inputs = (
        "<input type=date name=a><input type=TIME name=b><input type=datetime-local name=c><input type=date name=d>"
    )
    html = f"<p>${{text}}</p>{inputs}<input name=d><textarea type=date name=e></textarea>"
    assert task(ROWS, html).get_answer_times() == {"a": "date", "b": "time", "c": "datetime64[us]"}
