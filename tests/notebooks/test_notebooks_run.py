"""Every notebook runs from top to bottom, and again in the same kernel, with simulated people where it wants some."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.leftovers import end_routers

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request: pytest.FixtureRequest) -> NotebookNode:
    """One of the notebooks."""
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing come from, or go to, the user's own folders, and no router live on after a failure."""
    for name in ("HOME", "MEPHISTO_DATA_DIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for folder in filter(Path.is_dir, NOTEBOOKS[0].parent.glob("[a-z]*")):  # what notebooks find beside them
        shutil.copytree(folder, tmp_path / folder.name)
    yield
    end_routers(tmp_path / "mephisto_data_dir")


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_notebook_runs_twice_in_one_kernel(notebook: NotebookNode, tmp_path: Path) -> None:
    client = NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}})
    async with client.async_setup_kernel():
        for _ in range(2):
            for index, cell in enumerate(notebook.cells):
                await client.async_execute_cell(cell, index)
    last = code_of(notebook)[-1]
    assert last.execution_count == 2 * len(code_of(notebook))
    for cell in code_of(notebook):
        if "who_would_qualify" in cell.source:  # an example where nobody is turned away shows nothing
            assert "does not have" in str(cell.outputs)


def test_a_notebook_is_kept_without_what_it_put_out(notebook: NotebookNode) -> None:
    assert not [cell for cell in code_of(notebook) if cell.outputs or cell.execution_count]


def test_each_cell_is_short_and_comes_with_a_word_of_explanation(notebook: NotebookNode) -> None:
    kinds = [cell.cell_type for cell in notebook.cells]
    assert "codecode" not in "".join(kinds)
    assert max(cell.source.count("\n") for cell in code_of(notebook)) < 25
