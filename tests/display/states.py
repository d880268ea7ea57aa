"""States of runs as the kernel gives them to the front end: one of each kind that has to look right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from mephisto_nb.display.dashboard.attention import describe_attention
from mephisto_nb.display.dashboard.moment import FromBooks, Moment, describe_money, describe_unpaid
from mephisto_nb.display.dashboard.statistics import RunningMedian
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import BookedSum, RunPay
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.money.costs import CostTerms
from mephisto_nb.rules.budget import Booked, Budget, BudgetScope

#: When all of these are.
NOW = 1_796_000_000.0

REWARD, MINIMUM, RUN_ID = Money.of("0.15"), Money.of(12), "01kb2m7v9x"
UNITS = ("created", "launched", "assigned", "completed", "accepted", "soft_rejected", "rejected", "expired")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> =1+1\x00\x07\x1b[31m\u202etxt.exe"
LONG = "a-very-long-task-name-of-somebody-who-writes-everything-into-it-" * 4


def units(**counts: int) -> dict[str, int]:
    """Return the units by status, with the sums."""
    all_counts = {name: counts.get(name, 0) for name in UNITS}
    answered = sum(all_counts[name] for name in ("completed", "accepted", "soft_rejected", "rejected"))
    total = sum(all_counts.values()) - all_counts["expired"]
    return {**all_counts, "total": total, "answered": answered}


def person(number: int, **changes: Any) -> dict[str, Any]:
    """Return somebody at work."""
    names = ("ann", "maria", "yusuf", "chen", "olga", "tom", "ifeoma", "lars")
    return {
        "agent_id": f"agent{number}",
        "worker": f"{names[number % 8]}-{number}" if number > 7 else names[number],
        "unit": f"{number + 120}",
        "status": "in task",
        "since": NOW - 140 / (number + 1) - 4,
        "connected": number != 3,
        "slow": number == 0,
        **changes,
    }


def answer(number: int, **changes: Any) -> dict[str, Any]:
    """Return a submission."""
    texts = (
        "angry · 5 · We are sorry; your money is on its way.",
        "friendly · 1 · Thank you!",
        "neutral · 3 · Of course.",
    )
    return {
        "agent_id": f"done{number}",
        "worker": f"worker-{number}",
        "unit": f"{100 - number}",
        "at": NOW - 3 - 17 * number,
        "seconds": 31.0 + 7 * number % 40,
        "preview": texts[number % 3],
        **changes,
    }


def notice(key: str, severity: str, reason: str, remedy: str, action: Any = None) -> dict[str, Any]:
    """Return something to look at."""
    return {"key": key, "severity": severity, "reason": reason, "remedy": remedy, "action": action}


def with_changes(base: dict[str, Any], **parts: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """Return a state with parts merged into it."""
    state = deepcopy(base)
    for name, part in parts.items():
        state[name] = {**state[name], **part} if isinstance(part, dict) else part
    return state


def pace_of(counts: dict[str, int], per_hour: float | None, median: float | None, is_open: bool) -> dict[str, Any]:
    """Return the pace of a run that has got its newest 50 answers at one rate."""
    left, factor = None, 1.0
    to_do = counts["created"] + counts["launched"] + counts["assigned"]
    if per_hour is not None and is_open and to_do:
        left, factor = 3600 * to_do / per_hour, math.exp(1.2816 * math.sqrt(1 / 50 + 1 / to_do))
    waves = [0, 1, 2, 2, 4, 5, 3, 6, 5, 4, 5, 7, 4, 3, 2, 4, 5, 6, 4, 4, 5, 3, 6, 7, 5, 4, 6, 5, 6, 5]
    sums = [counts["answered"] * sum(waves[: end + 1]) // sum(waves) for end in range(30)]
    return {
        "per_hour": per_hour,
        "seconds_left": left,
        "seconds_left_low": None if left is None else left / factor,
        "seconds_left_high": None if left is None else left * factor,
        "median_seconds": median,
        "recent": [later - earlier for earlier, later in pairwise([0, *sums])],
    }


def hourly_of(count: int, median: float | None) -> RunningMedian:
    """Return what so many answers earned by the hour: half of them a little more than the median, half of them less."""
    hourly = RunningMedian()
    for number in range(count if median is not None else 0):
        hourly.add((median or 0.0) * 1.13 ** (0.0 if count == 1 else number / (count - 1) - 0.5))
    return hourly


def attention_of(
    status: str, counts: dict[str, int], pay: RunPay, money: dict[str, Any], budgets: Sequence[dict[str, Any]]
) -> list[Any]:
    """Return what the kernel itself says of a run with these numbers."""
    statistics: Any = SimpleNamespace(
        counts={UnitStatus(name): counts[name] for name in UNITS},
        pay=pay,
        left=Counter(),
        num_answered=counts["answered"],
        at_work={},
        often_left={},
        rules=SimpleNamespace(visit_pay=REWARD, visits=None),
        state=SimpleNamespace(
            task_run_id=RUN_ID,
            agents={},
            closing=None,
            is_paused=True,
            steering=SimpleNamespace(closed_by=None),
            rules=SimpleNamespace(lifetime=0, patience=0),
        ),
    )
    books = FromBooks(budgets=[(_limit_of(one), _booked_of(one)) for one in budgets])
    return describe_attention(Moment(NOW, status, statistics, None, Counter(), books=books), money)


def _limit_of(one: dict[str, Any]) -> Budget:
    limit = Money.of(one["limit"], one["currency"])
    return Budget(BudgetScope(one["scope"]), one["name"], limit, f"budget.{one['scope']} in ~/.mephisto/config.yml")


def _booked_of(one: dict[str, Any]) -> Booked:
    return Booked(*(Money.of(one[name], one["currency"]) for name in ("spent", "committed")))


def state_of(
    counts: dict[str, int],
    *,
    per_hour: float | None = None,
    median: float | None = None,
    fee_rate: float = 0.2,
    people: dict[str, Any] | None = None,
    newest: Sequence[dict[str, Any]] = (),
    notices: Sequence[dict[str, Any]] = (),
    budgets: Sequence[dict[str, Any]] = (),
    **run: Any,
) -> dict[str, Any]:
    """Return the state of a run: all that follows from how its units are, how long they take and what they pay.

    A picture made of it cannot contradict itself.
    """
    about = {**RUN, **run}
    pay = {(UnitStatus(name), REWARD): counts[name] for name in UNITS}
    hourly = hourly_of(counts["answered"], None if median is None else 3600 * float(REWARD) / median)
    unpaid = describe_unpaid({UnitStatus(name): counts[name] for name in UNITS})
    # What was approved was paid by half; the crowd has told its fees of that.
    approved = REWARD * (counts["accepted"] + counts["soft_rejected"])
    paid, nothing, rate = REWARD * (approved.thousandths // REWARD.thousandths // 2), Money(0), Decimal(str(fee_rate))
    booked = {
        (PaymentKind.REWARD, PaymentStatus.SENT): BookedSum(paid, paid.share(rate), nothing),
        (PaymentKind.REWARD, PaymentStatus.OWED): BookedSum(approved - paid, nothing, approved - paid),
    }
    run_pay = RunPay(pay, booked=booked)
    money = describe_money(run_pay, CostTerms(REWARD, rate), REWARD, hourly, MINIMUM)
    money |= {"unpaid": unpaid, "is_read": True}
    rows = [person(number) for number in range(min(50, counts["assigned"]))]
    is_open, is_over = about["status"] in ("live", "closing"), about["status"] in ("done", "ended")
    following = attention_of(about["status"], counts, run_pay, money, budgets)
    return {
        "v": 1,
        "run": about,
        "units": counts,
        "pace": pace_of(counts, per_hour, median, is_open),
        "money": money,
        "budgets": list(budgets),
        "people": {"at_work": counts["assigned"], "connected": len(rows), "seen": 0, "rows": rows, **(people or {})},
        "newest": list(newest),
        "attention": sorted([*notices, *following], key=lambda one: SEVERITIES.index(one["severity"])),
        "limits": {"max_num_concurrent_units": 0, "maximum_units_per_worker": 0, "task_reward": float(REWARD)},
        "rates": {"returned": 0, "dropped": 0, "timed_out": 0, "page_errors": 0, "workers_with_errors": 0},
        "work": None,
        "next": NEXT if is_over else [],
    }


def budget(
    scope: str, limit: float, spent: float, committed: float, name: str = RUN_ID, code: str = "USD"
) -> dict[str, Any]:
    """Return a budget, and what is gone of it."""
    free = round(limit - spent - committed, 2)
    amounts = {"limit": limit, "spent": spent, "committed": committed, "free": free}
    return {"scope": scope, "name": name, "currency": code, **amounts}


SEVERITIES = ("error", "warning", "info")
NEXT = [
    {"code": "run.review()", "words": "goes through the answers to decide on"},
    {"code": "run.results()", "words": "gives the answers"},
    {"code": 'run.export("answers.csv")', "words": "writes them to a file"},
]
RUN: dict[str, Any] = {
    "id": RUN_ID,
    "name": "email-tone",
    "title": "How does this customer sound?",
    "status": "live",
    "url": "http://127.0.0.1:3000/",
    "worker_url": None,
    "has_own_links": True,
    "entry_words": "",
    "launched_at": NOW - 2_520,
    "ended_at": None,
    "paused_at": None,
    "as_of": None,
    "now": NOW,
    "blueprint": "static_html",
    "provider": "link",
    "link": "up",
    "absence": "",
}
LINK_TROUBLE = notice(
    "router",
    "error",
    "The task's server (router) has not been reached for 20 min.",
    "It is tried again by itself. What workers send waits in the router.",
)

EMPTY = state_of(units(launched=200), fee_rate=0.0, launched_at=NOW - 12)

BUSY = state_of(
    units(accepted=22, completed=104, assigned=8, launched=12, created=54, expired=3),
    per_hour=184.0,
    median=42.0,
    people={"seen": 41},
    newest=[answer(n) for n in range(10)],
    budgets=[
        budget("run", 50.0, 1.98, 34.02),
        budget("task", 100.0, 31.98, 34.02, "email-tone"),
        budget("month", 400.0, 131.98, 134.02, "2026-11"),
    ],
)

TROUBLE = state_of(
    units(completed=61, soft_rejected=4, rejected=9, assigned=3, launched=40, created=80, expired=31),
    status="paused",
    paused_at=NOW - 1_500,
    as_of=NOW - 1_200,
    link="down",
    launched_at=NOW - 22_000,
    per_hour=12.0,
    median=84.4,
    people={"rows": [person(n, since=NOW - 1_400 + 60 * n, connected=None) for n in range(3)], "connected": None},
    newest=[answer(n, at=NOW - 1_260 - 117 * n) for n in range(10)],
    notices=[LINK_TROUBLE],
    budgets=[budget("month", 40.0, 4.5, 37.82, "2026-11")],
)

FINISHED = state_of(
    units(accepted=180, completed=12, rejected=8, expired=5),
    status="ended",
    ended_at=NOW - 600,
    launched_at=NOW - 5_000,
    per_hour=163.6,
    median=42.0,
    people={"seen": 63},
    newest=[answer(n, at=NOW - 640 - 17 * n) for n in range(10)],
)

HUGE = state_of(
    units(accepted=1_234, completed=4_321, assigned=873, launched=127, created=3_445, rejected=12, expired=340),
    launched_at=NOW - 14_000,
    per_hour=1_480.0,
    median=42.0,
    people={"connected": 861, "seen": 3_120},
    newest=[answer(n) for n in range(10)],
)

THREE_AT_WORK = {"accepted": 22, "completed": 104, "assigned": 3, "launched": 17, "created": 54}

LONG_NAMES = state_of(
    units(**THREE_AT_WORK),
    name=LONG,
    title="A title that goes on and on, " * 8,
    per_hour=184.0,
    median=42.0,
    people={
        "seen": 41,
        "rows": [person(n, worker=LONG, unit="8f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0") for n in range(3)],
    },
    newest=[answer(n, worker=LONG, preview="word " * 24) for n in range(3)],
    notices=[notice("x", "warning", "https://example.org/" + "path/" * 40, "Look at " + "it " * 60)],
    budgets=[
        budget("task", 50.0, 1.98, 34.02, LONG),
        budget("month", 400_000.0, 131_000.98, 334_000.02, "2026-11", "GBP"),
    ],
)

RIGHT_TO_LEFT = state_of(
    units(**THREE_AT_WORK),
    name="وصف الصور",
    title="صف ما تراه في الصورة (3 دقائق)",
    per_hour=184.0,
    median=42.0,
    people={"seen": 41, "rows": [person(n, worker=name) for n, name in enumerate(("مريم", "דוד (2)", "ann"))]},
    newest=[
        answer(0, worker="مريم", preview="قطة تجلس على النافذة, 2 cats"),
        answer(1, worker="דוד", preview="חתול יושב ליד החלון!"),
        answer(2, preview="A cat (قطة) at the window."),
        answer(
            3, worker="مريم", preview="قطة رمادية صغيرة تجلس على حافة النافذة المفتوحة وتنظر إلى الحديقة الكبيرة " * 2
        ),
    ],
    notices=[notice("x", "warning", "فشل تحميل الملف data.csv", "Look at data.csv.")],
)

HOSTILE_TEXT = state_of(
    units(**THREE_AT_WORK),
    name=HOSTILE,
    title=HOSTILE,
    absence=HOSTILE,
    url="javascript:alert(3)",
    worker_url=HOSTILE,
    has_own_links=False,
    per_hour=184.0,
    median=42.0,
    people={"seen": 41, "rows": [person(n, worker=HOSTILE, unit=HOSTILE) for n in range(3)]},
    newest=[answer(n, worker=HOSTILE, preview=HOSTILE, unit=HOSTILE) for n in range(3)],
    notices=[notice("x", "error", HOSTILE, HOSTILE, {"name": "expire", "args": {}, "label": HOSTILE})],
    budgets=[budget("task", 50.0, 1.98, 34.02, HOSTILE)],
)

STATES = {
    "empty": EMPTY,
    "busy": BUSY,
    "trouble": TROUBLE,
    "finished": FINISHED,
    "10000-units": HUGE,
    "long-names": LONG_NAMES,
    "right-to-left": RIGHT_TO_LEFT,
    "hostile": HOSTILE_TEXT,
}


def listed(state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a run as the list of all runs has it."""
    run, counts = state["run"], state["units"]
    same = {name: run[name] for name in ("id", "name", "title", "status", "launched_at", "ended_at")}
    numbers = {"answered": counts["answered"], "total": counts["total"], "at_work": state["people"]["at_work"]}
    money = state["money"]
    cost = {"spent": money["spent"], "whole_cost": money["total"], "currency": money["currency"]}
    urgent = sum(one["severity"] != "info" for one in state["attention"])
    return {**same, **numbers, **cost, "attention": urgent, **changes}


RUNS: dict[str, Any] = {
    "v": 1,
    "now": NOW,
    "closed": False,
    "runs": [
        listed(HOSTILE_TEXT, id="f", status="failed", attention=1),
        listed(TROUBLE, id="b"),
        listed(BUSY),
        listed(RIGHT_TO_LEFT, id="d", status="left", at_work=None, attention=0),
        listed(FINISHED, id="c"),
        listed(FINISHED, id="e", name=LONG),
    ],
}
RUNS["sums"] = [
    {"currency": "USD", **{name: sum(run[name] for run in RUNS["runs"]) for name in ("spent", "whole_cost")}}
]

SUBMISSION: dict[str, Any] = {
    "agent_id": "done0",
    "worker": "worker-0",
    "unit": "100",
    "assignment": "50",
    "at": NOW - 3,
    "started_at": NOW - 34,
    "seconds": 31.0,
    "status": "completed",
    "inputs": {"subject": "THIRD time I write", "body": "Nobody answers me!\nI want my money back TODAY."},
    "answer": {
        "tone": "angry",
        "urgency": 5,
        "tags": ["refund", HOSTILE],
        "reply": "We are sorry.\n\nYour money is on its way.",
    },
    "files": [],
}
