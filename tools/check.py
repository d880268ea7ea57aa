"""Runs every check to its end, then says which failed: the one command for home and CI.

.venv/bin/python tools/check.py                        style, types and the rules of the house
.venv/bin/python tools/check.py --tests [PYTEST ARGS]  style, types, and every test
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
]
#: Two at a time; a file's tests stay together, because they share browsers and servers. A test whose process died
#: is tried again, hence the bound.
PYTEST = ["pytest", "-n", "2", "--dist", "loadfile", "--max-worker-restart", "2"]
HOUSE_RULES = ["pytest", "-q", "tests/test_house_rules.py", "tests/test_repository.py"]


def main() -> None:
    """Run the checks, pytest last, and end with 1 if one failed."""
    everything = "--tests" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--tests"]
    last = [*PYTEST, *arguments] if everything else HOUSE_RULES
    failed = [command for command in [*STATIC, last] if not passes(command)]
    for command in failed:
        print(f"check: failed: {' '.join(command)}", file=sys.stderr)
    sys.exit(bool(failed))


def passes(command: list[str]) -> bool:
    """Run one check as a module of this Python."""
    print(f"== {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    main()
