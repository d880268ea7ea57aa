"""The crowd that a notebook writes in two cells passes the contract of providers, as its reader is told."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.contracts.provider import ExitsContract, MakeProvider, ProviderContract

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "own_crowd.ipynb"


@cache
def cells() -> dict[str, str]:
    """Return the notebook's cells of code, by their ids."""
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return {one["id"]: "".join(one["source"]) for one in found if one["cell_type"] == "code"}


def source() -> str:
    """Return what a reader puts into a file: the imports and the two cells."""
    imports = cells()["setup"].partition("operator =")[0]
    return "\n\n".join([imports, cells()["settings"], cells()["provider"]])


class TestChoirProvider(ProviderContract, ExitsContract):
    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        names: dict[str, Any] = {"__name__": "__main__"}
        for _ in range(2):  # as in a notebook, whose cell is run again
            exec(compile(source(), "a cell", "exec", dont_inherit=True), names)
        return lambda: names["ChoirProvider"](names["ChoirArgs"]())

    def register(self, link: str) -> JSONObject:
        return {"parameters": dict(parse_qsl(urlsplit(link).query))}


def test_a_crowd_of_ones_own_is_forty_lines() -> None:
    lines = [line for name in ("settings", "provider") for line in cells()[name].splitlines() if line.strip()]
    assert len(lines) <= 40


@pytest.mark.slow
def test_the_file_that_a_reader_is_told_to_run_passes(tmp_path: Path) -> None:
    (tmp_path / "choir.py").write_text(source(), encoding="utf-8")
    written: dict[str, Any] = {"Path": lambda name: tmp_path / name}
    exec(compile(cells()["contract-file"], "a cell", "exec"), written)
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "test_choir.py"]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert " passed" in told.stdout
