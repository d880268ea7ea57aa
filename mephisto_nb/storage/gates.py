"""What is stored of onboarding, screening, gold and checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, null, select, update

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.gates import (
    GateRow,
    GateUnit,
    GateVerdict,
    HeldArrival,
    OnboardingAgent,
    StoredGates,
    split_findings,
)
from mephisto_nb.model.states import AgentStatus, Gate
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.values import dump

#: Databases limit how many values one statement may hold.
_CHUNK = 500
_CHANGE = (
    update(t.onboarding_agents)
    .where(t.onboarding_agents.c.agent_id == bindparam("id"), t.onboarding_agents.c.status == bindparam("before"))
    .values(status=bindparam("after"))
)


# -- writing -------------------------------------------------------------------------------------------------


def add_onboarding(connection: Connection, run: str | None, found: list[c.AddOnboarding]) -> None:
    """Write new onboarding agents."""
    rows = [{**asdict(add.agent), "status": add.agent.status.value, "task_run_id": run} for add in found]
    for row in rows:
        row["data"] = None if row["submitted_at"] is None else dump(row["data"])
    connection.execute(insert(t.onboarding_agents), rows)


def change_onboarding(connection: Connection, run: str | None, found: list[c.ChangeOnboarding]) -> None:
    """Bring onboarding agents to another status, in the order given; raise `ConflictError` where one has another."""
    for one in found:
        values = {"id": one.agent_id, "before": one.before.value, "after": one.after.value}
        if connection.execute(_CHANGE, values).rowcount != 1:
            raise ConflictError(f"Onboarding agent {one.agent_id!r} was changed by somebody else in the meantime.")


def add_onboarding_answers(connection: Connection, run: str | None, found: list[c.AddOnboardingAnswer]) -> None:
    """Write what was handed in."""
    o = t.onboarding_agents
    for one in found:
        values = {"data": dump(one.data), "submitted_at": one.received_at}
        connection.execute(update(o).where(o.c.agent_id == one.agent_id).values(**values))


def add_gate_units(connection: Connection, run: str | None, found: list[c.AddGateUnit]) -> None:
    """Write for whom units were made."""
    rows = [
        {
            "unit_id": unit.unit_id,
            "task_run_id": run,
            "worker_id": unit.worker_id,
            "gate": unit.gate.value,
            "row_key": unit.row.key,
            "row": dump(unit.row.row),
        }
        for unit in (add.unit for add in found)
    ]
    connection.execute(insert(t.gate_units), rows)


def add_verdicts(connection: Connection, run: str | None, found: list[c.AddVerdict]) -> None:
    """Write what was found."""
    rows = [
        {**asdict(verdict), "gate": verdict.gate.value, "detail": dump(verdict.detail), "task_run_id": run}
        for verdict in (add.verdict for add in found)
    ]
    connection.execute(insert(t.verdicts), rows)


def hold_arrivals(connection: Connection, run: str | None, found: list[c.HoldArrival]) -> None:
    """Write which pages wait."""
    connection.execute(insert(t.held_arrivals), [{**asdict(hold.arrival), "task_run_id": run} for hold in found])


def release_arrivals(connection: Connection, run: str | None, found: list[c.ReleaseArrivals]) -> None:
    """Forget pages that wait no longer."""
    ids = [request_id for release in found for request_id in release.request_ids]
    for start in range(0, len(ids), _CHUNK):
        h = t.held_arrivals
        connection.execute(delete(h).where(h.c.request_id.in_(ids[start : start + _CHUNK])))


# -- reading -------------------------------------------------------------------------------------------------


def load_gates(connection: Connection, run: str) -> StoredGates:
    """Read all that is stored of the gates of a run."""
    o, g, u, v, h = (
        t.onboarding_agents.c, t.gate_units.c, t.assignments.c, t.verdicts.c, t.held_arrivals.c
    )  # fmt: skip
    onboarding = select(
        o.agent_id, o.worker_id, o.registration_id, o.status, o.started_at, o.deadline, o.submitted_at, o.data
    ).where(o.task_run_id == run).order_by(o.started_at, o.agent_id)  # fmt: skip
    units = (
        select(g.unit_id, g.gate, g.worker_id, g.row_key, u.shared, g.row)
        .join(t.units, t.units.c.unit_id == g.unit_id)
        .join(t.assignments, u.assignment_id == t.units.c.assignment_id)
        .where(g.task_run_id == run)
    )
    verdicts = select(v.agent_id, v.gate, v.passed, v.at, v.detail).where(v.task_run_id == run)
    held = select(h.request_id, h.worker_id, h.worker_name, h.registration_id, h.held_at)
    return StoredGates(
        onboarding=[
            OnboardingAgent(*row[:3], AgentStatus(row.status), *row[4:7], None if row.data is None else _load(row.data))
            for row in connection.execute(onboarding)
        ],
        units=[
            GateUnit(id_, Gate(gate), worker, GateRow(key, _load(shared), _load(whole)))
            for id_, gate, worker, key, shared, whole in connection.execute(units)
        ],
        verdicts=[
            GateVerdict(id_, Gate(gate), None if passed is None else bool(passed), at, _load(detail))
            for id_, gate, passed, at, detail in connection.execute(verdicts)
        ],
        held=[HeldArrival(*row) for row in connection.execute(held.where(h.task_run_id == run).order_by(h.held_at))],
    )


def _load(text: str) -> Any:
    return json.loads(text)


def rows_seen(connection: Connection, task_run_id: str, worker_ids: list[str]) -> dict[str, frozenset[str]]:
    """Give the keys of the rows that workers were shown at gates, in all runs of the same task."""
    g, r = t.gate_units.c, t.task_runs.c
    same_task = select(r.task_id).where(r.task_run_id == task_run_id).scalar_subquery()
    found: dict[str, set[str]] = {}
    for start in range(0, len(worker_ids), _CHUNK):
        query = (
            select(g.worker_id, g.row_key)
            .join(t.task_runs, r.task_run_id == g.task_run_id)
            .where(g.worker_id.in_(worker_ids[start : start + _CHUNK]), r.task_id == same_task)
        )
        for worker_id, key in connection.execute(query):
            found.setdefault(worker_id, set()).add(key)
    return {worker_id: frozenset(keys) for worker_id, keys in found.items()}


def read_gates(connection: Connection, run_ids: Sequence[str]) -> list[JSONObject]:
    """Give one row for each time that somebody was looked at, in the order in which they began."""
    o, v, w, a = t.onboarding_agents.c, t.verdicts.c, t.workers.c, t.agents.c
    g, s = t.gate_units.c, t.submissions.c
    judged = (v.passed, v.at, v.detail)
    onboarding = (
        select(
            o.task_run_id, o.agent_id, null().label("unit_id"), o.worker_id, w.worker_name, o.status, o.started_at,
            o.submitted_at, o.data.label("answer"), null().label("row"), v.gate, *judged,
        )
        .join(t.workers, w.worker_id == o.worker_id)
        .outerjoin(t.verdicts, v.agent_id == o.agent_id)
        .where(o.task_run_id.in_(run_ids))
    )  # fmt: skip
    unit = (
        a.task_run_id, a.agent_id, a.unit_id, a.worker_id, w.worker_name, a.status, a.accepted_at.label("started_at"),
        t.RECEIVED_AT.label("submitted_at"), s.data.label("answer"),
    )  # fmt: skip
    units = (
        select(*unit, g.row, g.gate, *judged)
        .join(t.workers, w.worker_id == a.worker_id)
        .join(t.gate_units, g.unit_id == a.unit_id)
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .outerjoin(t.verdicts, and_(v.agent_id == a.agent_id, v.gate == g.gate))
        .where(a.task_run_id.in_(run_ids))
    )
    checks = (
        select(*unit, null().label("row"), v.gate, *judged)
        .join(t.workers, w.worker_id == a.worker_id)
        .join(t.verdicts, v.agent_id == a.agent_id)
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .where(a.task_run_id.in_(run_ids), v.gate.in_([Gate.ATTENTION.value, Gate.TIME.value]))
    )
    rows = [dict(row) for query in (onboarding, units, checks) for row in connection.execute(query).mappings()]
    for row in rows:
        row["gate"] = row["gate"] or Gate.ONBOARDING.value
        row["passed"] = None if row["passed"] is None else bool(row["passed"])
        for name in ("answer", "row", "detail"):
            row[name] = None if row[name] is None else json.loads(row[name])
    rows = [one for row in rows for one in _by_finding(row)]
    return sorted(rows, key=lambda row: (row["started_at"], row["agent_id"], row["gate"]))


def _by_finding(row: JSONObject) -> list[JSONObject]:
    """Return a row for each thing that was found, where several checks share a verdict."""
    if row["detail"] is None:
        return [row]
    found = split_findings(row["gate"], row["passed"], row["detail"])
    return [{**row, "gate": one.gate, "passed": one.passed, "detail": one.detail} for one in found]
