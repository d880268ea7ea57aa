"""A data directory of Mephisto 1.x, and operators to import it."""

import shutil
from pathlib import Path

import pytest

from tests.importing.old_directory import OldDirectory, fill
from tests.kernel.conftest import data_dir, make_operator, operator

__all__ = ["data_dir", "make_operator", "operator"]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with something of everything, to copy."""
    return fill(OldDirectory(tmp_path_factory.mktemp("old") / "mephisto")).root


@pytest.fixture
def old(filled: Path, tmp_path: Path) -> OldDirectory:
    """A directory with something of everything."""
    return OldDirectory(shutil.copytree(filled, tmp_path / "mephisto 1.x"))
