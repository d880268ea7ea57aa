"""Deciding on the answers of one or more runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial, reduce
from operator import add
from typing import Any

import pandas as pd

from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.frames.frames import typed
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.records import Unit
from mephisto_nb.model.reviews import DECIDED, SAID, Decision, Outcome
from mephisto_nb.model.states import UNIT_REVIEWED, UnitStatus
from mephisto_nb.ports.crowd_provider import CrowdVerb
from mephisto_nb.review.crowd_sync import tell_crowd
from mephisto_nb.review.decide import (
    Extras,
    ReviewPreview,
    Rule,
    carry_out,
    describe,
    find_crowd,
    make_decision,
    make_step,
    read_standing,
    refuse_bonus,
    who_decides,
)
from mephisto_nb.review.queue import gold_accuracy, review_queue, worker_records
from mephisto_nb.review.reviewable import DecidableRun, ReviewableRun
from mephisto_nb.review.selection import Selectable, Units, Wanted, refuse_namesakes, select
from mephisto_nb.rules.reviewing import decide, undo
from mephisto_nb.rules.step import Step

OUTCOME_COLUMNS = ("task_run_id", "unit_id", "worker_id", "before", "after", "done", "why", "review_id", "owed", "also")


class Reviewing:
    """Decisions on the answers of one or more runs; each of them is one transaction a run.

    A unit is decided on once, however often a button is pressed and in however many notebooks: whoever comes second is
    told who was first, and nothing of theirs happens to that unit, no bonus either.

    Parameters
    ----------
    runs
        From `Operator.get_task_run`, or launched.
    """

    def __init__(self, runs: Sequence[ReviewableRun]) -> None:
        self._runs = list(runs)

    @property
    def runs(self) -> Sequence[ReviewableRun]:
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
            What comes with it: the fields of `review.decisions.Extras`.

        Returns
        -------
        pandas.DataFrame
            One row a unit, columns `OUTCOME_COLUMNS`: ``done``, and where it is False, ``why``; ``owed``, what came to
            be owed by it in US dollars without fees (below 0: what is owed no longer); ``also``, what else it did to
            the worker, as ``blocked``.

        Raises
        ------
        ConfigError
            There is no such verdict, something that is to come with it cannot be, or nobody can tell which units are
            meant; nothing was decided.
        NotFoundError
            There is no such unit; nothing was decided.
        DatabaseError, ClosedError
            Nothing more can be written; runs before this one have been decided on.
        """
        decision = make_decision(verdict, given := Extras(**extras))
        chosen = await in_thread(self._choose, units, worker)
        refuse_bonus(given, [run.task_run for run, _ in chosen])
        return await self._each(chosen, lambda run, wanted: partial(_deciding, run, decision, wanted))

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
        chosen, name = await in_thread(self._choose, units, worker, decided=True), who_decides(who)
        return await self._each(chosen, lambda run, wanted: partial(_undoing, run, name, note, wanted))

    def preview(
        self, verdict: str, units: Units = None, *, worker: str | Iterable[str] | None = None, **extras: Any
    ) -> ReviewPreview:
        """Say in numbers what `decide` would do now, or `undo` where the verdict is ``undo``; nothing is done.

        Raises
        ------
        ConfigError, NotFoundError
            As `decide` does.
        """
        if verdict == "undo":
            _need_units(units, worker)
            found = [
                _foresee(run, wanted, "undone", None, _undoing(run, "", "", wanted))
                for run, wanted in self._choose(units, worker, decided=True)
            ]
            return reduce(add, found, ReviewPreview("undone"))
        decision = make_decision(verdict, given := Extras(**extras))
        said = SAID[decision.verdict]
        chosen = self._choose(units, worker)
        refuse_bonus(given, [run.task_run for run, _ in chosen])
        found = [_foresee(run, wanted, said, decision, _deciding(run, decision, wanted)) for run, wanted in chosen]
        return reduce(add, found, ReviewPreview(said))

    def queue(self, order: str = "worker", *, decided: bool = False) -> pd.DataFrame:
        """Give the answers in the order in which to look at them (see `review.queue.review_queue`)."""
        return review_queue(self._results(), self.records(), order, decided=decided)

    def records(self) -> pd.DataFrame:
        """Give what is known of each worker who has answered here (see `review.records.worker_records`)."""
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
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def _choose(
        self, units: Units, worker: str | Iterable[str] | None, *, decided: bool = False
    ) -> list[tuple[ReviewableRun, Wanted]]:
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
        """Give the units of all the runs, one row each."""
        return pd.concat([run.units() for run in self._runs], ignore_index=True)

    def results(self) -> pd.DataFrame:
        """Give the answers of all the runs, one row each."""
        return self._results()

    async def _each(self, chosen: Sequence[tuple[ReviewableRun, Wanted]], make: Any) -> pd.DataFrame:
        rows = []
        for run, wanted in chosen:
            outcomes = await carry_out(run, list(wanted), make(run, wanted))
            await tell_crowd(run)
            rows += [{"task_run_id": run.task_run.task_run_id, **asdict(one)} for one in outcomes]
        frame = pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS))
        return typed(frame.astype({"before": "str", "after": "str", "done": "bool", "owed": "float64"}))


def _deciding(run: DecidableRun, decision: Decision, wanted: Wanted) -> Rule:
    """Look up what a decision has to know, and give the rule."""
    units, _ = run.database.reviews.load_answers(run.task_run.task_run_id, list(wanted))
    concerned = (unit.worker_id for unit in units if unit.worker_id) if decision.grants or decision.block else ()
    standing = read_standing(run, concerned)
    return lambda step: decide(step, decision, wanted, standing)


def _undoing(run: DecidableRun, who: str, note: str, wanted: Wanted) -> Rule:
    """Look up the latest decisions on units, and give the rule that takes them back."""
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, list(wanted))
    standing = read_standing(run, {one.review.worker_id for one in kept.values() if one.review.effects})
    told = _told_for_good(run)

    def rule(step: Step) -> list[Outcome]:
        left = []
        for unit_id, seen in wanted.items():
            unit, one = step.state.units[unit_id], kept.get(unit_id)
            if one is None:
                left.append(_left(unit, "was not decided on"))
            elif seen is not None and unit.status is not seen:
                left.append(_left(unit, DECIDED))
            elif one.review.after in told:
                left.append(_left(unit, "the crowd was told, and takes nothing back"))
        refused = {one.unit_id for one in left}
        return undo(step, [one for id_, one in kept.items() if id_ not in refused], who, note, standing) + left

    return rule


def _told_for_good(run: DecidableRun) -> frozenset[UnitStatus]:
    crowd = find_crowd(run.task_run.provider_type)
    rejects = crowd is not None and CrowdVerb.REJECT in crowd.CAN and not crowd.TAKES_REJECTIONS_BACK
    return frozenset({UnitStatus.REJECTED}) if rejects else frozenset()


def _left(unit: Unit, why: str) -> Outcome:
    return Outcome(unit.unit_id, unit.worker_id, unit.status, unit.status, done=False, why=why)


def _foresee(run: DecidableRun, wanted: Wanted, verdict: str, decision: Decision | None, rule: Rule) -> ReviewPreview:
    step = make_step(run, list(wanted))
    return describe(verdict, rule(step), step.changes.changes, run.task_run.provider_type, decision)


def _of(wanted: Mapping[str, UnitStatus | None], run: Selectable) -> Wanted:
    theirs = set(run.units()["unit_id"])
    return {unit_id: seen for unit_id, seen in wanted.items() if unit_id in theirs}


def _need_units(units: Units, worker: object) -> None:
    if units is None and worker is None:
        raise ConfigError("Undoing everything at once is no slip. Say which units, or which worker's.")
