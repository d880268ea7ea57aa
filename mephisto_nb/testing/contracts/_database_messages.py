"""The messages of a database; and whatever people write can be stored: it must neither be lost nor stop a run."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb._typing import JSON
from mephisto_nb.model import changes as c
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, make_event


class MessagesContract(DatabaseFixtures):
    """`MessageStore`."""

    def test_live_messages_come_back_in_the_order_of_saying(self, database: Database, run: SampleRun) -> None:
        ann, ben = self._two_who_talk(run)
        said: list[tuple[Agent, str, dict[str, Any], float]] = [
            (ann, "worker", {"n": 1}, 7.0),
            (ben, "worker", {"n": 2}, 6.0),
            (ann, "operator", {"n": [3]}, 5.0),
        ]
        run.commit(*(c.AddLiveUpdate(agent.agent_id, who, data, at) for agent, who, data, at in said))
        rows = database.messages.read_live_updates([run.id])
        found = [(row["agent_id"], row["sender"], row["data"], row["at"]) for row in rows]
        assert found == [(agent.agent_id, who, data, at) for agent, who, data, at in said]
        assert database.messages.read_live_updates([run.id], agent_ids=[ann.agent_id, "nobody"]) == [rows[0], rows[2]]
        # However many are asked about, and in whatever order: more than one statement can name.
        many = [ben.agent_id, *(f"nobody {n}" for n in range(1000)), ann.agent_id]
        assert database.messages.read_live_updates([run.id], agent_ids=many) == rows
        assert (
            database.messages.read_live_updates(["another"])
            == database.messages.read_live_updates([run.id], agent_ids=[])
            == []
        )

    def test_a_live_message_comes_back_with_where_and_by_whom(self, database: Database, run: SampleRun) -> None:
        _, ben = self._two_who_talk(run)
        run.commit(c.AddLiveUpdate(ben.agent_id, "worker", {"text": "Hello"}, 7.0))
        (row,) = database.messages.read_live_updates([run.id])
        (unit,) = [unit for unit in database.runs.read_units([run.id]) if unit["agent_id"] == ben.agent_id]
        shared = ("task_run_id", "assignment_id", "assignment_index", "unit_index", "unit_id", "worker_id")
        assert {name: row[name] for name in shared} == {name: unit[name] for name in shared}
        assert row["worker_name"] == "ben"

    @staticmethod
    def _two_who_talk(run: SampleRun) -> list[Agent]:
        units = run.add_units(2)
        return [run.add_agent(unit, run.add_worker(name)) for name, unit in zip(("ann", "ben"), units, strict=True)]

    def test_metadata_comes_back_with_who_sent_it(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({}, worker_name="ann")
        for number in range(2):
            run.commit(c.AddMetadata(agent.agent_id, {"metadata": {"n": number}}, 1000.0 - number))
        first, second = database.messages.read_metadata([run.id])
        ids = {name: first[name] for name in ("task_run_id", "agent_id", "unit_id", "worker_id", "worker_name")}
        owner = {"task_run_id": run.id, "agent_id": agent.agent_id, "unit_id": agent.unit_id}
        assert ids == {**owner, "worker_id": agent.worker_id, "worker_name": "ann"}
        assert [(row["data"]["metadata"]["n"], row["received_at"]) for row in (first, second)] == [
            (0, 1000.0),
            (1, 999.0),
        ]
        assert first["id"] != second["id"]


_HOSTILE = {
    "not ASCII": "Žluťoučký kůň 猫 \U0001f431 \u202e",
    "SQL": "'; DROP TABLE units; --",
    "markup": "<script>alert(1)</script>%s{}\\",
    "NUL": "a\0b",
    "half of a pair": "a\ud83d",
    "halves the wrong way round": "\udc31\ud83d",
    "line ends": "a\r\nb\x1b[31m\u2028",
    "empty": "",
}
#: Fit for an index only if it is shortened, and too random to be compressed below its limit.
_LONG = "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(20_000))
hostile = pytest.mark.parametrize("text", _HOSTILE.values(), ids=_HOSTILE.keys())


class TextContract(DatabaseFixtures):
    """Any text, of any length, in any part of a database."""

    @hostile
    def test_json_comes_back_exactly(self, database: Database, run: SampleRun, text: str) -> None:
        value: JSON = {text: [text, {"deep": text}]}
        agent = run.add_answered_unit(value)
        unit = run.add_unit(shared=value)
        packet, event = Packet(PacketType.AGENT_DETAILS, "q", value), make_event(detail=value)
        run.commit(c.AddMetadata(agent.agent_id, value, 1.0), packets=[packet], events=[event])
        found = database.runs.load_run(run.id)
        assert database.runs.read_results([run.id])[0]["data"] == value
        assert (found.assignments[1].shared, found.outbox) == (value, [(1, packet)])
        assert list(database.runs.read_events([run.id])) == [event]
        assert unit.assignment_id == found.assignments[1].assignment_id

    @hostile
    def test_a_worker_of_any_name_is_found_again(self, database: Database, run: SampleRun, text: str) -> None:
        worker = run.add_worker(text)
        database.people.grant_qualification("careful", text, "mock", 2)
        database.people.set_worker_blocked(text, "mock", True)
        facts = database.people.get_worker_facts(run.id, "mock", [text, "somebody else"])
        assert list(facts) == [text]
        known = facts[text].worker
        assert known is not None
        assert (known.worker_id, known.blocked, facts[text].grants) == (worker.worker_id, True, {"careful": 2})

    @hostile
    def test_a_registration_and_a_reason_may_say_anything(self, database: Database, run: SampleRun, text: str) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker(), registration_id=text)
        run.commit(events=[make_event(text, subject_id=text, who=text)])
        (event,) = database.runs.read_events([run.id])
        (found,) = database.runs.load_run(run.id).agents
        assert (found.agent_id, len(found.registration_id), len(event.why)) == (agent.agent_id, len(text), len(text))

    @hostile
    def test_a_task_of_any_name_is_found_again(self, database: Database, text: str) -> None:
        run = SampleRun(database, task_name=text, config={text: text})
        (found,) = database.runs.find_runs(task_name=text)
        assert (found.task_run_id, found.config) == (run.id, {text: text})

    def test_names_that_any_database_can_hold_come_back_exactly(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker(_HOSTILE["not ASCII"])
        assert (
            database.people.get_worker_facts(run.id, "mock", [worker.worker_name])[worker.worker_name].worker == worker
        )

    def test_very_long_names_are_told_apart(self, database: Database, run: SampleRun) -> None:
        names = [_LONG + "a", _LONG + "b"]
        ids = [run.add_worker(name).worker_id for name in names]
        facts = database.people.get_worker_facts(run.id, "mock", names)
        assert [known.worker and known.worker.worker_id for known in facts.values()] == ids
        assert list(facts) == names

    def test_very_long_registrations_and_reasons_are_stored(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        run.add_agent(unit, run.add_worker(), registration_id=_LONG)
        run.commit(events=[make_event(_LONG)])
        assert database.runs.load_run(run.id).agents[0].registration_id == _LONG
        assert next(iter(database.runs.read_events([run.id]))).why == _LONG

    def test_an_answer_of_five_megabytes_comes_back(self, database: Database, run: SampleRun) -> None:
        value = {"image": "x" * 5_000_000, "points": [[n, n / 7] for n in range(1000)]}
        run.add_answered_unit(value)
        assert database.runs.read_results([run.id])[0]["data"] == value

    def test_numbers_come_back_as_they_were(self, database: Database, run: SampleRun) -> None:
        value = [2**70, -0.1, 1e300, True, None, 0]
        run.add_answered_unit(value)
        found = database.runs.read_results([run.id])[0]["data"]
        assert (found, found[3]) == (value, True)
