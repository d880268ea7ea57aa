"""What a live run is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mephisto_nb.abstractions.architect import Architect
from mephisto_nb.abstractions.blueprint import Blueprint
from mephisto_nb.abstractions.clock import Clock
from mephisto_nb.abstractions.crowd_provider import CrowdProvider
from mephisto_nb.abstractions.database import Database
from mephisto_nb.abstractions.progress import Progress
from mephisto_nb.data_model.records import TaskRun
from mephisto_nb.operations.run_tally import RunTally
from mephisto_nb.operations.threads import DatabaseWriter

if TYPE_CHECKING:
    from mephisto_nb.operations.client_io_handler import ClientIOHandler
    from mephisto_nb.operations.run_engine import RunEngine


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
