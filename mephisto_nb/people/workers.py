"""Workers: what is known of them over all runs, blocks, and notes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

import pandas as pd

from mephisto_nb.frames import people_frames
from mephisto_nb.model.people import OF_WORKERS, Outcome
from mephisto_nb.model.task_run_args import minimum_hourly_pay_of
from mephisto_nb.people.acts import Panel, PeopleActs
from mephisto_nb.people.worker_selection import Whom


class Workers:
    """All that is about workers; an operator's is ``operator.workers``, also when it is called.

    How workers are given is told in `Qualifications`.

    Examples
    --------
    ``workers = operator.workers.frame(); await operator.workers.block(workers[workers.rejected > 5], why="spam")``
    """

    def __init__(self, acts: PeopleActs, open_panel: Callable[[], Panel]) -> None:
        self._acts, self._database, self._open_panel = acts, acts.database, open_panel

    def __call__(self) -> Self:
        """Give the workers themselves, which show as a panel in a notebook."""
        return self

    def panel(self) -> Any:
        """Return the panel itself, an anywidget, to put into a layout of your own, or into marimo."""
        return self._panel.model

    @cached_property
    def _panel(self) -> Panel:
        return self._open_panel()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._panel.bundle()

    def __repr__(self) -> str:
        return "<Workers: frame(), history(), notes(), block(...), unblock(...), note(...), undo()>"

    # -- acts ------------------------------------------------------------------------------------------------

    async def block(self, workers: Whom, **log: str | None) -> Outcome:
        """Offer workers nothing any more, in any run; whoever is new is made.

        Parameters
        ----------
        workers
            Whom.
        log
            ``why`` and ``who``, for the event log, and ``provider`` of workers that are given by name.

        Raises
        ------
        ConfigError
            Workers cannot be read.
        NotFoundError
            A worker is given by an id that nobody has.
        """
        return await self._acts.do("block", workers=workers, **log)

    async def unblock(self, workers: Whom, **log: str | None) -> Outcome:
        """Offer workers work again.

        Raises
        ------
        ConfigError
            Workers cannot be read.
        NotFoundError
            A worker is given by an id that nobody has.
        """
        return await self._acts.do("unblock", workers=workers, **log)

    async def note(self, workers: Whom, text: str, **log: str | None) -> Outcome:
        """Keep a note about workers, for whoever asks later; they never see it.

        Raises
        ------
        ConfigError
            The note is empty, or workers cannot be read.
        NotFoundError
            There is no such worker.
        """
        return await self._acts.do("note", workers=workers, text=text, **log)

    async def undo(self, *, who: str | None = None) -> Outcome:
        """Take the last block, unblocking or note back; grants go back with `Qualifications.undo`, which tells more."""
        return await self._acts.undo(OF_WORKERS, who=who)

    def preview(self, action: str, **arguments: Any) -> str:
        """Say what ``block``, ``unblock``, ``note`` or ``undo`` would do now, in numbers; nothing is done.

        Raises
        ------
        ConfigError
            There is no such action, or it cannot be done so.
        NotFoundError
            There is no such worker, or nothing to undo.
        """
        if action == "undo":
            return self._acts.preview_undo(OF_WORKERS)
        return self._acts.preview(action, **arguments)

    # -- questions -------------------------------------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Give one row a worker, over all runs and providers (columns: `export.people_frames.workers_frame`).

        Who was named in an act that was undone, and never came, is not among them.
        """
        database = self._database
        workers, work, held = self._acts.known_workers(), database.people.read_work(), database.people.read_values()
        minimums = {run.task_run_id: minimum_hourly_pay_of(run.config) for run in database.runs.find_runs()}
        paid = database.reviews.read_payments(None)
        return people_frames.workers_frame(workers, held, work, paid, self.notes(), minimums)

    def history(self, worker_id: str | None = None) -> pd.DataFrame:
        """Give what was done to workers, or to one, oldest first (columns: `export.people_frames.history_frame`)."""
        events, workers = (
            self._database.people.read_people_events(worker_id=worker_id),
            self._database.people.read_workers(),
        )
        history = people_frames.history_frame(events, workers)
        return history[history["worker_id"].notna()].reset_index(drop=True)

    def notes(self) -> pd.DataFrame:
        """Give the notes on workers, oldest first (columns: `export.people_frames.notes_frame`)."""
        events, workers = self._database.people.read_people_events(notes=True), self._database.people.read_workers()
        return people_frames.notes_frame(people_frames.history_frame(events, workers), events)
