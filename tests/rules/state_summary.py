"""All that a run's state says, in a form in which two states can be held against each other."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mephisto_nb.model.states import AGENT_ACTIVE, UNIT_ANSWERED, UnitStatus
from mephisto_nb.rules.run_state import RunState


def summarize(state: RunState) -> dict[str, Any]:
    """Return rows and indexes; orders that carry no meaning, and entries that say nothing, are left out."""
    return {
        "rows": (state.assignments, state.units, state.agents),
        "run": (state.opened_at, state.generator_done, state.last_seq, state.last_n, state.last_submission_at),
        "created": {id_ for id_ in state.created if state.units[id_].status is UnitStatus.CREATED},
        "launched": {assignment: sorted(ids) for assignment, ids in state.launched.items()},
        "workers_of": {assignment: +held for assignment, held in state.workers_of.items() if +held},
        "units_of_worker": +state.units_of_worker,
        "active_agents": {worker: agents for worker, agents in state.active_agents.items() if agents},
        "counts": +state.counts,
        "pay": +state.pay,
        "steering": (state.steering, state.rules),
        "pages": {key: id_ for key, id_ in state.by_registration.items() if state.agents[id_].status in AGENT_ACTIVE},
        "gates": _summarize_gates(state),
        "visits": _summarize_visits(state),
        "next": (state.next_created() and state.next_created().status, state.next_deadline(), state.num_out),  # type: ignore[union-attr]
    }


def _summarize_gates(state: RunState) -> dict[str, Any]:
    book = state.gates
    return {
        "onboarding": book.onboarding,
        "units": book.units,
        "counts": +book.counts,
        "unjudged": book.unjudged,
        "held": book.held,
        "verdicts": +book.verdicts,
        "failed_checks": +book.failed_checks,
    }


def _summarize_visits(state: RunState) -> dict[str, Any]:
    book = state.visits
    return {
        "visits": book.visits,
        "by_registration": book.by_registration,
        "open": set(book.open),
        "untold": set(book.untold),
        "newest": book.newest,
        "unvouched": book.unvouched,
    }


def recount(state: RunState) -> dict[str, Any]:
    """Count from the rows alone what the indexes should say."""
    everything, agents = list(state.units.values()), list(state.agents.values())
    units = [unit for unit in everything if unit.is_real]
    held = [unit for unit in units if unit.status is UnitStatus.ASSIGNED or unit.status in UNIT_ANSWERED]
    assignments = {unit.assignment_id for unit in units}
    active = [agent for agent in agents if agent.status in AGENT_ACTIVE]

    def ids_in(status: UnitStatus, assignment: str) -> list[str]:
        return sorted(u.unit_id for u in units if u.status is status and u.assignment_id == assignment)

    return {
        "created": {unit.unit_id for unit in units if unit.status is UnitStatus.CREATED},
        "launched": {a: ids for a in assignments if (ids := ids_in(UnitStatus.LAUNCHED, a))},
        "workers_of": {
            a: workers for a in assignments if (workers := Counter(u.worker_id for u in held if u.assignment_id == a))
        },
        "units_of_worker": Counter(unit.worker_id for unit in held),
        "active_agents": {
            worker: {a.agent_id for a in active if a.worker_id == worker} for worker in {a.worker_id for a in active}
        },
        "counts": Counter(unit.status for unit in units),
        "pay": Counter((unit.status, unit.pay_amount) for unit in everything),
    }
