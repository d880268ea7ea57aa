"""Importing the package does nothing that could be noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK_AROUND = """
import logging
import mephisto_nb.config.config_handler
import mephisto_nb.config.hydra_config
import mephisto_nb.config.registry
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf

assert GlobalHydra not in Singleton._instances
assert "mephisto" not in ConfigStore.instance().repo
assert not OmegaConf.has_resolver("hydra")
assert not logging.getLogger().handlers
assert not logging.getLogger("mephisto_nb").handlers
assert not mephisto_nb.config.registry.BLUEPRINTS._classes
"""


@pytest.mark.slow
def test_importing_writes_no_file_and_leaves_logging_and_hydra_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOOK_AROUND], check=True, env=environment, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
