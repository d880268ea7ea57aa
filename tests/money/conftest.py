"""Operators, and a configuration file of the user's that a test writes itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mephisto_nb.config.config_handler import CONFIG_VARIABLE
from tests.kernel.conftest import clock, data_dir, make_operator, operator, timed_operator

__all__ = ["clock", "data_dir", "make_operator", "operator", "timed_operator"]


@pytest.fixture
def write_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write the user's configuration file."""
    path = tmp_path / "config.yml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))

    def write(text: str) -> None:
        path.write_text(text, encoding="utf-8")

    return write
