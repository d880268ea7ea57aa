"""Runs every check to its end, then says which failed: the one command for home and CI.

.venv/bin/python tools/check.py                        style, types and the rules of the house
.venv/bin/python tools/check.py --quick [PYTEST ARGS]  style, the rules, and the tests that start nothing
.venv/bin/python tools/check.py --tests [PYTEST ARGS]  style, types, and every test; the slowest 20 are listed
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STYLE = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
]
TYPES = ["mypy"]
#: Two at a time; tests/kinds.py says which tests stay together, because they share browsers and servers, and which
#: begin. A test whose process died is tried again, hence the bound.
PYTEST = ["pytest", "-n", "2", "--no-loadscope-reorder", "--max-worker-restart", "2"]
HOUSE_RULES = ["pytest", "-q", "tests/test_house_rules.py", "tests/test_repository.py"]


def main() -> None:
    """Run the checks side by side, and end with 1 if one failed."""
    arguments = sys.argv[1:]
    if "--tests" in arguments:
        checks, last = [*STYLE, TYPES], [*PYTEST, "--durations=20"]
    elif "--quick" in arguments:
        checks, last = STYLE, [*PYTEST, "-q", "-m", "quick"]
    else:
        checks, last = [*STYLE, TYPES], HOUSE_RULES
    last += [argument for argument in arguments if argument not in ("--tests", "--quick")]
    for command in (failed := run(checks, last)):
        print(f"check: failed: {' '.join(command)}", file=sys.stderr)
    sys.exit(bool(failed))


def run(quiet: Sequence[list[str]], shown: list[str]) -> list[list[str]]:
    """Run checks beside each other, and return those that failed; what the others write follows what is shown."""
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / str(index) for index in range(len(quiet))]
        beside = [start(command, log) for command, log in zip(quiet, logs, strict=True)]
        failed = [] if start(shown).wait() == 0 else [shown]
        for command, process, log in zip(quiet, beside, logs, strict=True):
            if process.wait() != 0:
                failed.append(command)
            print(f"== {' '.join(command)}\n{log.read_text(encoding='utf-8')}", end="", flush=True)
    return failed


def start(command: list[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start one check as a module of this Python, which writes to a file or to the terminal."""
    environment = dict(os.environ)
    # Compiled once, not in each of the many hundred processes that tests start.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", *command]
    if log is None:
        print(f"== {' '.join(command[2:])}", flush=True)
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    with log.open("wb") as file:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )


if __name__ == "__main__":
    main()
