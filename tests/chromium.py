"""Finds the Chromium of this machine for the tests that drive one."""

from __future__ import annotations

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Without these it wants a sandbox that containers lack, and calls home.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def skip_or_fail(reason: str) -> None:
    """Skip at home what this machine cannot run; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def find_chromium() -> str:
    """Return the path of Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        skip_or_fail(
            f"no {' or '.join(NAMES)} in PATH: `make chromium` installs one for root, else install it yourself"
        )
    return str(found)
