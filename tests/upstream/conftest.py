"""A checkout of Mephisto 1.x, named by ``MEPHISTO_UPSTREAM``; without one all of this is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "MEPHISTO_UPSTREAM"


def checkout() -> Path | None:
    """Return the folder of the checkout; None where none is named."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser().absolute() if named else None


def files(*patterns: str) -> list[object]:
    """Return the files of the checkout that match, as parameters; one that is skipped where there is no checkout."""
    root = checkout()
    if root is None:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{VARIABLE} names no checkout of Mephisto 1.x"))]
    found = sorted({path for pattern in patterns for path in root.glob(pattern)})
    return [pytest.param(path, id=path.relative_to(root).as_posix()) for path in found]


@pytest.fixture
def upstream() -> Path:
    """The checkout."""
    root = checkout()
    if root is None:
        pytest.skip(f"{VARIABLE} names no checkout of Mephisto 1.x")
    return root
