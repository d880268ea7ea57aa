"""What a live run is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mephisto_nb.kernel.tally import RunTally
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.records import TaskRun
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress

if TYPE_CHECKING:
    from mephisto_nb.kernel.client_io_handler import ClientIOHandler
    from mephisto_nb.kernel.engine import RunEngine


@dataclass(slots=True)
class RunParts:
    """What a live run is made of, and who it was made for."""

    run: TaskRun
    directory: Path
    blueprint: Blueprint[Any]
    provider: CrowdProvider[Any]
    architect: Architect[Any]
    database: Database
    writer: DatabaseWriter
    clock: Clock
    engine: RunEngine
    link: ClientIOHandler
    tally: RunTally
    progress: Progress
