"""The stand-in of Prolific, its client, and what the provider is told of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from mephisto_nb.testing.prolific import ProlificStandIn
from tests.prolific import api, ask, naps, prolific, settings

__all__ = ["api", "ask", "naps", "prolific", "registered", "settings"]


@pytest.fixture
def registered(prolific: ProlificStandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ProlificStandIn:
    """The stand-in, whose token is in the environment."""
    monkeypatch.setenv("PROLIFIC_TOKEN", prolific.token.reveal())
    monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "config.yml"))
    return prolific
