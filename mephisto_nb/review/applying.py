"""A decision is carried out: decided on what is known, committed, and told.

A run that this kernel drives has its units in memory, and decides there. For any other run a step is made of the
units that are concerned, and of nothing else. Either way the database holds each unit against the status that the
decision started from: where somebody else came first, all is read, and decided, again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from mephisto_nb.errors import ClosedError, ConflictError, NotFoundError
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.records import Agent, Unit, WorkerFacts
from mephisto_nb.model.reviews import DECIDED, SAID, KeptReview, Outcome
from mephisto_nb.rules.run_state import RunRules, RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.ids import new_id

if TYPE_CHECKING:
    from mephisto_nb.review.reviewable import DecidableRun

#: What a decision is carried out as, and what looks up all that it has to know.
Rule: TypeAlias = Callable[[Step], list[Outcome]]
Prepare: TypeAlias = Callable[[], Rule]

#: How often is decided again; each time somebody else has decided something.
_TRIES = 20


async def carry_out(run: DecidableRun, unit_ids: Sequence[str], prepare: Prepare) -> list[Outcome]:
    """Carry a decision out, in one transaction; what it could not do is told by unit.

    Raises
    ------
    NotFoundError
        The run has no such unit.
    ConflictError
        Others decide on these units so fast that there is no getting in.
    DatabaseError
        The database cannot be written; nothing was decided.
    ClosedError
        The operator was shut down.
    """
    await in_thread(load_answers, run, unit_ids)
    for turn in range(_TRIES):
        rule = await in_thread(prepare)
        try:
            return await in_thread(explain, run, await _commit(run, unit_ids, rule))
        except ConflictError:
            if turn == _TRIES - 1:
                raise
    return []


async def _commit(run: DecidableRun, unit_ids: Sequence[str], rule: Rule) -> list[Outcome]:
    if (engine := run.engine) is not None:
        try:
            return await engine.do(rule)
        except ClosedError:
            pass  # the run has come to its end, or was let go of, this very moment
    step = await in_thread(make_step, run, unit_ids)
    outcomes = rule(step)
    if step.changes:
        await run.writer.commit(step.changes)
    return outcomes


def load_answers(run: DecidableRun, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
    """Read units, and who holds them; raise `NotFoundError` for one that is none of this run's."""
    units, agents = run.database.load_answers(run.task_run.task_run_id, unit_ids)
    unknown = set(unit_ids) - {unit.unit_id for unit in units}
    if unknown:
        raise NotFoundError(
            f"Run {run.task_run.task_run_id} of {run.task_run.task_name!r} has no unit {min(unknown)!r}. "
            "Take ids from the column unit_id of its frames."
        )
    return units, agents


def make_step(run: DecidableRun, unit_ids: Sequence[str]) -> Step:
    """Make a step that has these units alone."""
    about = run.task_run
    state = RunState(about.task_run_id, RunRules(about.provider_type), about.opened_at, ended_at=about.ended_at)
    units, agents = load_answers(run, unit_ids)
    for unit in units:
        state.add_unit(unit)
    for agent in agents:
        state.add_agent(agent)
    return Step(state, run.clock.now(), new_id)


def read_standing(run: DecidableRun, worker_ids: Iterable[str]) -> Mapping[str, WorkerFacts]:
    """Read what workers of a run hold, and whether they are blocked, by id."""
    about, wanted = run.task_run, set(worker_ids)
    if not wanted:
        return {}
    agents = run.database.read_agents([about.task_run_id])
    names = {agent["worker_name"] for agent in agents if agent["worker_id"] in wanted}
    found = run.database.get_worker_facts(about.task_run_id, about.provider_type, sorted(names))
    return {facts.worker.worker_id: facts for facts in found.values() if facts.worker is not None}


def explain(run: DecidableRun, outcomes: list[Outcome]) -> list[Outcome]:
    """Say who was first where somebody was."""
    lost = [one.unit_id for one in outcomes if one.why == DECIDED]
    kept = run.database.find_kept_reviews(run.task_run.task_run_id, lost)
    return [replace(one, why=_story(one, kept.get(one.unit_id))) if one.why == DECIDED else one for one in outcomes]


def _story(outcome: Outcome, kept: KeptReview | None) -> str:
    if kept is None:
        return f"has changed since it was seen: it is {outcome.before.value} now"
    when = datetime.fromtimestamp(kept.review.at, UTC)
    return f"was {SAID[kept.review.after]} by {kept.review.who} at {when:%Y-%m-%d %H:%M} UTC"
