"""What must be true whatever broke: the database and the inbox are held against what workers were told."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mephisto_nb.model.records import Agent, Event, RunSnapshot, Unit
from mephisto_nb.model.states import (
    AGENT_ACTIVE,
    AGENT_LEFT,
    AGENT_TRANSITIONS,
    UNIT_OPEN,
    UNIT_TRANSITIONS,
    AgentStatus,
    UnitStatus,
)
from mephisto_nb.storage.sql_database import SQLDatabase
from tests.faults.crowd import Told
from tests.faults.plan import Plan


@dataclass
class Facts:
    """What a run has left behind: its rows, its results as researchers get them, its log, and the inbox."""

    snapshot: RunSnapshot
    results: list[dict[str, Any]]
    events: list[Event]
    metadata: Counter[str]
    live_updates: dict[str, list[tuple[str, str]]]
    inbox: list[tuple[int, str]]

    @property
    def units(self) -> list[Unit]:
        return self.snapshot.units

    @property
    def agents(self) -> dict[str, Agent]:
        return {agent.agent_id: agent for agent in self.snapshot.agents}

    def path(self, subject: str, subject_id: str) -> list[Event]:
        """Return the changes of state of one unit or agent."""
        events = (event for event in self.events if event.subject == subject and event.subject_id == subject_id)
        return [event for event in events if event.after is not None]


def read_facts(database_url: str, run_directory: Path) -> Facts:
    """Read what a run has left behind."""
    database, run = SQLDatabase(database_url), run_directory.name
    try:
        with database.connections.reader.connect() as connection:
            query = "SELECT m.agent_id FROM agent_metadata m JOIN agents a ON a.agent_id = m.agent_id"
            metadata = Counter(row[0] for row in connection.exec_driver_sql(query))
            query = "SELECT agent_id, sender, data FROM live_updates ORDER BY id"
            said: dict[str, list[tuple[str, str]]] = {}
            for agent_id, sender, data in connection.exec_driver_sql(query):
                said.setdefault(agent_id, []).append((sender, json.loads(data)["update_id"]))
        events = list(database.runs.read_events([run]))
        facts = Facts(database.runs.load_run(run), database.runs.read_results([run]), events, metadata, said, [])
    finally:
        database.close()
    with contextlib.closing(sqlite3.connect(run_directory / "inbox.db")) as inbox:
        facts.inbox = inbox.execute("SELECT seq, packet_type FROM inbox ORDER BY seq").fetchall()
    return facts


def check(facts: Facts, told: Told, plan: Plan) -> list[str]:
    """Return what is not as it must be."""
    checks = (_answers(facts, told), _holders(facts), _paths(facts), _workers(facts, told))
    more = (_pages(facts, told, plan), _talks(facts, told), _end(facts, plan), _pay(facts))
    return [problem for found in (*checks, *more) for problem in found] + told.errors


def _answers(facts: Facts, told: Told) -> Iterator[str]:
    """Whatever was received is there, once, as it was sent; and nothing else is."""
    stored: dict[str, list[Any]] = {}
    for row in facts.results:
        stored.setdefault(row["agent_id"], []).append(row["data"])
    for agent_id, received in told.received.items():
        found = stored.get(agent_id, [])
        if len(found) != 1:
            yield f"lost or doubled: agent {agent_id} was told 'received', and has {len(found)} answers"
        first = [answer for answer, is_repetition in received if not is_repetition]
        if found and len(first) == 1 and found[0] != first[0]:
            yield f"changed: agent {agent_id} was told that {first[0]} is received, but {found[0]} is stored"
        if len(first) > 1:
            yield f"taken twice: agent {agent_id} was told {len(first)} times that an answer is the first"
    for agent_id, found in stored.items():
        if len(found) != 1 or found[0] not in told.sent.get(agent_id, []):
            yield f"never sent: agent {agent_id} has {found}, having sent {told.sent.get(agent_id)}"


def _holders(facts: Facts) -> Iterator[str]:
    """A unit at work is held by one agent at work, and the reverse."""
    agents = facts.agents
    for unit in facts.units:
        holder = agents.get(unit.agent_id or "")
        if unit.status is UnitStatus.ASSIGNED and (holder is None or holder.status not in AGENT_ACTIVE):
            yield f"held by nobody: unit {unit.unit_id} is assigned to {holder}"
        if unit.status is UnitStatus.COMPLETED and (holder is None or holder.status is not AgentStatus.COMPLETED):
            yield f"answered by nobody: unit {unit.unit_id} is completed by {holder}"
        if holder is not None and holder.unit_id != unit.unit_id:
            yield f"unit {unit.unit_id} says agent {holder.agent_id}, which says unit {holder.unit_id}"
    held = Counter(agent.unit_id for agent in agents.values() if agent.status in (*AGENT_ACTIVE, AgentStatus.COMPLETED))
    yield from (f"held by {number}: unit {unit_id}" for unit_id, number in held.items() if number > 1)
    by_id = {unit.unit_id: unit for unit in facts.units}
    for agent in agents.values():
        if agent.status in AGENT_ACTIVE and by_id[agent.unit_id].agent_id != agent.agent_id:
            yield f"agent {agent.agent_id} is at work on unit {agent.unit_id}, which does not know it"


def _paths(facts: Facts) -> Iterator[str]:
    """The log of each unit and agent is a way through its table of transitions, and ends where its row is."""
    for unit in facts.units:
        path = [(event.before, event.after) for event in facts.path("unit", unit.unit_id)]
        yield from _path("unit", unit.unit_id, path, None, unit.status, UNIT_TRANSITIONS)
    for agent in facts.snapshot.agents:
        path = [(event.before, event.after) for event in facts.path("agent", agent.agent_id)]
        yield from _path("agent", agent.agent_id, path, AgentStatus.NONE, agent.status, AGENT_TRANSITIONS)


def _path(what: str, id_: str, path: list[Any], start: Any, end: Any, table: Any) -> Iterator[str]:
    at = start
    for before, after in path:
        allowed = after == UnitStatus.CREATED if at is None else after in table[type(end)(at)]
        if before != at or not allowed:
            yield f"illegal: {what} {id_} goes from {before} to {after}, being {at}"
        at = after
    if at != end:
        yield f"{what} {id_} is {end}, but its log ends with {at}"


def _workers(facts: Facts, told: Told) -> Iterator[str]:
    """Nobody has two units of one assignment, save where a late answer was taken besides."""
    late = {event.subject_id for event in facts.events if event.why.startswith("sent in time, while the run had it")}
    held: dict[tuple[str, str], list[str]] = {}
    for unit in facts.units:
        if unit.worker_id is not None and unit.status not in (UnitStatus.LAUNCHED, UnitStatus.EXPIRED):
            held.setdefault((unit.worker_id, unit.assignment_id), []).append(str(unit.agent_id))
    for (worker_id, assignment_id), agents in held.items():
        if len(set(agents) - late) > 1 or (len(agents) > 1 and not late & set(agents)):
            yield f"worker {worker_id} has {len(agents)} units of assignment {assignment_id}"
    for agent_id in told.agents:
        if agent_id not in facts.agents:
            yield f"a page was given agent {agent_id}, which does not exist"


def _pages(facts: Facts, told: Told, plan: Plan) -> Iterator[str]:
    """Pages find their agents again, and nobody is sent away who was in time and sent no second, other answer."""
    left = {event.subject_id for event in facts.events if event.subject == "agent" and event.after in set(AGENT_LEFT)}
    for agent_id, found in told.reloads.items():
        if agent_id not in left and set(found) != {agent_id}:
            yield f"a page of agent {agent_id} that was reloaded got {found}"
    kept = {row["agent_id"]: row["data"] for row in facts.results}
    for agent_id, refused in told.refused.items():
        for answer, why in refused:
            is_second = "has arrived already" in why and agent_id in kept and answer != kept[agent_id]
            if agent_id not in left and not is_second:
                yield f"agent {agent_id} was sent away: {why}"
    if "clock_jumps" not in plan.kinds:
        deadlines = {agent.agent_id: agent.deadline or 0.0 for agent in facts.snapshot.agents}
        for event in facts.events:
            if event.after == AgentStatus.TIMEOUT and event.at < deadlines[event.subject_id]:
                yield f"agent {event.subject_id} was timed out {deadlines[event.subject_id] - event.at:.3f} s early"
    for agent_id, statuses in told.statuses.items():
        if set(statuses) - {AgentStatus.IN_TASK} and agent_id not in left | set(told.received):
            yield f"the page of agent {agent_id} was told {statuses}"
    for agent_id, sent in told.metadata.items():
        if facts.metadata[agent_id] < len(sent):
            yield f"metadata of agent {agent_id} were received and are not there"


def _talks(facts: Facts, told: Told) -> Iterator[str]:
    """All that was said is recorded once and in order; what pages heard is recorded, and came in that order."""
    for agent_id, talk in told.talks.items():
        record = facts.live_updates.get(agent_id, [])
        said = [update_id for sender, update_id in record if sender == "worker"]
        if said[: len(talk.said)] != talk.said or len(said) > len(talk.said) + 1 or len(set(said)) < len(said):
            yield f"agent {agent_id} said {talk.said}, and {said} is recorded"
        answers = [update_id for sender, update_id in record if sender == "operator"]
        if [one for one in answers if one in talk.heard] != talk.heard:
            yield f"the page of agent {agent_id} heard {talk.heard}, and {answers} is recorded"
        if len(set(answers)) != len(answers):
            yield f"the code of agent {agent_id} is recorded to have said {answers}"


def _end(facts: Facts, plan: Plan) -> Iterator[str]:
    """The run is over: nothing is open, nothing waits in the inbox, and what was asked for was done."""
    if facts.snapshot.run.ended_at is None:
        yield "the run has not ended"
    yield from (f"unit {unit.unit_id} is left {unit.status}" for unit in facts.units if unit.status in UNIT_OPEN)
    waiting = [seq for seq, kind in facts.inbox if seq > facts.snapshot.last_seq and kind == "submit_unit"]
    if waiting:
        yield f"answers {waiting} were never taken out of the inbox"
    done = sum(unit.status is UnitStatus.COMPLETED for unit in facts.units)
    if plan.ending == "complete" and "clock_jumps" not in plan.kinds and done < plan.units:
        yield f"only {done} of {plan.units} units were answered"


def _pay(facts: Facts) -> Iterator[str]:
    """As many units are to be paid as there are answers, each for one agent."""
    paid = [unit.agent_id for unit in facts.units if unit.status is UnitStatus.COMPLETED]
    if len(set(paid)) != len(paid) or set(paid) != {row["agent_id"] for row in facts.results}:
        yield f"{len(paid)} units are to be paid for {len(facts.results)} answers"
    if len(facts.results) != len({json.dumps(row["data"], sort_keys=True) for row in facts.results}):
        yield "one answer is there twice"
