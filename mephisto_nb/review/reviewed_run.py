"""A run whose answers can be decided on, as a researcher types it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mephisto_nb.frames import frames
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.records import TaskRun
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.review.crowd_sync import tell_crowd
from mephisto_nb.review.decide import Grants, ReviewPreview
from mephisto_nb.review.payments import owed_by_worker
from mephisto_nb.review.reviewing import Reviewing
from mephisto_nb.review.selection import Units

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.run_parts import RunParts


class ReviewedRun(ABC):
    """A run whose answers can be decided on; `RunFrames` is one of these."""

    _clock: Clock
    _writer: DatabaseWriter
    _directory: Path

    @property
    @abstractmethod
    def task_run(self) -> TaskRun:
        """The run's record."""

    @property
    @abstractmethod
    def database(self) -> Database:
        """Where the run is kept."""

    @abstractmethod
    def units(self) -> pd.DataFrame:
        """Give one row a unit."""

    @abstractmethod
    def results(self) -> pd.DataFrame:
        """Give one row an answer."""

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self._clock

    @property
    def writer(self) -> DatabaseWriter:
        """Who writes to the database."""
        return self._writer

    @property
    def directory(self) -> Path:
        """Where the run's page and the files of its workers lie."""
        return self._directory

    @property
    def engine(self) -> RunEngine | None:
        """What drives the run, if this kernel does now: what changes its units goes through there."""
        return None

    @property
    @abstractmethod
    def parts(self) -> RunParts | None:
        """What drives the run, where this kernel does or did."""

    @property
    def provider(self) -> CrowdProvider[Any] | None:
        """The run's crowd; None where it is not known here."""
        return self.parts.provider if self.parts is not None else None

    async def tell_crowd(self) -> list[str]:
        """Ask the crowd once more for what it has refused, or was not asked for yet; give what it refuses now.

        Every decision does this by itself. A crowd that does nothing itself, as workers who come by a link, is asked
        for nothing.

        Raises
        ------
        DatabaseError, ClosedError
            What was done could not be noted.
        """
        return await tell_crowd(self)

    @property
    def reviewing(self) -> Reviewing:
        """All that has to do with deciding on this run's answers, as one object."""
        return Reviewing([self])

    async def approve(
        self,
        units: Units = None,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        bonus: float = 0.0,
        message: str = "",
        grant: Grants = None,
        block: bool = False,
        again: bool = False,
        who: str | None = None,
        maximum_bonus: float | None = None,
    ) -> pd.DataFrame:
        """Approve answers: their pay is owed from now on. What is decided on already is left alone.

        Parameters
        ----------
        units
            Which: unit ids, rows of a frame, a mask over ``results()``, a function of ``results()``; None: all that
            wait for a decision.
        worker
            Names of workers: their answers alone.
        note
            For yourself and your colleagues; the worker never sees it.
        bonus
            US dollars for each answer.
        message
            For the worker, where the crowd can send one.
        grant
            Qualifications that the workers get: a name (value 1), several, or values by name.
        block
            Whether the workers are offered nothing any more.
        again
            Whether an answer that was rejected, or soft-rejected, is approved after all.
        who
            Who decides; None: the name that this computer knows you by.
        maximum_bonus
            How much a bonus may be this once; None: ``mephisto.task.maximum_bonus``, above which it is refused.

        Returns
        -------
        pandas.DataFrame
            One row a unit, columns `review.reviewing.OUTCOME_COLUMNS`: ``done``, and where it is False, ``why``.

        Raises
        ------
        ConfigError, NotFoundError
            What is asked for cannot be, or there is no such unit; nothing was decided.
        DatabaseError, ClosedError
            The database cannot be written; nothing was decided, or it was not noted what the crowd has done for it
            (`reviews` tells), and `tell_crowd` asks for that again.

        Examples
        --------
        ``await run.approve(lambda results: results["answer.mood"] != "", bonus=0.05)``
        """
        extras = {"note": note, "bonus": bonus, "message": message, "grant": grant, "block": block, "again": again}
        extras |= {"who": who, "maximum_bonus": maximum_bonus}
        return await self.reviewing.decide("approve", units, worker=worker, **extras)

    async def soft_reject(
        self,
        units: Units = None,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        bonus: float = 0.0,
        message: str = "",
        grant: Grants = None,
        block: bool = False,
        again: bool = False,
        who: str | None = None,
        maximum_bonus: float | None = None,
    ) -> pd.DataFrame:
        """Pay for answers, but mark them as of no use. Parameters, and what is given back, are those of `approve`.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `approve` does.

        Examples
        --------
        ``await run.soft_reject(worker="ann", note="clicked through", grant={"careful": 0})``
        """
        extras = {"note": note, "bonus": bonus, "message": message, "grant": grant, "block": block, "again": again}
        extras |= {"who": who, "maximum_bonus": maximum_bonus}
        return await self.reviewing.decide("soft_reject", units, worker=worker, **extras)

    async def reject(
        self,
        units: Units = None,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        message: str = "",
        grant: Grants = None,
        block: bool = False,
        again: bool = False,
        who: str | None = None,
    ) -> pd.DataFrame:
        """Reject answers, which are not paid for. Parameters, and what is given back, are those of `approve`.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `approve` does.

        Examples
        --------
        ``await run.reject(run.review_queue("suspicion").head(3), message="The text was not described.")``
        """
        extras = {"note": note, "message": message, "grant": grant, "block": block, "again": again}
        return await self.reviewing.decide("reject", units, worker=worker, **extras, who=who)

    async def undo_review(
        self, units: Units, *, worker: str | Iterable[str] | None = None, note: str = "", who: str | None = None
    ) -> pd.DataFrame:
        """Take the latest decision on each of these units back, and what came with it; what is paid stays.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `approve` does.

        Examples
        --------
        ``await run.undo_review(decided)``, where ``decided`` is what `approve` gave back
        """
        return await self.reviewing.undo(units, worker=worker, note=note, who=who)

    def preview_review(
        self, verdict: str, units: Units = None, *, worker: str | Iterable[str] | None = None, **extras: object
    ) -> ReviewPreview:
        """Say in numbers what ``approve``, ``soft_reject``, ``reject`` or ``undo`` would do now; nothing is done.

        Raises
        ------
        ConfigError, NotFoundError
            As the method of that name does.

        Examples
        --------
        ``print(run.preview_review("approve", bonus=0.05))``
        """
        return self.reviewing.preview(verdict, units, worker=worker, **extras)

    def owed(self) -> pd.DataFrame:
        """Give one row a worker to whom something was ever owed for this run (columns: `review.owed.OWED_COLUMNS`)."""
        about = self.task_run
        return owed_by_worker(frames.payments_frame(self.database.reviews.read_payments([about.task_run_id])), [about])

    def reviews(self) -> pd.DataFrame:
        """Give one row a decision (columns: `export.frames.reviews_frame`)."""
        return frames.reviews_frame(self.database.reviews.read_reviews([self.task_run.task_run_id]))

    def review_queue(self, order: str = "worker", *, decided: bool = False) -> pd.DataFrame:
        """Give the answers in the order in which to look at them (columns: `review.queue.review_queue`).

        Parameters
        ----------
        order
            ``worker``: those with the fewest answers first, and all of one worker's together; ``disagreement``: those
            first that differ most from others' answers to the same; ``suspicion``: those first that most speaks
            against.
        decided
            Whether answers that were decided on already are there, too.

        Raises
        ------
        ConfigError
            There is no such order.
        """
        return self.reviewing.queue(order, decided=decided)
