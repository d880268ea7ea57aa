"""What needs attention is shown when it is true, with its reason and its remedy, and only then."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from mephisto_nb.display.dashboard.attention import LONELY, describe_attention
from mephisto_nb.display.dashboard.moment import LINK_AWAY, Moment, describe_money
from mephisto_nb.display.dashboard.statistics import RunStatistics
from mephisto_nb.kernel.client_io_handler import Absence
from mephisto_nb.kernel.live_run import RunTally
from mephisto_nb.model.money import Money
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.money.costs import CostTerms
from mephisto_nb.rules.steering import change_limits, launch_more, pause
from mephisto_nb.utils.machine import MachineTrouble
from tests.rules.rehearsal import Rehearsal, facts_of

HOSTILE = "<script>alert(1)</script>"


@dataclass
class FakeRun:
    """As much of a live run as attention looks at."""

    tally: RunTally
    failure: Exception | None = None
    launch_failure: Exception | None = None
    failed_hooks: list[Exception] = field(default_factory=list)
    task_run_id: str = "run"
    is_running: bool = True
    has_own_links: bool = True
    url: str = "http://task"
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        link = SimpleNamespace(trouble=None, away_since=None, absence=Absence())
        engine = SimpleNamespace(trouble=None)
        self.parts = SimpleNamespace(
            tally=self.tally,
            engine=engine,
            link=link,
            study=None,
            machine_troubles=(),
            provider=SimpleNamespace(get_lonely_advice=lambda url: ""),
        )


class Scene:
    """A rehearsal, watched: each of its steps is told to the statistics and to the tally."""

    def __init__(self, *units: int, **limits: Any) -> None:
        self.run = Rehearsal(*units, **limits)
        self.statistics = RunStatistics(self.run.state)
        self.live = FakeRun(RunTally(since=0.0))
        self.status, self.minimum = "live", 8.0
        self.errors: Counter[str] = Counter()

    def tell(self) -> None:
        self.statistics.take(self.run.last)
        self.live.tally.note(self.run.last)

    def refuse(self, name: str, **facts: Any) -> None:
        self.run.refuse(name, facts_of(name, **facts) if facts else None)
        self.tell()

    def work(self, name: str, seconds: float, how: AgentStatus | None = None, registration: str | None = None) -> None:
        """Let a worker take a unit and, after so many seconds, answer it or leave it."""
        agent = self.run.take(name, registration)
        self.tell()
        self.run.now += seconds
        if how is None:
            self.run.submit(agent)
        else:
            self.run.leave(agent, how)
        self.tell()

    def notices(self) -> dict[str, dict[str, Any]]:
        moment = Moment(self.run.now, self.status, self.statistics, self.live, self.errors)  # type: ignore[arg-type]
        hourly, rules = self.statistics.hourly, self.run.state.rules
        terms = CostTerms(rules.visit_pay, Decimal(0), rules.visits or VisitRules())
        money = describe_money(self.statistics.pay, terms, rules.pay_amount, hourly, Money.of(self.minimum))
        found = describe_attention(moment, money)
        assert all(one["severity"] in ("error", "warning", "info") and one["remedy"] for one in found)
        return {one["key"]: one for one in found}


def test_a_run_in_which_all_is_well_asks_for_nothing() -> None:
    scene = Scene(1, 1, pay_amount=1.0)
    scene.work("ann", 60.0)
    assert scene.notices() == {}


def test_nobody_eligible_says_how_many_were_turned_away_and_why() -> None:
    scene = Scene(1, 1, 1, maximum_units_per_worker=1)
    for name in ("ann", "ben"):
        scene.work(name, 60.0)
        scene.refuse(name)
        scene.refuse(name)
    scene.refuse("eve", blocked=True)
    notice = scene.notices()["nobody_eligible"]
    assert notice["reason"] == (
        "1 unit on offer, but nobody who came since the last one was taken may do them: "
        "of 2 workers, 1 done with as many as one worker may do, 1 blocked."
    )
    assert notice["action"] == {
        "name": "limits",
        "args": {"maximum_units_per_worker": 2},
        "label": "Let one worker do 2",
    }
    scene.work("cid", 5.0, AgentStatus.RETURNED)
    assert "nobody_eligible" not in scene.notices()


def test_refusals_without_open_units_or_in_a_pause_are_no_problem() -> None:
    scene = Scene(1)
    agent = scene.run.take("ann")
    scene.tell()
    scene.refuse("ben")
    assert scene.notices() == {}
    scene.run.leave(agent)
    scene.tell()
    pause(scene.run.step())
    scene.tell()
    scene.status = "paused"
    scene.refuse("ben")
    assert list(scene.notices()) == ["paused"]


def test_workers_refused_for_lack_of_units_may_do_returned_ones() -> None:
    scene = Scene(1)
    agent = scene.run.take("ann")
    scene.tell()
    scene.refuse("ben")
    scene.run.leave(agent)
    scene.tell()
    assert scene.notices() == {}


def test_workers_who_did_all_open_units_may_do_new_ones() -> None:
    scene = Scene(2, 1, max_num_concurrent_units=2, pay_amount=1.0)
    scene.work("ann", 5.0)
    scene.refuse("ann")
    assert "1 done with all that is open to them" in scene.notices()["nobody_eligible"]["reason"]
    launch_more(scene.run.step())
    scene.tell()
    assert scene.notices() == {}


def test_a_new_limit_readmits_workers_whom_the_old_one_refused() -> None:
    scene = Scene(1, 1, maximum_units_per_worker=1, pay_amount=1.0)
    scene.work("ann", 5.0)
    scene.refuse("ann")
    assert "nobody_eligible" in scene.notices()
    change_limits(scene.run.step(), {"maximum_units_per_worker": 2})
    scene.tell()
    assert scene.notices() == {}


def test_nobody_coming_for_long_asks_for_the_link_to_be_shared() -> None:
    scene = Scene(1)
    scene.run.now = LONELY
    assert scene.notices() == {}
    scene.run.now = LONELY + 120.0
    notice = scene.notices()["lonely"]
    assert "Nobody has come for 12 min, though 1 unit can be taken." in notice["reason"]
    assert 'run.get_worker_url("NAME")' in notice["remedy"]
    scene.live.has_own_links = False
    assert scene.notices()["lonely"]["remedy"] == "Share the link with workers: http://task"
    scene.live.parts.provider.get_lonely_advice = lambda url: f"Look at {url}, says the crowd."
    assert scene.notices()["lonely"]["remedy"] == "Look at http://task, says the crowd."
    scene.refuse("eve", blocked=True)
    assert "lonely" not in scene.notices()


def test_a_single_unit_left_three_times_is_stuck_until_it_is_answered() -> None:
    scene = Scene(1, pay_amount=1.0)
    for name in ("ann", "ben", "cid"):
        scene.work(name, 5.0, AgentStatus.TIMEOUT)
    assert scene.notices()["stuck"]["reason"] == "1 unit was given back or abandoned again and again: #0 (3 times)."
    scene.work("dan", 5.0)
    assert "stuck" not in scene.notices()


@pytest.mark.parametrize(
    ("how", "key", "words"),
    [
        (AgentStatus.RETURNED, "returned", "30% of workers gave their unit back (3 of 10)"),
        (AgentStatus.DISCONNECT, "dropped", "30% of workers lost their connection"),
        (AgentStatus.TIMEOUT, "timed_out", "30% of workers ran out of time"),
    ],
)
def test_a_rate_out_of_line_is_told_once_enough_have_come(how: AgentStatus, key: str, words: str) -> None:
    scene = Scene(*[1] * 20, pay_amount=1.0)
    for n in range(9):
        scene.work(f"worker {n}", 60.0, how if n < 3 else None)
    assert key not in scene.notices()
    scene.work("last", 60.0)
    assert words in scene.notices()[key]["reason"]
    scene.work("more", 60.0)
    scene.work("even more", 60.0)
    assert key not in scene.notices()


def test_who_is_sent_home_by_the_researcher_is_in_no_rate() -> None:
    scene = Scene(*[1] * 12, pay_amount=1.0)
    for n in range(12):
        scene.work(f"worker {n}", 60.0, AgentStatus.EXPIRED if n % 2 else None)
    assert scene.notices() == {}


def test_pay_under_the_minimum_says_what_would_be_enough() -> None:
    scene = Scene(*[1] * 6, pay_amount=0.5)
    for n in range(5):
        assert scene.notices() == {}
        scene.work(f"worker {n}", 300.0)
    notice = scene.notices()["pay"]
    assert notice["reason"] == "Half of the answers earned less than $6.00 an hour; the minimum is $8.00."
    assert notice["action"] == {
        "name": "limits",
        "args": {"task_reward": 0.67},
        "label": "Raise pay to $0.67 ($0.17 more)",
    }
    scene.status = "ended"
    assert scene.notices()["pay"]["action"] is None
    scene.minimum = 0.0
    assert scene.notices() == {}


def test_no_raise_is_offered_that_nobody_would_get() -> None:
    """The visit that goes on takes all units that are left, and its reward stays."""
    rules = VisitRules(units=8)
    scene = Scene(*[1] * 8, visits=rules, task_reward=Money.of(4), pay_amount=Money.of("0.5"))
    for _ in range(5):
        scene.work("ann", 300.0, registration="page")
    (visit,) = scene.run.state.visits.visits.values()
    assert (visit.asked, visit.done) == (8, 5)
    notice = scene.notices()["pay"]
    assert (notice["action"], notice["remedy"]) == (
        None,
        "Think of a bonus for those who have worked, and pay more next time.",
    )


@pytest.mark.parametrize(("slow", "severity"), [(2, "info"), (3, "warning")])
def test_answers_under_the_minimum_are_told_though_most_are_above_it(slow: int, severity: str) -> None:
    scene = Scene(*[1] * 8, pay_amount=0.5)
    for n in range(8):
        scene.work(f"worker {n}", 300.0 if n < slow else 60.0)
    notice = scene.notices()["pay_of_some"]
    assert notice["severity"] == severity
    assert notice["reason"] == f"{slow} of 8 answers earned less than $8.00 an hour."
    scene.minimum = 0.0
    assert scene.notices() == {}


def test_unpaid_work_is_under_no_minimum() -> None:
    scene = Scene(*[1] * 6)
    for n in range(6):
        scene.work(f"worker {n}", 300.0)
    assert scene.notices() == {}


def test_errors_in_pages_are_counted_with_those_who_met_them() -> None:
    scene = Scene(1, 1)
    ann, ben = scene.run.take("ann"), scene.run.take("ben")
    scene.errors.update({ann.agent_id: 4, ben.agent_id: 1})
    notice = scene.notices()["page_errors"]
    assert notice["reason"] == "5 errors in workers' pages, met by 2 workers."
    assert notice["action"] == {"address": scene.live.url, "label": "Open the task"}


def test_what_has_failed_comes_first_and_stays_plain_text() -> None:
    scene = Scene(1)
    scene.errors["somebody"] = 1
    scene.live.failure = ValueError(HOSTILE)
    scene.live.launch_failure = KeyError(HOSTILE)
    scene.live.failed_hooks = [OSError("disk"), OSError("disk")]
    notices = scene.notices()
    assert list(notices) == ["failed", "data", "hook", "page_errors"]
    assert HOSTILE in notices["failed"]["reason"]
    assert "reconnect('run')" in notices["failed"]["remedy"]
    assert "failed 2 times" in notices["hook"]["reason"]


def test_a_live_run_shows_that_database_or_router_do_not_answer() -> None:
    scene = Scene(1)
    parts = scene.live.parts
    parts.engine.trouble, parts.link.away_since, scene.run.now = "The database sleeps.", 0.0, LINK_AWAY + 5.0
    parts.link.absence = Absence(since=1.0, until=10.0, caught_up=Counter({PacketType.SUBMIT_UNIT: 3}))
    notices = scene.notices()
    assert list(notices) == ["database", "router", "absence"]
    assert notices["router"]["reason"] == "The task's server (router) has not been reached for 15 s."
    parts.link.trouble = "The router cannot be reached."
    assert scene.notices()["router"]["reason"] == "The router cannot be reached."
    scene.live.done.set()
    assert list(scene.notices()) == ["absence"]


def test_what_is_wrong_with_a_machine_is_an_error_until_it_is_over() -> None:
    scene = Scene(1)
    full = MachineTrouble("router store", -60.0, "The disk is full.", "Make room.")
    removed = MachineTrouble("router store", -3600.0, "inbox.db was removed.", "Keep it.", is_past=True)
    scene.live.parts.machine_troubles = (full, removed)
    lasting, over = scene.notices()["router store"], scene.notices()["router store 1"]
    assert (lasting["severity"], lasting["reason"]) == ("error", "The disk is full. (For 1 min.)")
    assert (over["severity"], over["reason"]) == ("warning", "inbox.db was removed. (1 h ago.)")


def test_only_a_kernel_that_was_there_is_told_to_let_no_cell_block_it() -> None:
    scene, waited = Scene(1), {"since": 1.0, "until": 10.0, "caught_up": Counter({PacketType.SUBMIT_UNIT: 3})}
    scene.live.parts.link.absence = Absence(**waited)
    assert "Let no cell block the kernel" in scene.notices()["absence"]["remedy"]
    scene.live.parts.link.absence = Absence(begun=5.0, **waited)
    assert scene.notices()["absence"]["remedy"] == "No kernel drove the run then. Nothing was lost by it."
