"""The parts of the database's contract that are about people, messages, and text of any kind."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb._typing import JSON
from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.people import Act, ActKind, WorkerKey
from mephisto_nb.model.records import LINK, Agent, Submission, Worker, WorkerFacts
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.people import undo_of
from mephisto_nb.testing.contracts._samples import (
    PAY,
    DatabaseFixtures,
    SampleRun,
    change_unit,
    grant_to,
    make_event,
    revoke_from,
    set_blocked,
)
from mephisto_nb.utils.ids import new_id


def _facts(database: Database, run: SampleRun, name: str = "ann") -> WorkerFacts:
    return database.people.get_worker_facts(run.id, LINK, [name])[name]


class PeopleContract(DatabaseFixtures):
    """Requesters, qualifications and grants one by one, and `PeopleStore.get_worker_facts`."""

    def test_a_requester_is_made_once_for_each_provider(self, database: Database) -> None:
        lab = database.people.get_or_create_requester("lab", LINK)
        assert lab == database.people.get_or_create_requester("lab", LINK)
        assert lab.requester_id != database.people.get_or_create_requester("lab", "mturk").requester_id

    def test_a_qualification_is_made_once(self, database: Database) -> None:
        made = database.people.create_qualification("careful", "passed the test")
        assert database.people.create_qualification("careful") == made
        assert (made.name, made.description) == ("careful", "passed the test")

    def test_a_worker_never_seen_has_no_facts(self, database: Database, run: SampleRun) -> None:
        assert database.people.get_worker_facts(run.id, LINK, ["ann"]) == {}
        assert database.people.get_worker_facts(run.id, LINK, []) == {}

    def test_a_worker_is_known_to_their_provider_only(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker("ann")
        assert _facts(database, run) == WorkerFacts(worker)
        assert database.people.get_worker_facts(run.id, "mturk", ["ann"]) == {}

    def test_a_grant_makes_worker_and_qualification(self, database: Database, run: SampleRun) -> None:
        grant_to(database, "careful", "ann", 3)
        assert _facts(database, run).grants == {"careful": 3}

    def test_a_second_grant_changes_the_value(self, database: Database, run: SampleRun) -> None:
        for value in (3, 0, -5):
            grant_to(database, "careful", "ann", value)
        grant_to(database, "quick", "ann", 1)
        assert _facts(database, run).grants == {"careful": -5, "quick": 1}

    def test_a_grant_belongs_to_one_worker(self, database: Database, run: SampleRun) -> None:
        run.add_worker("ben")
        grant_to(database, "careful", "ann", 3)
        facts = database.people.get_worker_facts(run.id, LINK, ["ann", "ben", "eve"])
        assert {name: known.grants for name, known in facts.items()} == {"ann": {"careful": 3}, "ben": {}}

    def test_a_revoked_grant_is_gone(self, database: Database, run: SampleRun) -> None:
        grant_to(database, "careful", "ann", 3)
        assert revoke_from(database, "careful", "ann")
        assert _facts(database, run).grants == {}

    def test_what_there_is_not_is_revoked_without_making_it(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann")
        run.commit(c.SetGrant(ann.worker_id, "mistyped", None))
        assert database.people.read_qualifications() == []

    def test_revoking_tells_whether_there_was_a_grant(self, database: Database) -> None:
        assert not revoke_from(database, "careful", "ann")
        grant_to(database, "careful", "ann", 3, "mturk")
        assert not revoke_from(database, "careful", "ann")

    def test_a_worker_is_blocked_and_unblocked(self, database: Database, run: SampleRun) -> None:
        for blocked in (True, True, False):
            set_blocked(database, "ann", blocked=blocked)
            worker = _facts(database, run).worker
            assert worker is not None
            assert worker.blocked is blocked

    def test_units_of_other_runs_of_the_task_are_counted(self, database: Database, run: SampleRun) -> None:
        run.add_answered_unit({})
        again, later = SampleRun(database), SampleRun(database)
        facts = _facts(database, run)
        assert (facts.units_elsewhere, _facts(database, again).units_elsewhere) == (0, 1)
        assert facts.worker is not None
        again.add_agent(again.add_unit(), facts.worker)
        assert [_facts(database, one).units_elsewhere for one in (run, again, later)] == [1, 1, 2]

    def test_units_of_other_tasks_are_not_counted(self, database: Database, run: SampleRun) -> None:
        SampleRun(database, task_name="another survey").add_answered_unit({})
        assert _facts(database, run).units_elsewhere == 0

    def test_units_that_a_worker_gave_back_are_not_counted(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        worker, (first, second) = other.add_worker(), other.add_units(2)
        held = other.add_agent(first, worker), other.add_agent(second, worker)
        other.commit(change_unit(first, UnitStatus.LAUNCHED), change_unit(second, UnitStatus.EXPIRED, held[1]))
        assert _facts(database, run).units_elsewhere == 0

    def test_thousands_of_workers_are_looked_up_at_once(self, database: Database, run: SampleRun) -> None:
        for name in ("ann", "zoe"):
            grant_to(database, "careful", name, 3)
        names = ["ann", *(f"worker {n}" for n in range(3000)), "zoe"]
        assert list(database.people.get_worker_facts(run.id, LINK, names)) == ["ann", "zoe"]


def _workers(*names: str) -> tuple[WorkerKey, ...]:
    return tuple(WorkerKey(name, LINK) for name in names)


def _grant(*names: str, value: int | None = 1) -> Act:
    kind = ActKind.REVOKE if value is None else ActKind.GRANT
    return Act(kind, "careful", _workers(*names), (value,) * len(names), why="good work", who="kim")


def _block(*names: str) -> Act:
    return Act(ActKind.BLOCK, workers=_workers(*names), values=(1,) * len(names))


def _held(database: Database) -> dict[str, int]:
    return {row[1]: row[5] for row in database.people.read_grants()}


def _blocked(database: Database) -> set[str]:
    return {row[1] for row in database.people.read_workers() if row[3]}


class PeopleActsContract(DatabaseFixtures):
    """`PeopleStore.foresee` and `perform`, and what is read of people."""

    def test_what_is_foreseen_is_not_done(self, database: Database) -> None:
        foreseen = database.people.foresee(_grant("ann", "bob"))
        assert (len(foreseen.changes), [change.is_new for change in foreseen.changes]) == (2, [True, True])
        assert (database.people.read_workers(), database.people.read_qualifications()) == ([], [])

    def test_one_act_is_about_many(self, database: Database) -> None:
        database.people.perform(_grant("ann", "bob", value=3))
        done = database.people.perform(_grant("ann", "bob", "eve", value=3))
        assert ([change.worker.worker_name for change in done.changes], done.unchanged) == (["eve"], 2)
        assert _held(database) == {"ann": 3, "bob": 3, "eve": 3}

    def test_each_worker_may_get_a_value_of_their_own(self, database: Database) -> None:
        database.people.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob", "eve"), (1, None, -7)))
        assert _held(database) == {"ann": 1, "eve": -7}

    def test_an_act_leaves_a_row_for_each_worker_it_changes(self, database: Database) -> None:
        database.people.perform(_grant("ann", value=1), at=1000.0)
        database.people.perform(_grant("ann", value=3), at=1001.0)
        database.people.perform(_grant("ann", value=3), at=1002.0)
        rows = [row for row in database.people.read_people_events() if row["subject"] == "worker"]
        told = [(row["at"], row["before"], row["after"], row["why"], row["who"]) for row in rows]
        assert told == [
            (1000.0, None, "granted", "good work", "kim"),
            (1001.0, "granted", "granted", "good work", "kim"),
        ]
        assert [(row["detail"]["was"], row["detail"]["value"]) for row in rows] == [(None, 1), (1, 3)]

    def test_an_undone_act_leaves_everything_as_it_was(self, database: Database) -> None:
        database.people.perform(_grant("ann", value=2))
        done = database.people.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob"), (5, 5)))
        database.people.perform(undo_of(done))
        assert _held(database) == {"ann": 2}

    @pytest.mark.parametrize("value", [7, None])
    def test_an_act_is_not_undone_once_somebody_has_changed_the_same(
        self, database: Database, another: Database, value: int | None
    ) -> None:
        done = database.people.perform(_grant("ann", "bob"))
        another.people.perform(_grant("bob", value=value))
        with pytest.raises(ConflictError, match="'bob'"):
            database.people.perform(undo_of(done))
        assert _held(database) == ({"ann": 1} if value is None else {"ann": 1, "bob": 7})

    def test_blocks_are_undone_where_they_were_made(self, database: Database) -> None:
        database.people.perform(_block("ann"))
        done = database.people.perform(_block("ann", "bob"))
        assert _blocked(database) == {"ann", "bob"}
        database.people.perform(undo_of(done))
        assert _blocked(database) == {"ann"}

    def test_who_was_made_by_an_undone_act_is_gone_until_known_again(self, database: Database) -> None:
        database.people.perform(_block("old"))
        done = database.people.perform(_grant("old", "new", "blocked"))
        database.people.perform(undo_of(done))
        ids = {row[1]: row[0] for row in database.people.read_workers()}
        assert database.people.find_gone_workers() == {ids["new"], ids["blocked"]}
        database.people.perform(_block("blocked"))
        assert database.people.find_gone_workers() == {ids["new"]}
        database.people.perform(_grant("new"))
        assert database.people.find_gone_workers() == set()

    def test_a_deleted_qualification_comes_back_with_holders_and_id(self, database: Database) -> None:
        before = database.people.create_qualification("careful", "passed the test")
        database.people.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob"), (1, 4)))
        done = database.people.perform(Act(ActKind.DELETE, "careful"))
        assert (database.people.read_qualifications(), _held(database)) == ([], {})
        database.people.perform(undo_of(done))
        assert database.people.create_qualification("careful") == before
        assert _held(database) == {"ann": 1, "bob": 4}

    def test_a_qualification_that_was_made_again_is_not_brought_back(self, database: Database) -> None:
        database.people.create_qualification("careful")
        done = database.people.perform(Act(ActKind.DELETE, "careful"))
        database.people.create_qualification("careful")
        with pytest.raises(ConflictError, match="made or deleted since"):
            database.people.perform(undo_of(done))

    def test_a_new_qualification_that_is_held_is_not_taken_back(self, database: Database) -> None:
        done = database.people.perform(Act(ActKind.CREATE, "careful"))
        database.people.perform(_grant("ann"))
        with pytest.raises(ConflictError, match="'ann' hold"):
            database.people.perform(undo_of(done))
        database.people.perform(_grant("ann", value=None))
        database.people.perform(undo_of(done))
        assert database.people.read_qualifications() == []

    def test_a_description_is_changed_and_changed_back(self, database: Database) -> None:
        database.people.create_qualification("careful", "old")
        done = database.people.perform(Act(ActKind.DESCRIBE, "careful", text="new"))
        assert database.people.read_qualifications()[0]["description"] == "new"
        database.people.perform(undo_of(done))
        assert database.people.read_qualifications()[0]["description"] == "old"

    def test_workers_of_one_name_and_two_providers_are_two(self, database: Database) -> None:
        both = (WorkerKey("ann", LINK), WorkerKey("ann", "prolific"))
        database.people.perform(Act(ActKind.GRANT, "careful", both, (1, 2)))
        assert {(row[2], row[5]) for row in database.people.read_grants()} == {(LINK, 1), ("prolific", 2)}

    def test_thousands_are_granted_at_once(self, database: Database) -> None:
        names = [f"worker {n}" for n in range(3000)]
        assert len(database.people.perform(_grant(*names)).changes) == 3000
        assert database.people.read_qualifications()[0]["holders"] == 3000

    def test_names_of_any_kind_and_length_are_granted_and_undone(self, database: Database) -> None:
        names = ("x" * 5000, "<b>", "nul\0", "half \ud800", "' OR 1")
        done = database.people.perform(_grant(*names))
        assert len(done.changes) == len(_held(database)) == len(names)
        database.people.perform(undo_of(done))
        assert _held(database) == {}

    def test_work_is_read_by_worker(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        [row] = database.people.read_work()
        assert tuple(row)[:3] == (run.id, agent.worker_id, "completed")
        assert tuple(row)[5:] == ("completed", PAY.thousandths, "USD", None)

    def test_news_of_people_are_told_from_other_news(self, database: Database, run: SampleRun) -> None:
        last, _ = database.people.find_people_news(0)
        assert database.people.find_people_news(last) == (last, False)
        run.add_units(1)
        later, of_people = database.people.find_people_news(last)
        assert (later >= last, of_people) == (True, False)
        database.people.perform(_grant("ann"))
        assert database.people.find_people_news(later)[1]

    def test_events_of_a_qualification_of_any_name_are_found(self, database: Database) -> None:
        for name in ("100 %", "100 x", "kůň", 'a "b"'):
            database.people.perform(Act(ActKind.CREATE, name))
            found = database.people.read_people_events(qualification_name=name)
            assert [row["detail"]["qualification"] for row in found] == [name]
        assert len(database.people.read_people_events(newest=2)) == 2


class StepsAboutPeopleContract(DatabaseFixtures):
    """`SetGrant` and `SetBlocked`: what a step of a run does to people."""

    def test_who_is_simulated_is_so_until_a_person_comes(self, database: Database, run: SampleRun) -> None:
        ann, bot = run.add_worker("ann"), Worker(new_id(), "bot", LINK, is_simulated=True)
        run.commit(c.AddWorker(bot, 1001.0))
        assert (_facts(database, run).worker, _facts(database, run, "bot").worker) == (ann, bot)
        assert {row[1]: bool(row[5]) for row in database.people.read_workers()} == {"ann": False, "bot": True}
        run.commit(c.SetReal(bot.worker_id))
        assert _facts(database, run, "bot").worker == Worker(bot.worker_id, "bot", LINK)

    def test_the_last_of_several_grants_counts(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann").worker_id
        run.commit(c.SetGrant(ann, "careful", 1), c.SetGrant(ann, "careful", None), c.SetGrant(ann, "careful", 3))
        assert _facts(database, run).grants == {"careful": 3}
        run.commit(c.SetGrant(ann, "careful", None), c.SetGrant(ann, "quick", None))
        assert _facts(database, run).grants == {}

    def test_a_worker_is_blocked_by_a_step(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann").worker_id
        for blocked in (True, False):
            run.commit(c.SetBlocked(ann, blocked))
            worker = _facts(database, run).worker
            assert worker is not None
            assert worker.blocked is blocked

    def test_nothing_is_done_to_people_by_a_step_that_is_refused(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        ann = agent.worker_id
        wrong = c.ChangeDeadline("nobody", 1.0)
        assert run.refusal(c.SetGrant(ann, "careful", 1), c.AddPayment(run.make_payment(agent)), wrong) is not None
        assert (_facts(database, run).grants, database.reviews.read_payments([run.id])) == ({}, [])


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

    def test_a_history_is_read_in_pages_of_so_many_bytes(self, database: Database, run: SampleRun) -> None:
        ann, ben = self._two_who_talk(run)
        said = [(ann, "worker", "a" * 600), (ben, "operator", "b"), (ann, "once", "c"), (ann, "worker", "d" * 2000)]
        run.commit(*(c.AddLiveUpdate(agent.agent_id, who, {"text": text}, 7.0) for agent, who, text in said))
        both, pages, last = [ann.agent_id, ben.agent_id], [], 0
        while page := database.messages.read_history(run.id, both, after=last, most=1000):
            pages.append(page)
            last = page[-1]["id"]
        assert [len(page) for page in pages] == [3, 1]  # one that is too large comes alone
        found = [(row["agent_id"], row["sender"], row["data"]["text"]) for page in pages for row in page]
        assert found == [(agent.agent_id, who, text) for agent, who, text in said]
        (row,) = database.messages.read_history(run.id, [ben.agent_id], most=1)
        assert (row["sender"], row["data"]) == ("operator", {"text": "b"})
        assert database.messages.read_history("another", both) == database.messages.read_history(run.id, []) == []

    def test_what_was_set_aside_of_a_big_answer_is_no_message(self, database: Database, run: SampleRun) -> None:
        ann, _ = self._two_who_talk(run)
        run.commit(c.AddLiveUpdate(ann.agent_id, "worker", {"text": "Hello"}, 7.0))
        big = Submission(ann.agent_id, {"mood": "grim", "more": "x" * 300_000}, 8.0, asked=frozenset({"mood"}))
        run.commit(c.AddSubmission(big))
        for rows in (
            database.messages.read_live_updates([run.id]),
            database.messages.read_history(run.id, [ann.agent_id]),
        ):
            assert [row["data"] for row in rows] == [{"text": "Hello"}]

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
        grant_to(database, "careful", text, 2)
        set_blocked(database, text, blocked=True)
        facts = database.people.get_worker_facts(run.id, LINK, [text, "somebody else"])
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
        assert database.people.get_worker_facts(run.id, LINK, [worker.worker_name])[worker.worker_name].worker == worker

    def test_very_long_names_are_told_apart(self, database: Database, run: SampleRun) -> None:
        names = [_LONG + "a", _LONG + "b"]
        ids = [run.add_worker(name).worker_id for name in names]
        facts = database.people.get_worker_facts(run.id, LINK, names)
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
