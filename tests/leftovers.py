"""Ends what a test leaves behind when it fails in the middle: routers outlive kernels, as they should."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from filelock import FileLock, Timeout


def end_routers(data: Path) -> None:
    """End every router that serves a run of this data directory: it holds its lock for as long as it lives."""
    for state in data.glob("runs/*/router.json"):
        try:
            with FileLock(state.with_name("router.lock"), timeout=0):
                continue
        except Timeout:
            os.kill(json.loads(state.read_text(encoding="utf-8"))["pid"], signal.SIGTERM)
