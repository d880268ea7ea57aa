"""Qualifications and workers of one operator: what a researcher can do with them, and ask about them.

They are made together, because they share their acts, and their panels each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cached_property, partial
from typing import Any, Self

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames import people_frames
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.people import OF_QUALIFICATIONS, OF_WORKERS, ActOutcome
from mephisto_nb.model.qualifications import Requirement, requirement_from_dict
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.task_run_args import stored_task_pay, stored_visit_rules
from mephisto_nb.people.acts import Panel, PeopleActs, Values, Whom
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.gates.table import granted_names, qualification_keys
from mephisto_nb.rules.visit_pay import worth_so_far
from mephisto_nb.utils.calling import face


def requires(run: TaskRun, name: str) -> bool:
    """Return whether a run asks workers for a qualification, or its gates go by it."""
    if any(requirement.get("qualification_name") == name for requirement in run.qualifications):
        return True
    return name in granted_names(run.task_name, _names_in(run.config, qualification_keys()))


def _names_in(value: JSON, keys: Set[str]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in keys and isinstance(inner, str) and inner:
                yield inner
            yield from _names_in(inner, keys)


def describe_runs(runs: Iterable[TaskRun]) -> str:
    """Name runs in a sentence."""
    return ", ".join(f"{run.task_name!r} ({run.task_run_id})" for run in runs)


def _find_runs_that_require(database: Database, name: str) -> list[Any]:
    return [run for run in database.runs.find_runs(live=True) if requires(run, name)]


def _refuse_where_required(name: str, what: str, runs: list[Any]) -> None:
    if runs:
        raise ConfigError(
            f"{name!r} cannot be {what} while {describe_runs(runs)} "
            f"{'asks' if len(runs) == 1 else 'ask'} for it. End the run first, or pass force=True."
        )


@face
class Qualifications:
    """All that is about qualifications; an operator's is ``operator.qualifications``, also when it is called.

    Workers are given by name (of the provider 'link' unless another is named), as a list of names, or as a DataFrame
    or its column with ``worker_id`` or ``worker_name``: that of any frame here, or of a run. Whatever an act does to
    however many workers is one transaction, leaves its rows in the event log, and can be undone.

    Examples
    --------
    ``await operator.qualifications.grant("careful", workers[workers.hourly_pay > 12], why="good work")``
    """

    def __init__(self, acts: PeopleActs, open_panel: Callable[[], Panel]) -> None:
        self._acts, self._database, self._open_panel = acts, acts.database, open_panel
        self._home = acts.home
        #: The requirements that were last asked about, to be given to ``SharedTaskState(qualifications=...)``.
        self.composed: list[Requirement] = []

    def __call__(self) -> Self:
        """Return the qualifications themselves, which show as a panel in a notebook."""
        return self

    def panel(self) -> Any:
        """Return the panel itself, an anywidget, to put into a layout of your own, or into marimo."""
        return self._panel.model

    @cached_property
    def _panel(self) -> Panel:
        return self._open_panel()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._panel.bundle()

    def _ipython_display_(self) -> None:
        self._panel.show()

    def __repr__(self) -> str:
        return "<Qualifications: frame(), grants(), history(), who_would_qualify(...), create(...), grant(...), undo()>"

    # -- acts ------------------------------------------------------------------------------------------------

    async def create(self, name: str, description: str = "", **log: str | None) -> ActOutcome:
        """Make a qualification; one of this name that is there stays as it is.

        Parameters
        ----------
        name, description
            What it is called, and what having it means.
        log
            ``why`` and ``who``, for the event log; the same for all acts. ``who`` is the name that this computer knows
            you by, unless another is given.

        Raises
        ------
        ConfigError
            The name is empty.
        """
        return await self._acts.do("create", name=name, description=description, **log)

    async def describe(self, name: str, description: str, **log: str | None) -> ActOutcome:
        """Say otherwise what having a qualification means.

        Raises
        ------
        NotFoundError
            There is no such qualification.
        """
        return await self._acts.do("describe", name=name, description=description, **log)

    async def rename(self, name: str, new_name: str, *, force: bool = False, **log: str | None) -> ActOutcome:
        """Call a qualification otherwise.

        One of the new name is made and given to all who hold the old one, which is then deleted. These are
        acts like any others, in the history and for `undo`, which takes back one at a time.

        Parameters
        ----------
        name, new_name
            What it is called, and what it is to be called.
        force
            Even while a run that has not ended asks for it; see `delete`.

        Raises
        ------
        ConfigError
            There is one of the new name already, or a run that has not ended asks for the old one.
        NotFoundError
            There is no such qualification.
        """
        known = (await in_thread(self.frame)).set_index("qualification_name")
        if new_name in known.index:
            raise ConfigError(
                f"{name!r} cannot be called {new_name!r}: there is one of that name. Choose another name."
            )
        if name in known.index:
            if not force:
                _refuse_where_required(name, "renamed", await in_thread(_find_runs_that_require, self._database, name))
            await self.create(new_name, str(known.loc[name, "description"] or ""), **log)
            if len(holders := await in_thread(self.grants, name)):
                await self.grant(new_name, holders, holders["value"], **log)
        return await self.delete(name, force=force, **log)

    async def delete(self, name: str, *, force: bool = False, **log: str | None) -> ActOutcome:
        """Take a qualification from all who hold it, and forget it; the history stays.

        Parameters
        ----------
        name
            Which.
        force
            Even while a run that has not ended asks for it: whoever arrives there is then held against a
            qualification that nobody has.

        Raises
        ------
        ConfigError
            A run that has not ended asks for it.
        NotFoundError
            There is no such qualification.
        """
        if not force:
            _refuse_where_required(name, "deleted", await in_thread(_find_runs_that_require, self._database, name))
        return await self._acts.do("delete", name=name, **log)

    async def grant(self, name: str, workers: Whom, value: Values = 1, **log: str | None) -> ActOutcome:
        """Grant workers a qualification, or change their value; whoever, and whatever, is new is made.

        Parameters
        ----------
        name
            Which qualification.
        workers
            Whom.
        value
            A whole number for all of them, or one for each in their order.
        log
            ``why``, ``who``, and ``provider`` of workers that are given by name.

        Raises
        ------
        ConfigError
            Workers or values cannot be read, or do not fit.
        NotFoundError
            A worker is given by an id that nobody has.
        """
        return await self._acts.do("grant", name=name, workers=workers, value=value, **log)

    async def revoke(self, name: str, workers: Whom, **log: str | None) -> ActOutcome:
        """Take a qualification from workers; those who do not have it stay as they are.

        Raises
        ------
        ConfigError
            Workers cannot be read.
        NotFoundError
            There is no such qualification, or no worker of an id.
        """
        return await self._acts.do("revoke", name=name, workers=workers, **log)

    async def undo(self, *, who: str | None = None) -> ActOutcome:
        """Take the last act on qualifications back; again: the one before. ``preview("undo")`` says which it is.

        Blocks and notes are acts on workers: `Workers.undo`. The button of a panel takes back what it names.

        What came with a decision on an answer is not among these: taken back alone it would leave half of it, the
        verdict and the money. ``run.review.undo(...)`` takes back all that came with it.

        Raises
        ------
        NotFoundError
            There is nothing to undo, or an act on workers alone, which is named.
        ConflictError
            Somebody has changed the same things since; nothing was changed, and the next is the act before it.
        """
        return await self._acts.undo(OF_QUALIFICATIONS, who=who)

    def preview(self, action: str, **arguments: Any) -> str:
        """Say what an act would do now, in numbers; nothing is done.

        Parameters
        ----------
        action
            ``create``, ``describe``, ``delete``, ``grant``, ``revoke``, or ``undo``.
        arguments
            Those of the method of this name.

        Raises
        ------
        ConfigError
            There is no such action, or it cannot be done so.
        NotFoundError
            There is no such qualification or worker, or nothing to undo.

        Examples
        --------
        ``operator.qualifications.preview("grant", name="careful", workers=["ann", "bob"])``
        """
        if action == "undo":
            return self._acts.preview_undo(OF_QUALIFICATIONS)
        arguments.pop("force", None)
        runs = self.required_by(arguments.get("name", "")) if action == "delete" else ""
        required = f" Runs that ask for it and have not ended: {runs}." if runs else ""
        return self._acts.preview(action, **arguments) + required

    def required_by(self, name: str) -> str:
        """Say which runs that have not ended ask for a qualification; "" where none does."""
        runs = _find_runs_that_require(self._database, name)
        return describe_runs(runs) if runs else ""

    # -- questions -------------------------------------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Return one row a qualification (columns: `frames.people_frames.qualifications_frame`)."""
        return people_frames.qualifications_frame(self._database.people.read_qualifications())

    def grants(self, name: str | None = None, *, wide: bool = False) -> pd.DataFrame:
        """Return one row a grant: of one qualification, or of all.

        Parameters
        ----------
        name
            Which qualification; None: all.
        wide
            One row a worker instead, with a column for each qualification, to join on ``worker_id``.

        Returns
        -------
        pandas.DataFrame
            Columns: `frames.people_frames.grants_frame`, or `wide_grants_frame`.
        """
        if wide:
            held = self._database.people.read_values()
            some = {one: {name: values[name]} for one, values in held.items() if name in values} if name else held
            return people_frames.wide_grants_frame(some)
        rows = self._database.people.read_grants()
        return people_frames.grants_frame(rows if name is None else [row for row in rows if row[4] == name])

    def history(self, name: str | None = None) -> pd.DataFrame:
        """Return what was done with qualifications, oldest first (columns: `frames.people_frames.history_frame`)."""
        events = self._database.people.read_people_events(qualification_name=name)
        history = people_frames.history_frame(events, self._database.people.read_workers())
        return history[history["qualification_name"].notna()].reset_index(drop=True)

    def who_would_qualify(self, requirements: Sequence[Requirement | JSONObject] | None = None) -> pd.DataFrame:
        """Say of each known worker whether a run with these requirements would let them in, and if not, why.

        Blocked workers are not let in. What else a run asks for (its limits, an introduction) is not looked at.

        Parameters
        ----------
        requirements
            From `make_requirement`, or in Mephisto's dictionary form; None: those that were asked about last, be it
            here or in the panel. They are kept as `composed`.

        Returns
        -------
        pandas.DataFrame
            Columns: `frames.people_frames.eligibility_frame`.

        Raises
        ------
        ConfigError
            A requirement cannot be read.
        """
        if requirements is not None:
            self.composed = [requirement_from_dict(one) for one in requirements]
            self._acts.tell()
        workers, held = self._acts.known_workers(), self._database.people.read_values()
        return people_frames.eligibility_frame(workers, held, self.composed)


@face
class Workers:
    """All that is about workers; an operator's is ``operator.workers``, also when it is called.

    How workers are given is told in `Qualifications`.

    Examples
    --------
    ``workers = operator.workers.frame(); await operator.workers.block(workers[workers.rejected > 5], why="spam")``
    """

    def __init__(self, acts: PeopleActs, open_panel: Callable[[], Panel]) -> None:
        self._acts, self._database, self._open_panel = acts, acts.database, open_panel
        self._home = acts.home

    def __call__(self) -> Self:
        """Return the workers themselves, which show as a panel in a notebook."""
        return self

    def panel(self) -> Any:
        """Return the panel itself, an anywidget, to put into a layout of your own, or into marimo."""
        return self._panel.model

    @cached_property
    def _panel(self) -> Panel:
        return self._open_panel()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._panel.bundle()

    def _ipython_display_(self) -> None:
        self._panel.show()

    def __repr__(self) -> str:
        return "<Workers: frame(), history(), notes(), block(...), unblock(...), note(...), undo()>"

    # -- acts ------------------------------------------------------------------------------------------------

    async def block(self, workers: Whom, **log: str | None) -> ActOutcome:
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

    async def unblock(self, workers: Whom, **log: str | None) -> ActOutcome:
        """Offer workers work again.

        Raises
        ------
        ConfigError
            Workers cannot be read.
        NotFoundError
            A worker is given by an id that nobody has.
        """
        return await self._acts.do("unblock", workers=workers, **log)

    async def note(self, workers: Whom, text: str, **log: str | None) -> ActOutcome:
        """Keep a note about workers, for whoever asks later; they never see it.

        Raises
        ------
        ConfigError
            The note is empty, or workers cannot be read.
        NotFoundError
            There is no such worker.
        """
        return await self._acts.do("note", workers=workers, text=text, **log)

    async def undo(self, *, who: str | None = None) -> ActOutcome:
        """Take the last block, unblocking or note back; grants go back with `Qualifications.undo`, which says more."""
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
        """Return one row a worker, over all runs and providers (columns: `frames.people_frames.workers_frame`).

        Who was named in an act that was undone, and never came, is not among them.
        """
        database = self._database
        workers, work, held = self._acts.known_workers(), database.people.read_work(), database.people.read_values()
        runs = {run.task_run_id: run for run in database.runs.find_runs()}
        minimums = {id_: stored_task_pay(run.config).minimum_hourly_pay for id_, run in runs.items()}
        visits = [one for one in database.reviews.read_standings(list(runs)) if not one[3].is_booked]
        waiting = [
            (worker_id, worth_so_far(standing, stored_visit_rules(runs[run_id].config)))
            for run_id, _, worker_id, standing in visits
        ]
        paid = database.reviews.read_payments(None)
        return people_frames.workers_frame(workers, held, work, paid, self.notes(), minimums, waiting)

    def history(self, worker_id: str | None = None) -> pd.DataFrame:
        """Return what was done to workers, or to one, oldest first (columns: `frames.people_frames.history_frame`)."""
        events, workers = (
            self._database.people.read_people_events(worker_id=worker_id),
            self._database.people.read_workers(),
        )
        history = people_frames.history_frame(events, workers)
        return history[history["worker_id"].notna()].reset_index(drop=True)

    def notes(self) -> pd.DataFrame:
        """Return the notes on workers, oldest first (columns: `frames.people_frames.notes_frame`)."""
        events, workers = self._database.people.read_people_events(notes=True), self._database.people.read_workers()
        return people_frames.notes_frame(people_frames.history_frame(events, workers), events)


class People:
    """Everything that a researcher does to people, and asks about them.

    Parameters
    ----------
    database, writer, clock
        Where people are kept, who writes there, and what time it is.
    open_panel
        Makes the panel of ``qualifications`` or ``workers``, when it is first shown.
    """

    def __init__(
        self,
        database: Database,
        writer: DatabaseWriter,
        clock: Clock,
        open_panel: Callable[[People, str], Panel],
    ) -> None:
        self.acts = PeopleActs(database, writer, clock)
        self.qualifications = Qualifications(self.acts, partial(open_panel, self, "qualifications"))
        self.workers = Workers(self.acts, partial(open_panel, self, "workers"))
        #: What a display knows of the people here, kept with them.
        self.watched_by: object | None = None
