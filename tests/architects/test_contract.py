"""The contract, on the architect that ships."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mephisto_nb.architects.local import LocalArchitect, LocalArchitectArgs
from mephisto_nb.testing.contracts.architect import ArchitectContract, MakeArchitect


@pytest.mark.slow
class TestLocal(ArchitectContract):
    @pytest.fixture
    def make_architect(self, directory: Path) -> MakeArchitect:
        return lambda: LocalArchitect(LocalArchitectArgs(), directory)

    @pytest.fixture
    def make_refused(self, directory: Path) -> MakeArchitect:
        return lambda: LocalArchitect(LocalArchitectArgs(port=-1), directory)

    def secrets_of(self, directory: Path) -> Sequence[str]:
        return [json.loads((directory / "router_config.json").read_text())["token"]]
