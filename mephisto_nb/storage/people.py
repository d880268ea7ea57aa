"""People in SQL: workers, those who ask them, qualifications, and acts on them, each in one transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConflictError
from mephisto_nb.model.people import OF_BLOCKS, OF_GRANTS, UNMADE, Act, ActKind, ActOutcome, Met, WorkerKey
from mephisto_nb.model.records import Qualification, Requester, Worker, WorkerFacts
from mephisto_nb.model.states import UNIT_ANSWERED, UnitStatus
from mephisto_nb.ports.database import PeopleStore
from mephisto_nb.rules.people import events_of, weigh
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.apply import write_events
from mephisto_nb.storage.connect import Connections
from mephisto_nb.storage.tables import INSERT, dump, fetch_rows, find_or_add, in_chunks, make_key, make_storable
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.ids import new_id

#: How often an act is tried again.
_RETRIES = 2
_DOING = {
    ActKind.CREATE: "Storing a qualification",
    ActKind.DESCRIBE: "Describing a qualification",
    ActKind.DELETE: "Deleting a qualification",
    ActKind.GRANT: "Granting a qualification",
    ActKind.REVOKE: "Revoking a qualification",
    ActKind.BLOCK: "Blocking workers",
    ActKind.UNBLOCK: "Unblocking workers",
    ActKind.NOTE: "Noting something about workers",
    ActKind.WITHDRAW: "Withdrawing a note",
}
_ONE_AT_A_TIME = 5_318_008_301
_HELD = [status.value for status in UNIT_ANSWERED | {UnitStatus.ASSIGNED}]

_g, _q, _w, _e = t.granted_qualifications.c, t.qualifications.c, t.workers.c, t.events.c
_REVOKE = delete(t.granted_qualifications).where(
    _g.worker_id == bindparam("worker"), _g.qualification_id == bindparam("qualification")
)
_BLOCK = update(t.workers).where(_w.worker_id == bindparam("worker")).values(blocked=bindparam("is_blocked"))


class SQLPeople(PeopleStore):
    """The part of a database that keeps people and qualifications."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    # -- writing

    def get_or_create_requester(self, name: str, provider_type: str) -> Requester:
        """Find the requester of this name and provider, or make it."""
        key = {"requester_name": name, "provider_type": provider_type}
        with self._connections.writing("Storing a requester") as connection:
            row = find_or_add(connection, t.requesters, key, {"requester_id": new_id()})
        return Requester(row.requester_id, row.requester_name, row.provider_type)

    def create_qualification(self, name: str, description: str = "") -> Qualification:
        """Make a qualification, or find the one of this name."""
        new = {"qualification_id": new_id(), "description": description}
        with self._connections.writing("Storing a qualification") as connection:
            row = find_or_add(connection, t.qualifications, {"qualification_name": name}, new)
        return Qualification(row.qualification_id, row.qualification_name, row.description)

    def foresee(self, act: Act) -> ActOutcome:
        """Return what an act would do now."""
        with self._connections.reading("Looking at what would change") as connection:
            return weigh(act, _meet(connection, act, lock=False), steady_time.now(), new_id)

    def perform(self, act: Act, at: float | None = None) -> ActOutcome:
        """Do an act, whole or not at all; again where a step of a run has made the same worker at the same moment."""
        for _ in range(_RETRIES):
            try:
                return self._perform(act, steady_time.now() if at is None else at)
            except ConflictError as error:
                if not isinstance(error.__cause__, IntegrityError):
                    raise
        return self._perform(act, steady_time.now() if at is None else at)

    def _perform(self, act: Act, at: float) -> ActOutcome:
        with self._connections.writing(_DOING[act.kind]) as connection:
            outcome = weigh(act, _meet(connection, act, lock=True), at, new_id)
            _write(connection, outcome)
            return outcome

    # -- reading

    def get_worker_facts(
        self, task_run_id: str, provider_type: str, worker_names: Sequence[str]
    ) -> dict[str, WorkerFacts]:
        """Return what the rules need to know of workers, by name."""
        with self._connections.reading("Looking up workers") as connection:
            workers = _find_workers(connection, provider_type, worker_names)
            ids = [worker.worker_id for worker in workers.values()]
            grants, elsewhere = _find_grants(connection, ids), _count_elsewhere(connection, task_run_id, ids)
            seen = _find_rows_seen(connection, task_run_id, ids)
        facts = {
            stored: WorkerFacts(worker, grants.get(id_, {}), elsewhere.get(id_, 0), seen.get(id_, frozenset()))
            for stored, worker, id_ in ((stored, worker, worker.worker_id) for stored, worker in workers.items())
        }
        return {name: facts[stored] for name in worker_names if (stored := make_key(name)) in facts}

    def read_qualifications(self) -> list[JSONObject]:
        """Return one row a qualification, by name, with how many hold it and what values they have."""
        query = (
            select(
                _q.qualification_id, _q.qualification_name, _q.description, func.count(_g.worker_id).label("holders"),
                func.min(_g.value).label("lowest"), func.max(_g.value).label("highest"),
                func.max(_g.granted_at).label("last_granted_at"),
            )
            .outerjoin(t.granted_qualifications, _g.qualification_id == _q.qualification_id)
            .group_by(_q.qualification_id, _q.qualification_name, _q.description)
            .order_by(_q.qualification_name)
        )  # fmt: skip
        with self._connections.reading("Reading qualifications") as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def read_grants(self) -> Sequence[Sequence[Any]]:
        """Return one row a grant, the latest first."""
        query = (
            select(
                _w.worker_id, _w.worker_name, _w.provider_type, _q.qualification_id, _q.qualification_name, _g.value,
                _g.granted_at,
            )
            .join(t.granted_qualifications, _g.worker_id == _w.worker_id)
            .join(t.qualifications, _q.qualification_id == _g.qualification_id)
            .order_by(_g.granted_at.desc(), _w.worker_name)
        )  # fmt: skip
        with self._connections.reading("Reading grants") as connection:
            return fetch_rows(connection, query)

    def read_values(self) -> Mapping[str, Mapping[str, int]]:
        """Return, by worker's id, the values of the qualifications that they hold, by name."""
        qualifications = select(_q.qualification_id, _q.qualification_name).order_by(_q.qualification_name)
        grants = select(_g.worker_id, _g.qualification_id, _g.value)
        found: dict[str, dict[str, int]] = defaultdict(dict)
        with self._connections.reading("Reading grants") as connection:
            names = dict(fetch_rows(connection, qualifications))
            for worker_id, qualification_id, value in fetch_rows(connection, grants):
                found[worker_id][names[qualification_id]] = value
        return found

    def read_workers(self) -> Sequence[Sequence[Any]]:
        """Return one row a worker, by name."""
        query = select(_w.worker_id, _w.worker_name, _w.provider_type, _w.blocked, _w.created_at, _w.is_simulated)
        with self._connections.reading("Reading workers") as connection:
            return fetch_rows(connection, query.order_by(_w.worker_name, _w.provider_type))

    def find_gone_workers(self) -> set[str]:
        """Return the ids of workers whom an act made that was undone, and of whom there is nothing else."""
        made = _e.detail.contains(dump({UNMADE: True})[1:-1], autoescape=True)
        unmade = select(_e.subject_id).where(t.OF_PEOPLE, made)
        noted = select(_e.subject_id).where(t.OF_PEOPLE, _e.after == "noted")
        query = select(_w.worker_id).where(_w.worker_id.in_(unmade), ~_w.blocked, _w.worker_id.not_in(noted))
        for table in (t.granted_qualifications, t.agents, t.onboarding_agents, t.visits, t.payments):
            query = query.where(~exists().where(table.c.worker_id == _w.worker_id))
        with self._connections.reading("Reading workers") as connection:
            return {row[0] for row in connection.execute(query)}

    def read_work(self) -> Sequence[Sequence[Any]]:
        """Return one row a worker at a unit."""
        a, u, s = t.agents.c, t.units.c, t.submissions.c
        query = (
            select(
                a.task_run_id, a.worker_id, a.status, a.accepted_at, t.RECEIVED_AT, u.status, u.pay_amount,
                t.task_runs.c.currency, a.visit_id,
            )
            .join(t.task_runs, t.task_runs.c.task_run_id == a.task_run_id)
            .outerjoin(t.submissions, s.agent_id == a.agent_id)
            .outerjoin(t.units, and_(u.unit_id == a.unit_id, u.agent_id == a.agent_id))
        )  # fmt: skip
        with self._connections.reading("Reading who did what") as connection:
            return fetch_rows(connection, query)

    def read_people_events(
        self,
        *,
        worker_id: str | None = None,
        qualification_name: str | None = None,
        notes: bool = False,
        newest: int | None = None,
    ) -> list[JSONObject]:
        """Return what happened to people, oldest first."""
        query = _select_people_events(worker_id, qualification_name, notes).limit(newest)
        with self._connections.reading("Reading what happened to people") as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            row["detail"] = json.loads(row["detail"]) if row["detail"] else {}
        if qualification_name is not None:  # databases may take capitals for small letters
            rows = [row for row in rows if row["detail"].get("qualification") == qualification_name]
        return rows[::-1]

    def find_people_news(self, after: int) -> tuple[int, bool]:
        """Return how far the event log goes, and whether any of it after the row `after` is about people."""
        with self._connections.reading("Looking for news of people") as connection:
            last = connection.execute(select(func.max(_e.event_id))).scalar() or 0
            if last <= after:
                return last, False
            query = select(_e.event_id).where(_e.event_id > after, t.OF_PEOPLE).limit(1)
            return last, connection.execute(query).first() is not None


def _select_people_events(worker_id: str | None, qualification_name: str | None, notes: bool) -> Select[Any]:
    query = select(
        _e.event_id, _e.task_run_id, _e.at, _e.subject, _e.subject_id, _e.before, _e.after, _e.why, _e.who, _e.detail
    )
    query = query.where(t.OF_PEOPLE).order_by(_e.event_id.desc())
    if worker_id is not None:
        query = query.where(_e.subject_id == worker_id)
    if qualification_name is not None:
        query = query.where(_e.detail.contains(dump({"qualification": qualification_name})[1:-1], autoescape=True))
    if notes:
        query = query.where(or_(_e.before == "noted", _e.after == "noted"))
    return query


# -- what is known of workers who arrive


def _find_workers(connection: Connection, provider_type: str, names: Sequence[str]) -> dict[str, Worker]:
    found: dict[str, Worker] = {}
    for some in in_chunks(names):
        query = select(_w.worker_id, _w.worker_name, _w.blocked, _w.is_simulated).where(
            _w.provider_type == provider_type, _w.worker_name.in_(some)
        )
        for id_, name, blocked, simulated in connection.execute(query):
            found[name] = Worker(id_, name, provider_type, bool(blocked), bool(simulated))
    return found


def _find_grants(connection: Connection, worker_ids: list[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for ids in in_chunks(worker_ids):
        query = (
            select(_g.worker_id, _q.qualification_name, _g.value)
            .join(t.qualifications, _q.qualification_id == _g.qualification_id)
            .where(_g.worker_id.in_(ids))
        )
        for worker_id, name, value in connection.execute(query):
            found[worker_id][name] = value
    return found


def _count_elsewhere(connection: Connection, task_run_id: str, worker_ids: list[str]) -> dict[str, int]:
    """Count the units that workers hold or have answered in other runs of the same task."""
    u, r = t.units.c, t.task_runs.c
    same_task = select(r.task_id).where(r.task_run_id == task_run_id).scalar_subquery()
    found: dict[str, int] = {}
    for ids in in_chunks(worker_ids):
        query = (
            select(u.worker_id, func.count())
            .join(t.task_runs, r.task_run_id == u.task_run_id)
            .where(u.worker_id.in_(ids), u.status.in_(_HELD))
            .where(r.task_id == same_task, u.task_run_id != task_run_id, u.unit_index >= 0)
            .group_by(u.worker_id)
        )
        found.update((worker_id, count) for worker_id, count in connection.execute(query))
    return found


def _find_rows_seen(connection: Connection, task_run_id: str, worker_ids: list[str]) -> dict[str, frozenset[str]]:
    """Find the keys of the rows that workers were shown at gates, in all runs of the same task."""
    g, r = t.gate_units.c, t.task_runs.c
    same_task = select(r.task_id).where(r.task_run_id == task_run_id).scalar_subquery()
    found: dict[str, set[str]] = {}
    for ids in in_chunks(worker_ids):
        query = (
            select(g.worker_id, g.row_key)
            .join(t.task_runs, r.task_run_id == g.task_run_id)
            .where(g.worker_id.in_(ids), r.task_id == same_task)
        )
        for worker_id, key in connection.execute(query):
            found.setdefault(worker_id, set()).add(key)
    return {worker_id: frozenset(keys) for worker_id, keys in found.items()}


# -- what an act meets


def _meet(connection: Connection, act: Act, *, lock: bool) -> Met:
    """Read what an act is about; with `lock`, nobody else changes it until the transaction ends.

    SQLite has one writer at a time and needs no locks; SQLAlchemy leaves them out there. Steps of runs may go on to
    give units to workers meanwhile (FOR NO KEY UPDATE).
    """
    met = Met()
    if lock and connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))  # acts on people wait for each other
    if act.qualification_name:
        query = select(t.qualifications).where(t.qualifications.c.qualification_name == act.qualification_name)
        row = connection.execute(query.with_for_update(key_share=True) if lock else query).first()
        if row is not None:
            met.qualification = Qualification(row.qualification_id, row.qualification_name, row.description)
    if act.kind is ActKind.DELETE:
        _meet_holders(connection, met)
        return met
    for given, worker_id, blocked in _find_met(connection, act.workers, lock=lock):
        met.worker_ids[given] = worker_id
        if act.kind in OF_BLOCKS:
            met.values[given] = int(blocked)
    if act.kind in OF_GRANTS and met.qualification is not None:
        _meet_values(connection, met, met.qualification.qualification_id, lock=lock)
    return met


def _find_met(
    connection: Connection, workers: Sequence[WorkerKey], *, lock: bool
) -> Iterator[tuple[WorkerKey, str, bool]]:
    by_provider: dict[str, dict[str, list[WorkerKey]]] = defaultdict(lambda: defaultdict(list))
    for worker in workers:
        by_provider[worker.provider_type][make_key(worker.worker_name)].append(worker)
    for provider_type, given in by_provider.items():
        for names in in_chunks(sorted(given)):
            query = select(_w.worker_name, _w.worker_id, _w.blocked)
            query = query.where(_w.provider_type == provider_type, _w.worker_name.in_(names)).order_by(_w.worker_id)
            for name, worker_id, blocked in connection.execute(
                query.with_for_update(key_share=True) if lock else query
            ):
                for worker in given[name]:
                    yield worker, worker_id, blocked


def _meet_values(connection: Connection, met: Met, qualification_id: str, *, lock: bool) -> None:
    by_id = defaultdict(list)
    for worker, worker_id in met.worker_ids.items():
        by_id[worker_id].append(worker)
    for ids in in_chunks(sorted(by_id)):
        query: Select[Any] = select(_g.worker_id, _g.value)
        query = query.where(_g.qualification_id == qualification_id, _g.worker_id.in_(ids))
        for worker_id, value in connection.execute(query.with_for_update(key_share=True) if lock else query):
            met.values.update(dict.fromkeys(by_id[worker_id], value))


def _meet_holders(connection: Connection, met: Met) -> None:
    if met.qualification is None:
        return
    query = select(_w.worker_name, _w.provider_type, _w.worker_id, _g.value).join(
        t.granted_qualifications, _g.worker_id == _w.worker_id
    )
    query = query.where(_g.qualification_id == met.qualification.qualification_id)
    for name, provider_type, worker_id, value in connection.execute(query):
        worker = WorkerKey(name, provider_type)
        met.worker_ids[worker], met.values[worker] = worker_id, value


# -- what an act changes


def _write(connection: Connection, outcome: ActOutcome) -> None:
    """Write what an act changes, and its rows of the event log."""
    _add_workers(connection, outcome)
    if outcome.now is not None and outcome.now != outcome.was:
        _write_qualification(connection, outcome.now, is_new=outcome.was is None)
    if outcome.act.kind in OF_GRANTS:
        _write_grants(connection, outcome)
    elif outcome.act.kind in OF_BLOCKS and outcome.changes:
        rows = [{"worker": change.worker_id, "is_blocked": bool(change.after)} for change in outcome.changes]
        connection.execute(_BLOCK, rows)
    if outcome.was is not None and outcome.now is None:
        connection.execute(delete(t.qualifications).where(_q.qualification_id == outcome.was.qualification_id))
    write_events(connection, None, events_of(outcome))


def _add_workers(connection: Connection, outcome: ActOutcome) -> None:
    new = [change for change in outcome.changes if change.is_new]
    rows = [
        {
            "worker_id": change.worker_id,
            "worker_name": change.worker.worker_name,
            "provider_type": change.worker.provider_type,
            "blocked": False,
            "created_at": outcome.at,
        }
        for change in new
    ]
    if rows:
        connection.execute(insert(t.workers), rows)


def _write_qualification(connection: Connection, qualification: Qualification, *, is_new: bool) -> None:
    q = t.qualifications
    if is_new:
        row = {"qualification_id": qualification.qualification_id, "qualification_name": qualification.name}
        connection.execute(insert(q), row | {"description": make_storable(qualification.description)})
    else:
        ours = q.c.qualification_id == qualification.qualification_id
        connection.execute(update(q).where(ours).values(description=qualification.description))


def _write_grants(connection: Connection, outcome: ActOutcome) -> None:
    known = outcome.now or outcome.was
    if known is None:
        return
    kept = [change for change in outcome.changes if change.after is not None]
    gone = [
        {"worker": c.worker_id, "qualification": known.qualification_id} for c in outcome.changes if c.after is None
    ]
    if gone:
        connection.execute(_REVOKE, gone)
    if kept:
        statement = INSERT[connection.dialect.name](t.granted_qualifications)
        new = {"value": statement.excluded.value, "granted_at": statement.excluded.granted_at}
        statement = statement.on_conflict_do_update(index_elements=["worker_id", "qualification_id"], set_=new)
        about = {"qualification_id": known.qualification_id, "granted_at": outcome.at}
        connection.execute(statement, [{**about, "worker_id": c.worker_id, "value": c.after} for c in kept])
