"""Whatever people write can be stored: it must neither be lost nor stop a run."""

from __future__ import annotations

import pytest

from mephisto_nb._typing import JSON
from mephisto_nb.model import changes as c
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, make_event

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
    """Any text, of any length."""

    @hostile
    def test_json_comes_back_exactly(self, database: Database, run: SampleRun, text: str) -> None:
        value: JSON = {text: [text, {"deep": text}]}
        agent = run.add_answered_unit(value)
        unit = run.add_unit(shared=value)
        packet, event = Packet(PacketType.AGENT_DETAILS, "q", value), make_event(detail=value)
        run.commit(c.AddMetadata(agent.agent_id, value, 1.0), packets=[packet], events=[event])
        found = database.load_run(run.id)
        assert database.read_results([run.id])[0]["data"] == value
        assert (found.assignments[1].shared, found.outbox) == (value, [(1, packet)])
        assert list(database.read_events([run.id])) == [event]
        assert unit.assignment_id == found.assignments[1].assignment_id

    @hostile
    def test_a_worker_of_any_name_is_found_again(self, database: Database, run: SampleRun, text: str) -> None:
        worker = run.add_worker(text)
        database.grant_qualification("careful", text, "mock", 2)
        database.set_worker_blocked(text, "mock", True)
        facts = database.get_worker_facts(run.id, "mock", [text, "somebody else"])
        assert list(facts) == [text]
        known = facts[text].worker
        assert known is not None
        assert (known.worker_id, known.blocked, facts[text].grants) == (worker.worker_id, True, {"careful": 2})

    @hostile
    def test_a_registration_and_a_reason_may_say_anything(self, database: Database, run: SampleRun, text: str) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker(), registration_id=text)
        run.commit(events=[make_event(text, subject_id=text, who=text)])
        (event,) = database.read_events([run.id])
        (found,) = database.load_run(run.id).agents
        assert (found.agent_id, len(found.registration_id), len(event.why)) == (agent.agent_id, len(text), len(text))

    @hostile
    def test_a_task_of_any_name_is_found_again(self, database: Database, text: str) -> None:
        run = SampleRun(database, task_name=text, config={text: text})
        (found,) = database.find_runs(task_name=text)
        assert (found.task_run_id, found.config) == (run.id, {text: text})

    def test_names_that_any_database_can_hold_come_back_exactly(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker(_HOSTILE["not ASCII"])
        assert database.get_worker_facts(run.id, "mock", [worker.worker_name])[worker.worker_name].worker == worker

    def test_very_long_names_are_told_apart(self, database: Database, run: SampleRun) -> None:
        names = [_LONG + "a", _LONG + "b"]
        ids = [run.add_worker(name).worker_id for name in names]
        facts = database.get_worker_facts(run.id, "mock", names)
        assert [known.worker and known.worker.worker_id for known in facts.values()] == ids
        assert list(facts) == names

    def test_very_long_registrations_and_reasons_are_stored(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        run.add_agent(unit, run.add_worker(), registration_id=_LONG)
        run.commit(events=[make_event(_LONG)])
        assert database.load_run(run.id).agents[0].registration_id == _LONG
        assert next(iter(database.read_events([run.id]))).why == _LONG

    def test_an_answer_of_five_megabytes_comes_back(self, database: Database, run: SampleRun) -> None:
        value = {"image": "x" * 5_000_000, "points": [[n, n / 7] for n in range(1000)]}
        run.add_answered_unit(value)
        assert database.read_results([run.id])[0]["data"] == value

    def test_numbers_come_back_as_they_were(self, database: Database, run: SampleRun) -> None:
        value = [2**70, -0.1, 1e300, True, None, 0]
        run.add_answered_unit(value)
        found = database.read_results([run.id])[0]["data"]
        assert (found, found[3]) == (value, True)
