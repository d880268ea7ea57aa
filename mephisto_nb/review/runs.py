"""What a run has to have, so that its answers can be decided on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mephisto_nb.review.selection import Selectable

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.writer import DatabaseWriter
    from mephisto_nb.model.records import TaskRun
    from mephisto_nb.ports.clock import Clock
    from mephisto_nb.ports.crowd_provider import CrowdProvider
    from mephisto_nb.ports.database import Database


class DecidableRun(Protocol):
    """A run as decisions see it."""

    @property
    def task_run(self) -> TaskRun:
        """The run's record."""

    @property
    def database(self) -> Database:
        """Where it is kept."""

    @property
    def writer(self) -> DatabaseWriter:
        """Who writes there."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def engine(self) -> RunEngine | None:
        """What drives the run, if this kernel does."""


class ToldRun(DecidableRun, Protocol):
    """A run whose crowd can be asked for something."""

    @property
    def provider(self) -> CrowdProvider[Any] | None:
        """The run's crowd; None where it is not known here."""


class ReviewableRun(ToldRun, Selectable, Protocol):
    """A run whose answers can be decided on."""
