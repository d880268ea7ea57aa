"""Deciding on the answers of one or more runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial, reduce
from operator import add
from typing import Any, TypeAlias

import pandas as pd

from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.frames.frames import join_results, reviews_frame, typed
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.reviews import SAID, Decision, ReviewOutcome
from mephisto_nb.model.states import UNIT_REVIEWED, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.review.crowd_sync import (
    tell_crowd,
    tell_crowd_of,
)
from mephisto_nb.review.decide import (
    Amount,
    Grants,
    ReviewPreview,
    carry_out,
    foresee_owed,
    make_decision,
    read_extras,
    with_bonus,
)
from mephisto_nb.review.look_ups import check_rejection, deciding, foresee, undoing
from mephisto_nb.review.queue import gold_accuracy, review_queue, worker_records
from mephisto_nb.review.selection import Selectable, Units, Wanted, find_run_ids, refuse_namesakes, select
from mephisto_nb.utils.calling import face
from mephisto_nb.utils.ids import acting_name

OUTCOME_COLUMNS = (
    "task_run_id", "unit_id", "worker_id", "before", "after", "done", "why", "review_id", "owed", "currency", "also",
    "trouble",
)  # fmt: skip


_OUTCOME = [one.name for one in fields(ReviewOutcome)]

#: Makes a panel: called with what to review, which answers (None: all), and the order.
OpenPanel: TypeAlias = "Callable[[Reviewing, Units, str], Any]"


class Reviewing:
    """Decisions on the answers of one or more runs; each of them is one transaction a run.

    A unit is decided on once, however often a button is pressed and in however many notebooks: whoever comes second is
    told who was first, and nothing of theirs happens to that unit, no bonus either.

    Parameters
    ----------
    runs
        From `Operator.get_task_run`, or launched.
    """

    def __init__(self, runs: Sequence[RunFrames]) -> None:
        self._runs = list(runs)

    @property
    def runs(self) -> Sequence[RunFrames]:
        """The runs."""
        return tuple(self._runs)

    async def decide(
        self, verdict: str, units: Units = None, *, worker: str | Iterable[str] | None = None, **extras: Any
    ) -> pd.DataFrame:
        """Decide on answers.

        Parameters
        ----------
        verdict
            ``approve``; ``soft_reject``, which pays, but says that the answer is of no use; or ``reject``.
        units
            Which: unit ids; rows of a frame with the column ``unit_id`` (with ``status``, a unit that has another one
            by now is left alone); a mask over ``results()``; a function that takes ``results()`` and gives rows or a
            mask; None: all that wait for a decision.
        worker
            Names of workers: their answers alone.
        extras
            What comes with it: the fields of `review.decide.Extras`.

        Returns
        -------
        pandas.DataFrame
            One row a unit, columns `OUTCOME_COLUMNS`: ``done``, and where it is False, ``why``; ``owed``, what came to
            be owed by it in ``currency`` without fees (below 0: what is owed no longer); ``also``, what else it did to
            the worker, as ``blocked``; ``trouble``, what the crowd has refused, or has paid nonetheless.

        Raises
        ------
        ConfigError
            There is no such verdict, something that is to come with it cannot be, or nobody can tell which units are
            meant; nothing was decided. `BudgetExceededError`: the bonuses do not fit in a budget.
        NotFoundError
            There is no such unit; nothing was decided.
        DatabaseError, ClosedError
            Nothing more can be written; runs before this one have been decided on.
        """
        decision = make_decision(verdict, given := read_extras(extras))
        chosen = await in_thread(self._choose, units, worker)
        decision = with_bonus(decision, given, [run.task_run for run, _ in chosen])
        await in_thread(_check_budgets, decision, chosen)
        if decision.verdict is UnitStatus.REJECTED:
            for run, wanted in chosen:
                await in_thread(check_rejection, run, wanted, decision)
        return await self._each(chosen, lambda run, wanted: partial(deciding, run, decision, wanted))

    async def undo(
        self,
        units: Units,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        who: str | None = None,
    ) -> pd.DataFrame:
        """Take the latest decision on each of these units back, and the payments, grants and blocks that came with it.

        What is paid already is not taken back, nor a rejection that the crowd was told of and does not take back.
        Undoing again takes the decision before it back.

        Returns
        -------
        pandas.DataFrame
            As `decide` gives.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `decide` does.
        """
        _need_units(units, worker)
        chosen, name = await in_thread(self._choose, units, worker, decided=True), acting_name(who)
        return await self._each(chosen, lambda run, wanted: partial(undoing, run, name, note, wanted))

    def preview(
        self, verdict: str, units: Units = None, *, worker: str | Iterable[str] | None = None, **extras: Any
    ) -> ReviewPreview:
        """Say in numbers what `decide` would do now, or `undo` where the verdict is ``undo``; nothing is done.

        Raises
        ------
        ConfigError, NotFoundError
            As `decide` does.
        """
        given = read_extras(extras)
        if verdict == "undo":
            _need_units(units, worker)
            found = [
                foresee(run, wanted, "undone", None, undoing(run, "", "", wanted))
                for run, wanted in self._choose(units, worker, decided=True)
            ]
            return reduce(add, found, ReviewPreview("undone"))
        decision = make_decision(verdict, given)
        said = SAID[decision.verdict]
        chosen = self._choose(units, worker)
        decision = with_bonus(decision, given, [run.task_run for run, _ in chosen])
        found = [foresee(run, wanted, said, decision, deciding(run, decision, wanted)) for run, wanted in chosen]
        return reduce(add, found, ReviewPreview(said))

    def queue(self, order: str = "worker", *, decided: bool = False) -> pd.DataFrame:
        """Return the answers in the order in which to look at them (see `review.queue.review_queue`)."""
        return review_queue(self._results(), self.records(), order, decided=decided)

    def records(self) -> pd.DataFrame:
        """Return what is known of each worker who has answered here (see `review.queue.worker_records`)."""
        results = self._results()
        if not self._runs:
            return worker_records(results, [])
        database, run_ids = self._runs[0].database, [run.task_run.task_run_id for run in self._runs]
        return worker_records(
            results, database.reviews.read_reviews(None), gold_accuracy(database.runs.read_gates(run_ids))
        )

    # -- within ----------------------------------------------------------------------------------------------

    def _results(self) -> pd.DataFrame:
        frames = [run.results() for run in self._runs]
        return join_results(frames) if frames else pd.DataFrame()

    def _choose(
        self, units: Units, worker: str | Iterable[str] | None, *, decided: bool = False
    ) -> list[tuple[RunFrames, Wanted]]:
        meant = UNIT_REVIEWED if decided else frozenset({UnitStatus.COMPLETED})
        if len(self._runs) == 1:
            return [(self._runs[0], select(self._runs[0], units, worker, meant))]
        if worker is not None and len({run.task_run.provider_type for run in self._runs}) > 1:
            worker = refuse_namesakes(worker, self.units())
        if units is None or callable(units):
            return [(run, wanted) for run in self._runs if (wanted := select(run, units, worker, meant))]
        wanted = select(self, units, worker)
        chosen = [(run, _of(wanted, run)) for run in self._runs]
        unknown = set(wanted) - {unit_id for _, theirs in chosen for unit_id in theirs}
        if unknown:
            raise NotFoundError(f"None of these {len(self._runs)} runs has a unit {min(unknown)!r}.")
        return [(run, theirs) for run, theirs in chosen if theirs]

    def units(self) -> pd.DataFrame:
        """Return the units of all the runs, one row each."""
        return pd.concat([run.units() for run in self._runs], ignore_index=True)

    def results(self) -> pd.DataFrame:
        """Return the answers of all the runs, one row each."""
        return self._results()

    async def _each(self, chosen: Sequence[tuple[RunFrames, Wanted]], make: Any) -> pd.DataFrame:
        rows = []
        for run, wanted in chosen:
            outcomes = await carry_out(run, list(wanted), make(run, wanted))
            troubles = await tell_crowd_of(run, [one.unit_id for one in outcomes])
            about = {"task_run_id": run.task_run.task_run_id, "currency": run.task_run.currency}
            for one in outcomes:
                told = {"owed": float(one.owed or 0), "trouble": "; ".join(troubles.get(one.unit_id, ()))}
                rows.append(about | {name: getattr(one, name) for name in _OUTCOME} | told)
        frame = pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS))
        return typed(frame.astype({"before": "str", "after": "str", "done": "bool", "owed": "float64"}))


@face
class RunReview:
    """Reviewing, as a researcher types it: a panel when it is called, and the decisions that it can make.

    Each act is one transaction a run. `approve`, `soft_reject` and `reject` decide; `undo` takes that back; `preview`
    says in numbers what an act would do; `queue`, `records` and `decisions` are frames.

    Parameters
    ----------
    runs
        The runs whose answers are decided on.
    open_panel
        Makes the panel: called with what to review, which answers, and the order.

    Examples
    --------
    ``run.review()``; ``await run.review.approve(worker="ann")``
    """

    def __init__(self, runs: Sequence[RunFrames], open_panel: OpenPanel) -> None:
        self._runs, self._open_panel = list(runs), open_panel
        self._reviewing = Reviewing(runs)
        self._home = self._runs[0].writer.home if self._runs else None

    def __call__(self, answers: Units = None, *, order: str = "worker") -> Any:
        """Open a panel in which answers are reviewed, by keyboard alone if you like; its keys are listed in it.

        Parameters
        ----------
        answers
            Which: unit ids, rows of a frame, a mask over ``results()``, or a function of ``results()``, which is asked
            again as answers come; None: all.
        order
            In which order they are looked at first: ``worker``, ``disagreement`` or ``suspicion`` (see `queue`).

        Raises
        ------
        ConfigError
            There is no such order, or it cannot be told which answers are meant.

        Examples
        --------
        ``run.review(lambda results: results["duration_in_seconds"] < 5, order="suspicion")``
        """
        return self._open_panel(self._reviewing, answers, order)

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(run.task_name for run in self._runs))
        return f"<review of {names}: call it for its panel; approve, soft_reject, reject, undo, queue, decisions ...>"

    async def approve(
        self,
        units: Units = None,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        bonus: Amount = 0,
        message: str = "",
        grant: Grants = None,
        block: bool = False,
        again: bool = False,
        who: str | None = None,
        maximum_bonus: Amount | None = None,
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
            For each answer, in the run's currency: a number, text, or `Money`.
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
            One row a unit, columns `review.reviewing.OUTCOME_COLUMNS`: ``done``, and where it is False, ``why``;
            ``trouble``, what the crowd has refused, or has paid nonetheless.

        Raises
        ------
        ConfigError, NotFoundError
            What is asked for cannot be, or there is no such unit; nothing was decided.
        DatabaseError, ClosedError
            The database cannot be written; nothing was decided, or it was not noted what the crowd has done for it
            (`decisions` tells), and `tell_crowd` asks for that again.

        Examples
        --------
        ``await run.review.approve(lambda results: results["answer.mood"] != "", bonus=0.05)``
        """
        extras = {"note": note, "bonus": bonus, "message": message, "grant": grant, "block": block, "again": again}
        extras |= {"who": who, "maximum_bonus": maximum_bonus}
        return await self._reviewing.decide("approve", units, worker=worker, **extras)

    async def soft_reject(
        self,
        units: Units = None,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        bonus: Amount = 0,
        message: str = "",
        grant: Grants = None,
        block: bool = False,
        again: bool = False,
        who: str | None = None,
        maximum_bonus: Amount | None = None,
    ) -> pd.DataFrame:
        """Pay for answers, but mark them as of no use. Parameters, and what is given back, are those of `approve`.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `approve` does.

        Examples
        --------
        ``await run.review.soft_reject(worker="ann", note="clicked through", grant={"careful": 0})``
        """
        extras = {"note": note, "bonus": bonus, "message": message, "grant": grant, "block": block, "again": again}
        extras |= {"who": who, "maximum_bonus": maximum_bonus}
        return await self._reviewing.decide("soft_reject", units, worker=worker, **extras)

    async def reject(
        self,
        units: Units = None,
        *,
        worker: str | Iterable[str] | None = None,
        note: str = "",
        message: str = "",
        category: str = "",
        grant: Grants = None,
        block: bool = False,
        again: bool = False,
        who: str | None = None,
    ) -> pd.DataFrame:
        """Reject answers, which are not paid for. Parameters, and what is given back, are those of `approve`.

        Of visits, a crowd hears only where all of one is rejected; its other answers may be, and it is paid.

        Parameters
        ----------
        category
            The crowd's own word for why, where it has such, as ``LOW_EFFORT``; "": the crowd's usual.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `approve` does; `ConfigError` also where the crowd would refuse the message, as one that is too short.

        Examples
        --------
        ``await run.review.reject(run.review.queue("suspicion").head(3), message="The text was not described.")``
        """
        extras = {"note": note, "message": message, "category": category, "grant": grant, "block": block}
        return await self._reviewing.decide("reject", units, worker=worker, **extras, again=again, who=who)

    async def undo(
        self, units: Units, *, worker: str | Iterable[str] | None = None, note: str = "", who: str | None = None
    ) -> pd.DataFrame:
        """Take the latest decision on each of these units back, and what came with it; what is paid stays.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `approve` does.

        Examples
        --------
        ``await run.review.undo(decided)``, where ``decided`` is what `approve` gave back
        """
        return await self._reviewing.undo(units, worker=worker, note=note, who=who)

    def preview(
        self, verdict: str, units: Units = None, *, worker: str | Iterable[str] | None = None, **extras: object
    ) -> ReviewPreview:
        """Say in numbers what ``approve``, ``soft_reject``, ``reject`` or ``undo`` would do now; nothing is done.

        Raises
        ------
        ConfigError, NotFoundError
            As the method of that name does.

        Examples
        --------
        ``print(run.review.preview("approve", bonus=0.05))``
        """
        return self._reviewing.preview(verdict, units, worker=worker, **extras)

    def decisions(self) -> pd.DataFrame:
        """Return one row a decision (columns: `frames.frames.reviews_frame`)."""
        if not self._runs:
            return reviews_frame([])
        return reviews_frame(self._runs[0].database.reviews.read_reviews([run.task_run_id for run in self._runs]))

    def records(self) -> pd.DataFrame:
        """Return what is known of each worker who has answered here (columns: `review.queue.worker_records`)."""
        return self._reviewing.records()

    async def tell_crowd(self) -> list[str]:
        """Ask the crowd once more for what it has refused, or was not asked for yet; return what it refuses now.

        Every decision does this by itself. A crowd that does nothing itself, as workers who come by a link, is asked
        for nothing.

        Raises
        ------
        DatabaseError, ClosedError
            What was done could not be noted.
        """
        return [trouble.words for run in self._runs for trouble in await tell_crowd(run)]

    def queue(self, order: str = "worker", *, decided: bool = False) -> pd.DataFrame:
        """Return the answers in the order in which to look at them (columns: `review.queue.review_queue`).

        Parameters
        ----------
        order
            ``worker``: those workers first of whom the fewest answers wait for a decision, and all of one worker's
            together; ``disagreement``: those first that differ most from others' answers to the same; ``suspicion``:
            those first that most speaks against.
        decided
            Whether answers that were decided on already are there, too.

        Raises
        ------
        ConfigError
            There is no such order.
        """
        return self._reviewing.queue(order, decided=decided)


@face
class OperatorReview:
    """Reviewing over several runs: a panel when it is called, `of` for decisions, `decisions` for all that were made.

    Parameters
    ----------
    database
        Where the runs are.
    find_run
        Returns a run of any time, by its id.
    open_panel
        Makes the panel.

    Examples
    --------
    ``operator.review("moods", order="disagreement")``; ``await operator.review.of("moods").approve(worker="ann")``
    """

    def __init__(self, database: Database, find_run: Callable[[str], RunFrames], open_panel: OpenPanel) -> None:
        self._database, self._find_run, self._open_panel = database, find_run, open_panel

    def __call__(
        self, runs: str | Iterable[str] | pd.DataFrame, answers: Units = None, *, order: str = "worker"
    ) -> Any:
        """Open a panel in which the answers of several runs are reviewed (see `RunReview`).

        Parameters
        ----------
        runs
            The name of a task, for all of its runs; ids of runs; or rows with the column ``task_run_id``.
        answers, order
            As for one run.

        Raises
        ------
        NotFoundError
            There is no such run, or no run of such a task.
        ConfigError
            There is no such order, or it cannot be told which answers are meant.

        Examples
        --------
        ``operator.review("moods", order="disagreement")``
        """
        return self.of(runs)(answers, order=order)

    def of(self, runs: str | Iterable[str] | pd.DataFrame) -> RunReview:
        """Return several runs to decide on at once.

        Parameters
        ----------
        runs
            The name of a task, for all of its runs; ids of runs; or rows with the column ``task_run_id``.

        Raises
        ------
        NotFoundError
            There is no such run, or no run of such a task.
        ConfigError
            The rows have no column ``task_run_id``.

        Examples
        --------
        ``await operator.review.of("moods").approve(worker="ann")``
        """
        found = [self._find_run(id_) for id_ in find_run_ids(self._database, runs)]
        if not found:
            raise NotFoundError("No run is named whose answers could be decided on. See operator.task_runs().")
        return RunReview(found, self._open_panel)

    def decisions(self) -> pd.DataFrame:
        """Return one row a decision, of all runs (columns: `frames.frames.reviews_frame`)."""
        return reviews_frame(self._database.reviews.read_reviews(None))


def _check_budgets(decision: Decision, chosen: Sequence[tuple[RunFrames, Wanted]]) -> None:
    """Raise `BudgetExceededError` where what a decision owes in all runs together does not fit; blocks."""
    if not (decision.bonus or decision.again) or decision.verdict is UnitStatus.REJECTED:
        return
    owed = [(run, foresee_owed(run, list(wanted), deciding(run, decision, wanted))) for run, wanted in chosen]
    spending = next((run.crowd.spending for run, amounts in owed if amounts), None)
    if spending is not None:
        spending.check_bonuses([(run.task_run, amounts) for run, amounts in owed if amounts])


def _of(wanted: Mapping[str, UnitStatus | None], run: Selectable) -> Wanted:
    theirs = set(run.units()["unit_id"])
    return {unit_id: seen for unit_id, seen in wanted.items() if unit_id in theirs}


def _need_units(units: Units, worker: object) -> None:
    if units is None and worker is None:
        raise ConfigError("Undoing everything at once is no slip. Say which units, or which worker's.")
