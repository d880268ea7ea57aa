"""What the wheel and the sdist hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import mephisto_nb as mnb
from tests.packaging.conftest import ROOT

pytestmark = pytest.mark.slow


def package_files() -> set[str]:
    """Return every file of the package in the tree, but for what Python writes there."""
    found = (path for path in (ROOT / "mephisto_nb").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == package_files()
    assert {".js", ".css", ".html", ".json", ".mako", ".txt", ".typed"} <= {
        Path(f"x{n[n.rfind('.') :]}").suffix for n in held
    }


def test_the_sdist_holds_all_that_is_needed_to_go_on(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert package_files() <= held
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.lock"} <= held
    assert {"tools/prepare.py", "tests/conftest.py", "notebooks/quickstart.ipynb"} <= held
    assert not [name for name in held if name.startswith((".venv", "dist", "tests/npm/node_modules"))]


def test_the_sdist_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=unpacked, check=True, capture_output=True)
    again = zipfile.ZipFile(tmp_path / wheel.name)
    assert {one.filename: one.CRC for one in again.infolist()} == {
        one.filename: one.CRC for one in zipfile.ZipFile(wheel).infolist()
    }


def test_the_version_is_that_of_the_package_alone(wheel: Path) -> None:
    [info] = metadata.Distribution.discover(path=[str(wheel)])
    assert info.version == mnb.__version__ == wheel.name.split("-")[1]
    places = [ROOT / "pyproject.toml", *(ROOT / "mephisto_nb").rglob("*.py")]
    written = re.compile(rf"""["']{re.escape(mnb.__version__)}["']""")
    assert [path.name for path in places if written.search(path.read_text(encoding="utf-8"))] == ["__init__.py"]


def test_the_version_is_released_in_the_changelog() -> None:
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^## (.*)$", log, re.MULTILINE)[:2]
    assert first == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(mnb.__version__)}\] - \d{{4}}-\d\d-\d\d", second)


def test_classifiers_name_the_pythons_that_may_install_it() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(table["classifiers"]))
    assert named == ["3.11", "3.12", "3.13", "3.14"]
    supported = SpecifierSet(table["requires-python"])
    assert all(one in supported for one in named)
    assert "3.10" not in supported


def test_the_wheel_runs_on_every_system_and_says_so(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
