"""What workers and task code said beside answers."""

from __future__ import annotations

from typing import Any

from mephisto_nb.model import changes as c
from mephisto_nb.model.records import Agent
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun


class SaidContract(DatabaseFixtures):
    """`read_live_updates` and `read_metadata`."""

    def test_live_messages_come_back_in_the_order_in_which_they_were_said(
        self, database: Database, run: SampleRun
    ) -> None:
        ann, ben = self._two_who_talk(run)
        said: list[tuple[Agent, str, dict[str, Any], float]] = [
            (ann, "worker", {"n": 1}, 7.0),
            (ben, "worker", {"n": 2}, 6.0),
            (ann, "operator", {"n": [3]}, 5.0),
        ]
        run.commit(*(c.AddLiveUpdate(agent.agent_id, who, data, at) for agent, who, data, at in said))
        rows = database.read_live_updates([run.id])
        found = [(row["agent_id"], row["sender"], row["data"], row["at"]) for row in rows]
        assert found == [(agent.agent_id, who, data, at) for agent, who, data, at in said]
        assert database.read_live_updates([run.id], agent_ids=[ann.agent_id, "nobody"]) == [rows[0], rows[2]]
        # However many are asked about, and in whatever order: more than one statement can name.
        many = [ben.agent_id, *(f"nobody {n}" for n in range(1000)), ann.agent_id]
        assert database.read_live_updates([run.id], agent_ids=many) == rows
        assert database.read_live_updates(["another"]) == database.read_live_updates([run.id], agent_ids=[]) == []

    def test_a_live_message_comes_back_with_where_it_was_said_and_by_whom(
        self, database: Database, run: SampleRun
    ) -> None:
        _, ben = self._two_who_talk(run)
        run.commit(c.AddLiveUpdate(ben.agent_id, "worker", {"text": "Hello"}, 7.0))
        (row,) = database.read_live_updates([run.id])
        (unit,) = [unit for unit in database.read_units([run.id]) if unit["agent_id"] == ben.agent_id]
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
        first, second = database.read_metadata([run.id])
        ids = {name: first[name] for name in ("task_run_id", "agent_id", "unit_id", "worker_id", "worker_name")}
        owner = {"task_run_id": run.id, "agent_id": agent.agent_id, "unit_id": agent.unit_id}
        assert ids == {**owner, "worker_id": agent.worker_id, "worker_name": "ann"}
        assert [(row["data"]["metadata"]["n"], row["received_at"]) for row in (first, second)] == [
            (0, 1000.0),
            (1, 999.0),
        ]
        assert first["id"] != second["id"]
