"""Every notebook runs from top to bottom, and again in the same kernel, with simulated people where it wants some."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.leftovers import end_routers

#: What people do in the notebook on Prolific beside working.
HABITS = ("return_before", "time_out", "wrong_code", "close_tab")
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook_file(request: pytest.FixtureRequest) -> Path:
    """One of the notebooks."""
    path: Path = request.param
    return path


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing come from, or go to, the user's own folders, and no router live on after a failure."""
    for name in ("HOME", "MEPHISTO_DATA_DIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "tmpdir").mkdir()
    for folder in filter(Path.is_dir, NOTEBOOKS[0].parent.glob("[a-z]*")):  # what notebooks find beside them
        shutil.copytree(folder, tmp_path / folder.name)
    yield
    end_routers(tmp_path / "mephisto_data_dir")


def cells_of(file: Path) -> list[Any]:
    return list(json.loads(file.read_text(encoding="utf-8"))["cells"])


def code_of(cells: list[Any]) -> list[Any]:
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_notebook_runs_twice_in_one_kernel(notebook_file: Path, tmp_path: Path) -> None:
    import nbformat  # here, for these take seconds to import
    from nbclient import NotebookClient

    notebook = nbformat.read(notebook_file, as_version=4)
    client = NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}})
    async with client.async_setup_kernel():
        for _ in range(2):
            for index, cell in enumerate(notebook.cells):
                client.clear_display_id_mapping(index)  # what it showed before is gone, as in any front end
                await client.async_execute_cell(cell, index)
    code = code_of(notebook.cells)
    assert code[-1].execution_count == 2 * len(code)
    for cell in code:
        if "who_would_qualify" in cell.source:  # an example where nobody is turned away shows nothing
            assert "does not have" in str(cell.outputs)
        if "habits={" in cell.source:  # nor one where nothing goes wrong
            placed = [line for line in str(cell.outputs).split("\\n") if "NO PLACE" not in line]
            assert [habit for habit in HABITS if not any(habit in line for line in placed)] == []


def test_a_notebook_is_kept_without_what_it_put_out(notebook_file: Path) -> None:
    assert not [cell for cell in code_of(cells_of(notebook_file)) if cell["outputs"] or cell["execution_count"]]


def test_each_cell_is_short_and_comes_with_a_word_of_explanation(notebook_file: Path) -> None:
    kinds = [cell["cell_type"] for cell in cells_of(notebook_file)]
    assert "codecode" not in "".join(kinds)
    assert max("".join(cell["source"]).count("\n") for cell in code_of(cells_of(notebook_file))) < 25
