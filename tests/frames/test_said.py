"""Frames of what was said beside answers: metadata as any page may send it, calls, and accepted tips."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.blueprints.static_react import read_tips
from mephisto_nb.errors import NotFoundError, WorldError
from mephisto_nb.frames.run_frames import METADATA_COLUMNS, REQUEST_COLUMNS, add_tips, metadata_frame, requests_frame

HOSTILE = "<script>alert(1)</script>\ud800"


def sent(metadata: Any, number: int = 1, files: Any = ()) -> dict[str, Any]:
    """Return a row as the database does."""
    owner = {"task_run_id": "run", "worker_name": "ann", "worker_id": "w", "unit_id": "u", "agent_id": "a"}
    return {**owner, "id": number, "received_at": 1000.0, "data": {"metadata": metadata, "files": list(files)}}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return metadata_frame(rows, lambda name: f"files/{name}")


def values(found: pd.DataFrame, *columns: str) -> list[list[Any]]:
    """Return rows, with None for what is missing."""
    rows = found[list(columns)].values.tolist()
    return [[None if isinstance(value, float) and value != value else value for value in row] for row in rows]


def test_what_npm_sends_is_one_row_for_each_type() -> None:
    tip = {"type": "tips", "header": "Zoom", "text": "in"}
    found = frame(sent({"tips": tip, "feedback": {"type": "feedback", "text": "ok"}}))
    rows = values(found, "item_id", "kind", "header", "text")
    assert rows == [["1-0", "tips", "Zoom", "in"], ["1-1", "feedback", None, "ok"]]
    assert list(found.columns) == list(METADATA_COLUMNS)
    assert found["at"].tolist() == [pd.Timestamp(1000.0, unit="s", tz="UTC")] * 2


def test_what_mephisto_core_sends_is_one_row_with_its_files() -> None:
    opinion = {"type": "worker_opinion", "data": {"questions": ["Was it fun?"]}}
    (row,) = frame(sent(opinion, files=[{"filename": "0f", "fieldname": "picture"}])).to_dict("records")
    assert (row["kind"], row["data"], row["files"], row["text"]) == ("worker_opinion", opinion, ["files/0f"], None)


ODD = [{}, {"x": 1}, {"type": 3}, {"tips": "zoom in"}, {"tips": None}, {"a": {"type": "mine"}}, {"tips": {"text": [1]}},
       {HOSTILE: {"text": HOSTILE}}, None]  # fmt: skip


@pytest.mark.parametrize("metadata", ODD, ids=str)
def test_whatever_a_page_sends_is_kept_as_it_is(metadata: Any) -> None:
    found = frame(sent(metadata))
    items = [metadata] if not isinstance(metadata, dict) else list(metadata.values())
    assert found["data"].tolist() == items
    assert set(found["kind"]) <= {"tips", "other"}


def test_text_without_a_form_is_text() -> None:
    assert frame(sent({"tips": "zoom in"}))[["kind", "text"]].values.tolist() == [["tips", "zoom in"]]


def test_a_run_of_which_nothing_was_said_has_empty_frames() -> None:
    assert frame().empty
    found = requests_frame([], {})
    assert (found.empty, list(found.columns)) == (True, list(REQUEST_COLUMNS))


AGENTS = {"a": {"unit_id": "u", "worker_name": "ann"}}


def update(sender: str, at: float, **data: Any) -> dict[str, Any]:
    return {"agent_id": "a", "sender": sender, "at": at, "data": data}


def test_calls_have_their_answers_beside_them_in_the_order_asked() -> None:
    found = requests_frame(
        [
            update("worker", 1.0, request_id="r1", target="shout", args='{"text": "a"}'),
            update("worker", 2.0, request_id="r2", target="fail", args="null"),
            update("operator", 3.0, handles="r2", response="{}", error={"type": "ValueError", "message": "no"}),
            update("operator", 5.5, handles="r1", response='"A"'),
            update("worker", 6.0, request_id="r3", target="shout", args="{"),
            update("worker", 7.0, text="no call"),
            update("worker", 8.0, request_id="r1", target="again"),
        ],
        AGENTS,
    )
    rows = values(found, "request_id", "function", "arguments", "response", "error")
    assert rows == [
        ["r1", "shout", {"text": "a"}, "A", None],
        ["r2", "fail", None, None, "ValueError: no"],
        ["r3", "shout", "{", None, None],
    ]
    assert found["seconds"].tolist()[:2] == [4.5, 1.0]
    assert found["answered_at"].isna().tolist() == [False, False, True]
    assert set(found["worker_name"]) == {"ann"}


def test_calls_of_two_workers_do_not_mix() -> None:
    both = [{**update("worker", 1.0, request_id="r", target="f"), "agent_id": one} for one in "ab"]
    found = requests_frame([*both, update("operator", 2.0, handles="r", response="1")], AGENTS)
    assert found["response"].isna().tolist() == [False, True]


def test_accepted_tips_are_added_to_a_file_once(tmp_path: Path) -> None:
    tip = {"type": "tips", "header": "Zoom, please", "text": 'It "helps"\nme'}
    metadata = frame(sent({"tips": tip}, 1), sent({"tips": {"type": "tips", "text": "=1+1"}}, 2))
    path = tmp_path / "tips.csv"
    add_tips(path, metadata, ["1-0"])
    accepted = add_tips(path, metadata, ["1-0", "2-0"])
    assert accepted == [{"header": "Zoom, please", "text": 'It "helps"\nme'}, {"header": "", "text": "=1+1"}]
    assert pd.read_csv(path)["text"].tolist() == ['It "helps"\nme', "'=1+1"]  # no formula


def test_what_is_no_tip_is_not_offered(tmp_path: Path) -> None:
    metadata = frame(sent({"feedback": {"type": "feedback", "text": "no"}}))
    with pytest.raises(NotFoundError, match="no tip '1-0' in this run"):
        add_tips(tmp_path / "tips.csv", metadata, ["1-0"])
    assert not (tmp_path / "tips.csv").exists()


def tips_of(directory: Path) -> tuple[Path, pd.DataFrame]:
    """Return a file of tips, and metadata that holds one more."""
    path = directory / "tips.csv"
    path.write_text("header,text\nZoom,in\n", encoding="utf-8")
    return path, frame(sent({"tips": {"type": "tips", "text": "Save often"}}))


def test_tips_that_cannot_be_written_leave_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    path, metadata = tips_of(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WorldError, match="no space left"):
        add_tips(path, metadata, ["1-0"])
    assert [file.name for file in tmp_path.iterdir()] == ["tips.csv"]
    assert pd.read_csv(path)["text"].tolist() == ["in"]


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")
def test_a_file_of_tips_keeps_its_rights_and_a_link_stays_one(tmp_path: Path) -> None:
    path, metadata = tips_of(tmp_path)
    path.chmod(0o644)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    add_tips(link, metadata, ["1-0"])
    assert (link.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (True, 0o644)
    assert pd.read_csv(path)["text"].tolist() == ["in", "Save often"]


def test_a_tip_of_any_length_is_read_again_and_none_is_a_formula(tmp_path: Path) -> None:
    texts = ["=HYPERLINK(1)", "x" * 200_000, " @a", "'tis so", "a\n=b"]
    tips = [sent({"tips": {"type": "tips", "text": text, "header": "+1"}}, number) for number, text in enumerate(texts)]
    metadata, path = frame(*tips), tmp_path / "tips.csv"
    for item_id in metadata["item_id"]:
        accepted = add_tips(path, metadata, [item_id])
    assert accepted == read_tips(str(path)) == [{"header": "+1", "text": text} for text in texts]
    assert path.read_text().splitlines()[1] == "'+1,'=HYPERLINK(1)"


def test_of_a_flood_of_items_there_are_a_hundred_rows() -> None:
    found = frame(sent({"tips": [{"text": f"tip {n}"} for n in range(1000)]}))
    assert len(found) == 101
    assert (found["kind"].iloc[-1], len(found["data"].iloc[-1])) == ("other", 900)
