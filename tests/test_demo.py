"""The demo, as `make demo` runs it where nobody looks at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def run_demo(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with its temporary folder in `tmp_path`."""
    command = [sys.executable, "-m", "mephisto_nb.testing.demo", *options]
    env = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=100, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a short demo writes."""
    done = run_demo(tmp_path_factory.mktemp("d"), "--people", "2", "--workers", "4")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_it_ends_with_all_answers_and_says_what_to_do_next(shown: str) -> None:
    assert "12 of 12 answered" in shown
    assert "Done: 12 answers" in shown
    assert shown.count("make lab") == 1


def test_it_fits_a_terminal_and_steers_none(shown: str) -> None:
    too_long = [line for line in shown.splitlines() if len(line) > 80 and not line.startswith("Data ")]
    assert not too_long
    assert all(character == "\n" or character.isprintable() for character in shown)


def test_it_tells_its_options(tmp_path: Path) -> None:
    assert "--workers" in run_demo(tmp_path, "--help").stdout
