"""Acts on people in SQL: what an act meets, and how what it changes is written; one transaction an act."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update

from mephisto_nb.model.people import OF_BLOCKS, OF_GRANTS, Act, ActKind, Met, Outcome, WorkerKey
from mephisto_nb.model.records import Qualification
from mephisto_nb.rules.people import events_of, weigh
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.apply import write_events
from mephisto_nb.storage.people import INSERT
from mephisto_nb.storage.values import make_key, make_storable
from mephisto_nb.utils.ids import new_id

#: Databases limit how many values one statement may hold.
_CHUNK = 500
_ONE_AT_A_TIME = 5_318_008_301

_g = t.granted_qualifications
_REVOKE = delete(_g).where(_g.c.worker_id == bindparam("worker"), _g.c.qualification_id == bindparam("qualification"))
_BLOCK = update(t.workers).where(t.workers.c.worker_id == bindparam("worker")).values(blocked=bindparam("is_blocked"))


def foresee(connection: Connection, act: Act, at: float) -> Outcome:
    """Say what an act would do now; writes nothing."""
    return weigh(act, _meet(connection, act, lock=False), at, new_id)


def perform(connection: Connection, act: Act, at: float) -> Outcome:
    """Do an act inside the caller's transaction.

    Raises
    ------
    ConflictError
        It undoes another one, and somebody has changed the same things since.
    """
    outcome = weigh(act, _meet(connection, act, lock=True), at, new_id)
    _add_workers(connection, outcome)
    if outcome.now is not None and outcome.now != outcome.was:
        _write_qualification(connection, outcome.now, is_new=outcome.was is None)
    if act.kind in OF_GRANTS:
        _write_grants(connection, outcome)
    elif act.kind in OF_BLOCKS and outcome.changes:
        rows = [{"worker": change.worker_id, "is_blocked": bool(change.after)} for change in outcome.changes]
        connection.execute(_BLOCK, rows)
    if outcome.was is not None and outcome.now is None:
        q = t.qualifications
        connection.execute(delete(q).where(q.c.qualification_id == outcome.was.qualification_id))
    write_events(connection, None, events_of(outcome))
    return outcome


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
    for given, worker_id, blocked in _find(connection, act.workers, lock=lock):
        met.worker_ids[given] = worker_id
        if act.kind in OF_BLOCKS:
            met.values[given] = int(blocked)
    if act.kind in OF_GRANTS and met.qualification is not None:
        _meet_values(connection, met, met.qualification.qualification_id, lock=lock)
    return met


def _find(connection: Connection, workers: Sequence[WorkerKey], *, lock: bool) -> Iterator[tuple[WorkerKey, str, bool]]:
    w = t.workers.c
    by_provider: dict[str, dict[str, list[WorkerKey]]] = defaultdict(lambda: defaultdict(list))
    for worker in workers:
        by_provider[worker.provider_type][make_key(worker.worker_name)].append(worker)
    for provider_type, given in by_provider.items():
        for names in _chunks(sorted(given)):
            query = select(w.worker_name, w.worker_id, w.blocked)
            query = query.where(w.provider_type == provider_type, w.worker_name.in_(names)).order_by(w.worker_id)
            for name, worker_id, blocked in connection.execute(
                query.with_for_update(key_share=True) if lock else query
            ):
                for worker in given[name]:
                    yield worker, worker_id, blocked


def _meet_values(connection: Connection, met: Met, qualification_id: str, *, lock: bool) -> None:
    by_id = defaultdict(list)
    for worker, worker_id in met.worker_ids.items():
        by_id[worker_id].append(worker)
    for ids in _chunks(sorted(by_id)):
        query: Select[Any] = select(_g.c.worker_id, _g.c.value)
        query = query.where(_g.c.qualification_id == qualification_id, _g.c.worker_id.in_(ids))
        for worker_id, value in connection.execute(query.with_for_update(key_share=True) if lock else query):
            met.values.update(dict.fromkeys(by_id[worker_id], value))


def _meet_holders(connection: Connection, met: Met) -> None:
    if met.qualification is None:
        return
    w = t.workers.c
    query = select(w.worker_name, w.provider_type, w.worker_id, _g.c.value).join(_g, _g.c.worker_id == w.worker_id)
    query = query.where(_g.c.qualification_id == met.qualification.qualification_id)
    for name, provider_type, worker_id, value in connection.execute(query):
        worker = WorkerKey(name, provider_type)
        met.worker_ids[worker], met.values[worker] = worker_id, value


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


# -- what it writes


def _add_workers(connection: Connection, outcome: Outcome) -> None:
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


def _write_grants(connection: Connection, outcome: Outcome) -> None:
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
        statement = INSERT[connection.dialect.name](_g)
        new = {"value": statement.excluded.value, "granted_at": statement.excluded.granted_at}
        statement = statement.on_conflict_do_update(index_elements=["worker_id", "qualification_id"], set_=new)
        about = {"qualification_id": known.qualification_id, "granted_at": outcome.at}
        connection.execute(statement, [{**about, "worker_id": c.worker_id, "value": c.after} for c in kept])
