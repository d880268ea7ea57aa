"""Files that workers sent: their names and types are known, and copies of them take nobody's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.errors import WorldError
from mephisto_nb.frames.uploads import FILE_COLUMNS, files_frame, safe_name, save_files
from mephisto_nb.kernel.live_run import with_files
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from tests.kernel.runs import crowd_of, launch, take

OWN_NAMES = [
    ("Voice message ö.m4a", None, "Voice message ö.m4a"),
    ("C:\\docs\\cat.png", None, "cat.png"),
    ("../../etc/passwd", None, "passwd"),
    ("..", None, "file"),
    ("", "image/png", "file.png"),
    ("a\x00b\u202e.png", None, "a_b_.png"),
    ("nul.txt", None, "_nul.txt"),
    ("COM1", "text/plain", "_COM1.txt"),
    (".bashrc", None, "bashrc"),
    ("a.", None, "a"),
    ("blob", "audio/webm", "blob.webm"),
    ("blob", "application/octet-stream", "blob"),
    ("blob", "no/such type", "blob"),
    ("e\u0301.png", None, "é.png"),
    ("ö" * 300 + ".png", None, "ö" * 98 + ".png"),
    ("x." + "y" * 300, None, "x." + "y" * 198),
]


@pytest.mark.parametrize(("name", "type_", "safe"), OWN_NAMES)
def test_a_name_becomes_that_of_a_file_on_any_system(name: str, type_: str | None, safe: str) -> None:
    assert safe_name(name, type_) == safe


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """Return a frame of files by three agents, whose contents are their numbers."""
    names = [("ann", "a1", "cat.png"), ("ann", "a1", "Cat.PNG"), ("ann", "a1", "cat.png"), ("ann", "a2", "cat.png"),
             ("../bob", "a3", "cat.png"), ("bob", "a4", "gone.png")]  # fmt: skip
    rows = []
    for number, (worker, agent, name) in enumerate(names):
        path = tmp_path / f"{number:032x}"
        if name != "gone.png":
            path.write_text(str(number))
        rows.append({"worker_name": worker, "agent_id": agent, "name": name, "type": "image/png", "path": str(path)})
    return pd.DataFrame(rows)


def test_no_copy_takes_the_place_of_another(tmp_path: Path, frame: pd.DataFrame) -> None:
    saved = save_files(frame, tmp_path / "own")["saved_as"]
    assert [saved[5], *(Path(one).read_text() for one in saved[:5])] == [None, *"01234"]
    assert [Path(one).relative_to(tmp_path / "own").as_posix() for one in saved[:5]] == [
        "ann-a1/cat.png", "ann-a1/Cat (2).PNG", "ann-a1/cat (3).png", "ann-a2/cat.png", "bob-a3/cat.png",
    ]  # fmt: skip
    assert save_files(frame, tmp_path / "own")["saved_as"].equals(saved)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, frame: pd.DataFrame) -> None:
    (tmp_path / "own").write_text("a file")
    with pytest.raises(WorldError, match="cannot be saved to"):
        save_files(frame, tmp_path / "own")


def test_a_run_without_files_has_the_columns_of_one_with_files() -> None:
    file = {"fieldname": "a", "filename": "agent/b.png"}
    row = {"agent_id": "a", "submitted_at": 1.0, "assignment_index": 0, "unit_index": 0, "files": [file]}
    sent = {"agent_id": "a", "received_at": 2.0, "data": {"files": [{**file, "size": 3, "mimetype": "image/png"}]}}
    empty, full = files_frame([], [], Path("x")), files_frame([row], [sent], Path("x"))
    assert tuple(empty.columns) == tuple(full.columns) == FILE_COLUMNS
    assert full["name"].tolist() == ["b.png", "b.png"]
    assert full["sent_with"].tolist() == ["answer", "metadata"]
    assert full["assignment_index"].tolist() == [0, pd.NA]


async def test_names_and_types_of_uploads_are_known(operator: Operator, tmp_path: Path) -> None:
    run = await launch(operator, [{"text": "a"}])
    async with crowd_of(run.url) as worker:
        await worker("ann").submit_form(await take(worker("ann")), {"b": 1}, {"a/b": b"jpeg", "a": b"wav"})
    await run.completed()
    (row,) = run.results().to_dict("records")
    known = [{name: file[name] for name in ("field", "name", "type", "size")} for file in row["files"]]
    assert known == [
        {"field": "a/b", "name": "b.bin", "type": "application/octet-stream", "size": 4},
        {"field": "a", "name": "a.bin", "type": "application/octet-stream", "size": 3},
    ]
    assert [row["answer.b"], row["answer.a/b"], row["answer.a"]] == [1, *(file["path"] for file in row["files"])]
    saved = run.metadata.files(tmp_path)
    assert [Path(one).read_bytes() for one in saved["saved_as"]] == [b"jpeg", b"wav"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (None, "run/files/0f"),
        ("", "run/files/0f"),
        ("cat.png", "run/files/0f"),
        (["cat.png"], "run/files/0f"),
        ("typed", ["typed", "run/files/0f"]),
        (["typed", "", 0], ["typed", 0, "run/files/0f"]),
    ],
)
def test_what_was_typed_under_a_files_name_stays(said: Any, answer: Any) -> None:
    file = {"fieldname": "a", "filename": "0f", "originalname": "cat.png"}
    assert with_files(Path("run"), {"a": said}, [file]) == {"a": answer}


def test_an_input_may_be_called_files() -> None:
    blueprint = StaticHTMLBlueprint(StaticHTMLBlueprintArgs(), SharedTaskState())
    assert blueprint.get_answer({"files": "a"}) == {"files": "a"}
