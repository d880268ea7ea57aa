"""A worker's page as a notebook shows it: one document that holds all it needs, and what becomes of an answer."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mephisto_nb as mnb
from mephisto_nb.display.preview import inline_policy, make_document
from mephisto_nb.errors import ConfigError

TASK = {"task_name": "moods", "task_title": "Moods", "task_description": "", "task_tags": "", "task_reward": 0.1}
HTML = "<p>${text}</p> <label>Mood <input name=mood required></label>"
TOLD: Mapping[str, Any] = {"task_config": {}, "init_task_data": {}}


def config(html: str = HTML, **args: Any) -> Any:
    return mnb.compose("static_html", task=TASK, blueprint_args={"task_html": html, **args})


def state(*texts: str) -> mnb.SharedTaskState:
    return mnb.SharedTaskState(static_task_data=[{"text": text} for text in texts])


def test_a_preview_shows_the_chosen_row_and_the_resulting_answer() -> None:
    shown = mnb.preview(config(), state("Sun", "Rain"), row=1)
    assert '"init_task_data": {"text": "Rain"}' in shown.document()
    assert shown.row({"mood": "grim"}).to_dict("records") == [{"input.text": "Rain", "answer.mood": "grim"}]
    assert repr(shown) == "<Preview of 'Moods'; a notebook shows it>"
    frame = pd.DataFrame({"text": ["Sun", "Rain"]})
    assert '"init_task_data": {"text": "Rain"}' in mnb.preview(config(), frame, row=frame.iloc[1]).document()


def test_a_row_of_a_preview_is_that_of_the_results() -> None:
    shown = mnb.preview(config(HTML + "<input type=file name=photo multiple>"), state("Sun"))
    (row,) = shown.row({"mood": "grim", "photo": ["a.png", "b.png"], "made up": 1}).to_dict("records")
    assert row == {
        "input.text": "Sun",
        "answer.mood": "grim",
        "answer.photo": ["a.png", "b.png"],
        "answer.(more)": {"made up": 1},
    }


def test_what_a_launch_would_refuse_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\$\{text\}"):
        mnb.preview(config(), mnb.SharedTaskState(static_task_data=[{"txt": 1}]))
    with pytest.raises(ConfigError, match=r"There is no row 2 to be shown\. Rows are counted from 0"):
        mnb.preview(config(), state("Sun", "Rain"), row=2)
    with pytest.raises(ConfigError, match=r"There is no row 'x' to be shown"):
        mnb.preview(config(), state("Sun", "Rain"), row="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="This row cannot be sent to a page: text is inf"):
        mnb.preview(config(), state("Sun"), row={"text": float("inf")})
    with pytest.raises(ConfigError, match=r"lacks 1 value: mephisto\.task\.task_reward"):
        mnb.preview(mnb.compose("mock", task={name: TASK[name] for name in TASK if name != "task_reward"}))


def test_the_introduction_can_be_shown_too() -> None:
    with pytest.raises(ConfigError, match="This task has no introduction to be shown"):
        mnb.preview(config(), state("Sun"), row=None)
    about = {"onboarding_qualification": "trained", "onboarding_html": "<p>${x}</p><input name=ok>"}
    data = mnb.SharedTaskState(static_task_data=[{"text": "Sun"}], onboarding_data={"x": "Hello"})
    assert (
        '"init_task_data": {"x": "Hello"}, "is_onboarding": true'
        in mnb.preview(config(**about), data, row=None).document()
    )


def test_rows_that_come_one_by_one_are_left_alone() -> None:
    rows = iter([{"text": "Sun"}])
    data = mnb.SharedTaskState(static_task_data=rows)
    with pytest.raises(ConfigError, match="a preview must not take any from it"):
        mnb.preview(config(), data)
    assert '"init_task_data": {"text": "mine"}' in mnb.preview(config(), data, row={"text": "mine"}).document()
    assert list(rows) == [{"text": "Sun"}]


def test_the_frame_has_scripts_but_neither_an_origin_nor_a_way_out() -> None:
    html = mnb.preview(config(), state('</script><script>alert("x")</script>'))._repr_html_()
    (sandbox,) = re.findall(r'<iframe sandbox="([^"]*)"', html)
    assert sandbox.split() == ["allow-scripts", "allow-forms", "allow-modals"]
    head, _, shown = html.partition("</style>")
    assert head.count("<") == 2  # our own styles, in our own element
    assert (
        re.findall(r"<(?!/?(?:div|p|strong|bdi|iframe)\b)", shown) == []
    )  # no markup but our own reaches the notebook


def test_words_stand_where_a_notebook_takes_the_frame_out() -> None:
    html = mnb.preview(config(), state("Sun"))._repr_html_()
    assert "this notebook is not trusted" in re.sub(r"</?iframe[^>]*>", "", html)


def test_a_task_with_python_beside_the_page_says_that_it_does_not_run() -> None:
    shown = mnb.preview(mnb.compose("mock", task=TASK, blueprint_args={"run_live": True}), mnb.SharedTaskState())
    assert "does not run" in shown._repr_html_()
    assert "does not run" not in mnb.preview(config(), state("Sun"))._repr_html_()


def test_what_is_too_large_is_left_out_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mephisto_nb.pages.MOST_BYTES", 200_000)
    (tmp_path / "film.mp4").write_bytes(b"x" * 200_000)
    html = mnb.preview(config(extra_source_dir=str(tmp_path)), state("Sun"))._repr_html_()
    assert "Left out, being too large: <bdi>film.mp4</bdi>" in html


def test_a_preview_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mnb.preview(config(), state("Sun"))._repr_html_()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("policy", "inline"),
    [
        ("script-src 'self'", "script-src 'nonce-n' blob:"),
        ("script-src 'self' 'unsafe-inline'", "script-src blob: 'unsafe-inline'"),
        ("default-src 'self'", "default-src blob: data:; script-src 'nonce-n' blob:; style-src 'nonce-n' blob:"),
        ("img-src 'self' https:; base-uri 'none'; frame-ancestors *", "img-src blob: data: https:"),
        ("connect-src 'self' wss:", ""),
    ],
)
def test_a_policy_allows_the_same_where_files_have_no_address(policy: str, inline: str) -> None:
    assert inline_policy(policy, "n").startswith(inline)
    assert inline_policy(policy, "n").endswith("connect-src 'none'; form-action 'none'")


def test_scripts_and_styles_are_put_into_the_page_in_their_order() -> None:
    page = (
        '<!doctype html><html><head><title>x</title><link rel="stylesheet" href="a.css"><script defer src="late.js">'
        '</script><script src="/early.js?v=1"></script><script>inline()</script></head><body><b>y</b></body></html>'
    )
    files = {"index.html": page.encode(), "a.css": b"b {}", "late.js": b"late()", "early.js": b'"</script>"'}
    document = make_document(files, "script-src 'self'", TOLD, "n")
    assert document.startswith('<!doctype html><base href="https://preview.invalid/"><meta http-equiv=')
    assert '<style nonce="n">b {}</style>' in document
    assert '<script nonce="n">"\\x3c/script>"</script><script>inline()</script>' in document
    assert document.endswith('<b>y</b><script nonce="n">late()</script></body></html>')


def test_pictures_of_style_sheets_are_written_into_them() -> None:
    sheet = b"b { background: url(../cat.png), url('https://a.org/x.png'), url(no.png), url( '../a cat (1).png' ) }"
    pictures = {"cat.png": b"png", "a cat (1).png": b"png"}
    document = make_document({"index.html": b"", "x/a.css": sheet, **pictures}, "", TOLD, "n")
    assert "url(\\\"data:image/png;base64,cG5n\\\"), url('https://a.org/x.png'), url(no.png)" in document
    assert document.count("base64,cG5n") == 2


def test_only_scripts_of_the_page_run_whatever_their_nonce() -> None:
    page = b'<script src="a.js"></script>'
    document = make_document({"index.html": page, "a.js": b"1\r\n2"}, "script-src 'self' https://a.org", TOLD, "n")
    closed = unescape(re.findall(r'content="([^"]*)"', document)[-1])
    (scripts,) = re.findall("script-src ([^;]*)", closed)
    digest = b64encode(sha256(b"1\n2").digest()).decode()
    assert scripts == f"'sha256-{digest}' blob:"
    assert closed.startswith("default-src 'none'; ")


@pytest.mark.parametrize(
    "begin",
    ["", "x", "<!doctype html>x<html><head>", "<!--><img src=x>--><head>", "</p><head>", "<?x?><head>", "\ufeff"],
)
def test_nothing_of_a_page_stands_before_its_policy(begin: str) -> None:
    page = f"{begin}<script>first()</script><!doctype html><html><head><script>second()</script><!doctype html>"
    document = make_document({"index.html": page.encode()}, "", TOLD, "n")
    ours = document.removeprefix("<!doctype html>")
    assert ours.startswith("<base href=")
    assert ours.rpartition("http-equiv")[2].partition('">')[2] == page.removeprefix("\ufeff")


def test_imports_are_written_out_whole() -> None:
    script = b"""import { a } from "./a.js"; import"../b.js";export*from'./a.js'; import("./c/d.js"); from("./no.js")"""
    document = make_document({"index.html": b"", "x/main.js": script}, "", TOLD, "n")
    base = "https://preview.invalid"
    for path in ("x/a.js", "b.js", "x/c/d.js"):
        assert f"{base}/{path}" in document
    assert 'from(\\"./no.js\\")' in document


@pytest.mark.parametrize("piece", ["url(", 'url("', "url('", "url( ", "import ", 'import "./', "import  ", "import{"])
def test_odd_files_are_read_in_no_time(piece: str) -> None:
    many = {f"x.{kind}": (piece * 40_000 + " " * 40_000).encode() for kind in ("css", "js")}
    begun = time.process_time()
    make_document({"index.html": b"", **many}, "", TOLD, "n")
    assert time.process_time() - begun < 2


def test_what_is_mentioned_often_fills_no_memory() -> None:
    sheet, picture = b".a { background: url(p.png) }\n" * 2000, b"x" * 30_000
    page = b"<link rel=stylesheet href=a.css><script src=a.js></script>" * 2000
    files = {"index.html": page, "a.css": sheet, "p.png": picture, "a.js": b"//" + b"x" * 30_000}
    assert len(make_document(files, "", TOLD, "n")) < 50_000_000


def test_a_page_that_calls_functions_is_handed_what_a_run_hands_it(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.js"
    bundle.write_text("mephisto.begin();")
    task = {"task_name": "t", "task_title": "T", "task_description": "", "task_tags": "", "task_reward": 0}
    config = mnb.compose("remote_procedure", task=task, blueprint_args={"task_source": str(bundle)})
    state = mnb.SharedTaskState(static_task_data=[{"text": "hi"}], function_registry={"shout": lambda text: text})
    shown = mnb.preview(config, state)
    assert shown._page.init_data == {"task_data": {"text": "hi"}, "previous_requests": []}
    assert "does not run" in shown._repr_html_()
