"""The wheel and the sdist, built once, and an environment that holds the wheel and what it asks for, and no more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv" / ".uv" / "bin" / "uv"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what `make dist` builds."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    [path] = built.glob("*.tar.gz")
    return path


class Environment:
    """An environment of its own.

    What goes into it are the versions of requirements.lock, which uv has at hand since it made `.venv`; where uv or its
    cache is missing they come from the network. Where neither works the test is skipped, but in CI it fails.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.folder = folder
        self.python = next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())

    def install(self, wanted: str, requirements: Iterable[str]) -> None:
        """Install `wanted`, a wheel or a name, and what that requires."""
        pins = self.folder / "pins.txt"
        pins.write_text("".join(_locked(requirements)), encoding="utf-8")
        uv, to = (UV, "pip", "install", "--quiet"), ("--python", self.python)
        problem = _problem_of(*uv, *to, "--offline", "--require-hashes", "-r", pins)
        problem = problem or _problem_of(*uv, *to, "--offline", "--no-deps", wanted)
        if problem and _problem_of(*uv, *to, wanted):
            problem = _problem_of(sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", wanted)
            if problem and "CI" not in os.environ:
                pytest.skip(f"neither a cache nor the network has what {Path(wanted).name} needs: {problem}")
            assert not problem

    def run(self, *arguments: str) -> str:
        """Run its Python away from the repository, warnings being errors; return what it writes."""
        env = {**os.environ, "TMPDIR": str(self.folder), "COLUMNS": "80", "HOME": str(self.folder)}
        env.pop("PYTHONPATH", None)
        command = [self.python, "-W", "error", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=200)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture(scope="session")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment after `pip install mephisto-nb`."""
    environment = Environment(tmp_path_factory.mktemp("plain"))
    [info] = metadata.Distribution.discover(path=[str(wheel)])
    environment.install(str(wheel), info.requires or [])
    return environment


def _problem_of(*command: str | Path) -> str:
    """Return the last lines of what a command complains of; '' if it ends well."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        return str(error)
    return done.stderr[-500:] or "failed" if done.returncode else ""


def _locked(requirements: Iterable[str]) -> list[str]:
    """Return the part of requirements.lock that these need, and what they need in turn."""
    blocks = re.split(r"^(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), flags=re.MULTILINE)
    needed = _all_needed(requirements)
    return [block for block in blocks if canonicalize_name(re.split(r"[=<>;\s]", block)[0]) in needed]


def _all_needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of what these need in this Python, by what is known of the packages that are installed here."""
    seen: set[tuple[str, str]] = set()
    open_ends = [(Requirement(line), "") for line in requirements]
    while open_ends:
        wanted, extra = open_ends.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        for asked in {(canonicalize_name(wanted.name), one) for one in ["", *wanted.extras]} - seen:
            seen.add(asked)
            open_ends += [(Requirement(line), asked[1]) for line in metadata.requires(asked[0]) or []]
    return {name for name, _ in seen}
