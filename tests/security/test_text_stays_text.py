"""What strangers write stays text in tables, files, tips, logs and errors; honest texts stay as they are."""

from __future__ import annotations

import csv
import itertools
import json
import logging
import pickle
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from mephisto_nb.config.whole_frame import ShownFrame, WholeFrame
from mephisto_nb.errors import HARMFUL, ConfigError
from mephisto_nb.frames.files import APOSTROPHES, write_frame
from mephisto_nb.frames.frames import make_frame, typed
from mephisto_nb.frames.run_frames import METADATA_COLUMNS, add_tips
from mephisto_nb.utils.logging import get_logger, guard_formula, unguard_formula
from tests.security.corpus import EVERYTHING, FORMULAS, HONEST, HOSTILE, LATEX

IGNORED = re.compile(r'<table [^>]*class="[^"]*tex2jax_ignore mathjax_ignore[^"]*"')
LEFT_TO_RIGHT = "\u200e\u200f"


def frame_of(texts: list[str]) -> pd.DataFrame:
    return make_frame(
        [{"worker_name": text, "answer.mood": text} for text in texts], ("worker_name", "answer.mood"), ()
    )


def derived(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What people make of a frame in a notebook."""
    return {
        "itself": frame,
        "one column": frame[["answer.mood"]],
        "head": frame.head(2),
        "filter": frame[frame["answer.mood"].notna()],
        "concat": pd.concat([frame, frame]),
        "merge": frame.merge(frame, on="worker_name", how="left"),
        "merge into mine": pd.DataFrame({"worker_name": list(frame["worker_name"])}).merge(frame, on="worker_name"),
        "group": frame.groupby("worker_name").agg("first"),
        "count": frame["answer.mood"].value_counts().to_frame(),
        "count as columns": frame["answer.mood"].value_counts().reset_index(),
        "pivot": frame.pivot_table(index="worker_name", columns="answer.mood", aggfunc="size"),
        "transpose": frame.head(2).T,
    }


@pytest.mark.parametrize("way", derived(frame_of(["a", "b"])))
def test_no_notebook_makes_formulas_of_a_table(way: str) -> None:
    frame_of(LATEX)._repr_html_()  # type: ignore[operator]
    html = derived(frame_of(LATEX))[way]._repr_html_()  # type: ignore[operator]
    assert IGNORED.search(html)


#: Texts that a column of text can hold; the others are changed when they come in.
WHOLE = [text for text in EVERYTHING if text != "\ud800"]


@pytest.mark.parametrize("text", WHOLE)
def test_a_table_shows_a_text_as_it_was_written(text: str) -> None:
    html = WholeFrame({"text": [text], text: [1]})._repr_html_() or ""
    shown = HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    assert (html.count("<td>"), html.count("<a"), html.count("<script")) == (2, 0, 0)
    cell = unescape(re.findall("<td>(.*?)</td>", html, re.DOTALL)[0])
    assert cell.strip() == shown.strip() or set(text) & set("\r\n\t")  # pandas writes the ends of lines in its own way
    assert not HARMFUL.search(html.replace("\n", "").translate(dict.fromkeys(map(ord, LEFT_TO_RIGHT))))


@pytest.mark.parametrize("text", WHOLE)
def test_a_styled_table_holds_no_markup_of_strangers(text: str) -> None:
    html = frame_of([text]).rename(columns={"worker_name": text}).style.to_html()
    assert "tex2jax_ignore" in html
    assert not re.search("<(?!/?(?:table|thead|tbody|tr|th|td|style)\\b)", html)


@pytest.mark.parametrize("text", EVERYTHING)
def test_a_printed_table_holds_no_control_characters(text: str) -> None:
    shown = repr(frame_of([text]))
    assert not HARMFUL.search(shown.replace("\n", ""))
    assert shown.count("\n") == 1  # a header and a row, whatever was written


def test_honest_texts_are_printed_and_kept_as_they_are() -> None:
    frame = frame_of(HONEST)
    with pd.option_context("display.max_colwidth", None, "display.width", 1000):
        assert [text for text in HONEST if text not in repr(frame)] == []
    assert frame["answer.mood"].tolist() == HONEST


def test_a_shown_frame_is_a_frame_like_any_other(tmp_path: Path) -> None:
    frame = frame_of(EVERYTHING)
    assert isinstance(frame, ShownFrame)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)
    pd.testing.assert_frame_equal(pd.DataFrame(frame), frame)
    whole = [text for text in EVERYTHING if text.isprintable()]
    frame_of(whole).to_parquet(tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet")["answer.mood"].tolist() == whole
    assert isinstance(typed(pd.DataFrame({"a": []})), ShownFrame)


def test_whoever_sets_the_option_of_pandas_back_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mephisto_nb.config.whole_frame._told", [])
    frame = frame_of(["a"])
    assert pd.get_option("display.html.use_mathjax") is False
    with pd.option_context("display.html.use_mathjax", True):
        assert IGNORED.search(frame._repr_html_())  # type: ignore[operator]
        assert not IGNORED.search(pd.DataFrame({"a": [1]})._repr_html_())  # type: ignore[operator]


@pytest.mark.parametrize("dtype", ["str", "string", "category", "object"])
def test_an_array_steers_no_terminal_either(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr("mephisto_nb.config.whole_frame._told", [])
    column = frame_of(["\x1b[31mred"])["answer.mood"].astype(dtype)
    for shown in (column, column.unique(), column.array, column.to_frame(), pd.Index(column)):
        text = shell.display_formatter.format(shown)[0]["text/plain"]
        assert not HARMFUL.search(text.replace("\n", ""))
        assert "red" in text


# Files

SEEN = re.compile('[^\\s\x00-\x1f"\xad\u180e\u200b-\u200f\u2060\ufeff]')


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_no_cell_of_a_file_for_a_spreadsheet_is_a_formula(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"text": WHOLE, **{formula: ["x"] * len(WHOLE) for formula in FORMULAS}})
    file = write_frame(frame, tmp_path / f"a{suffix}", for_spreadsheet=True)
    with file.open(newline="", encoding="utf-8-sig") as lines:
        table = list(csv.reader(lines, delimiter="\t" if suffix == ".tsv" else ","))
    first = [(SEEN.search(cell) or [""])[0] for row in table for cell in row]
    assert set(first).isdisjoint("=+-@\uff1d\uff0b\uff0d\uff20")
    assert not [cell for row in table for cell in row if cell.startswith(("\t", "\r", "\n"))]
    marked = [json.loads(row[-1]) if row[-1] else [] for row in table[1:]]
    read = [row[0][1:] if "text" in names else row[0] for row, names in zip(table[1:], marked, strict=True)]
    assert read == WHOLE
    assert table[0][-1] == APOSTROPHES


@pytest.mark.parametrize("text", EVERYTHING)
def test_a_guarded_text_can_be_had_back(text: str) -> None:
    assert unguard_formula(guard_formula(text)) == text
    assert guard_formula(text) == text or text in FORMULAS or text.startswith("\t")


def test_any_text_whatever_it_begins_with_can_be_had_back() -> None:
    texts = ["".join(one) for size in range(6) for one in itertools.product("'\"\t\n=a", repeat=size)]
    assert [text for text in texts if unguard_formula(guard_formula(text)) != text] == []


def test_tips_are_no_formulas_and_can_be_read_again(tmp_path: Path) -> None:
    texts = [*WHOLE, "helpful " * 20_000]
    rows = [{"item_id": str(at), "kind": "tips", "header": text, "text": text} for at, text in enumerate(texts)]
    frame = pd.DataFrame(rows, columns=list(METADATA_COLUMNS))
    for row in rows:  # one after the other: each call reads what the last one wrote
        kept = add_tips(tmp_path / "tips.csv", frame, [row["item_id"]])
    assert [tip["text"] for tip in kept] == texts
    with (tmp_path / "tips.csv").open(newline="", encoding="utf-8") as lines:
        csv.field_size_limit(1_000_000)
        first = [(SEEN.search(cell) or [""])[0] for row in csv.reader(lines) for cell in row]
    assert set(first).isdisjoint("=+-@\uff1d\uff0b\uff0d\uff20")


# Logs and errors


@pytest.mark.parametrize("text", HOSTILE)
def test_a_log_gets_one_line_for_a_record(text: str, caplog: pytest.LogCaptureFixture) -> None:
    get_logger("tests").warning("somebody wrote %s", text)
    assert len(caplog.text.splitlines()) == 1
    assert not HARMFUL.search(caplog.text.rstrip("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_an_error_in_a_notebook_holds_no_control_characters(text: str) -> None:
    cause = ValueError(text)
    error = ConfigError(f"somebody wrote {text}")
    error.__cause__ = cause
    shown = "\n".join(error._render_traceback_()).replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert not HARMFUL.search(shown.replace("\n", ""))


def test_a_logged_traceback_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("\n".join(HOSTILE))
    except ValueError:
        logging.getLogger("mephisto_nb").info("")
        get_logger("tests").exception("failed")
    assert [line for line in caplog.text.splitlines() if line.startswith("2026-01-01")] == []
