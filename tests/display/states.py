"""States of runs as the kernel gives them to the front end: one of each kind that has to look right."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

#: When all of these are.
NOW = 1_796_000_000.0

UNITS = ("created", "launched", "assigned", "completed", "accepted", "soft_rejected", "rejected", "expired")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> =1+1\x00\x07\x1b[31m\u202etxt.exe"
LONG = "a-very-long-task-name-of-somebody-who-writes-everything-into-it-" * 4


def units(**counts: int) -> dict[str, int]:
    """Give the units by status, with the sums."""
    all_counts = {name: counts.get(name, 0) for name in UNITS}
    answered = sum(all_counts[name] for name in ("completed", "accepted", "soft_rejected", "rejected"))
    total = sum(all_counts.values()) - all_counts["expired"]
    return {**all_counts, "total": total, "answered": answered}


def person(number: int, **changes: Any) -> dict[str, Any]:
    """Give somebody at work."""
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
    """Give a submission."""
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


def trouble(key: str, severity: str, reason: str, remedy: str, action: Any = None) -> dict[str, Any]:
    """Give something that needs attention."""
    return {"key": key, "severity": severity, "reason": reason, "remedy": remedy, "action": action}


EMPTY: dict[str, Any] = {
    "v": 1,
    "run": {
        "id": "01kb2m7v9x",
        "name": "email-tone",
        "title": "How does this customer sound?",
        "status": "live",
        "url": "http://127.0.0.1:3000/",
        "worker_url": None,
        "has_own_links": True,
        "launched_at": NOW - 12,
        "ended_at": None,
        "now": NOW,
        "blueprint": "static_html",
        "provider": "mock",
        "link": "up",
        "absence": "",
    },
    "units": units(launched=200),
    "pace": {
        "per_hour": None,
        "seconds_left": None,
        "seconds_left_low": None,
        "seconds_left_high": None,
        "median_seconds": None,
        "recent": [0] * 30,
    },
    "money": {
        "currency": "USD",
        "reward": 0.15,
        "fee_rate": 0.0,
        "spent": 0.0,
        "committed": 0.0,
        "to_come": 30.0,
        "total": 30.0,
        "fees": {"spent": 0.0, "committed": 0.0, "to_come": 0.0},
        "per_hour": None,
        "minimum_per_hour": None,
        "below_minimum": False,
    },
    "people": {"at_work": 0, "connected": 0, "seen": 0, "rows": []},
    "newest": [],
    "attention": [],
    "limits": {"max_num_concurrent_units": 0, "maximum_units_per_worker": 0, "task_reward": 0.15},
    "rates": {"returned": 0, "dropped": 0, "timed_out": 0, "page_errors": 0, "workers_with_errors": 0},
}


def with_changes(base: dict[str, Any], **parts: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """Give a state with parts merged into it."""
    state = deepcopy(base)
    for name, part in parts.items():
        state[name] = {**state[name], **part} if isinstance(part, dict) else part
    return state


BUSY = with_changes(
    EMPTY,
    run={"launched_at": NOW - 2_520},
    units=units(accepted=22, completed=104, assigned=8, launched=12, created=54, expired=3),
    pace={
        "per_hour": 184.0,
        "seconds_left": 1_440.0,
        "seconds_left_low": 1_020.0,
        "seconds_left_high": 2_160.0,
        "median_seconds": 42.0,
        "recent": [0, 1, 2, 2, 4, 5, 3, 6, 5, 4, 5, 7, 4, 3, 2, 4, 5, 6, 4, 4, 5, 3, 6, 7, 5, 4, 6, 5, 6, 3],
    },
    money={
        "reward": 0.15,
        "fee_rate": 0.2,
        "spent": 22.68,
        "committed": 1.44,
        "to_come": 11.88,
        "total": 36.0,
        "fees": {"spent": 3.78, "committed": 0.24, "to_come": 1.98},
        "per_hour": 12.86,
        "minimum_per_hour": 12.0,
    },
    people={"at_work": 8, "connected": 7, "seen": 41, "rows": [person(n) for n in range(8)]},
    newest=[answer(n) for n in range(10)],
)

TROUBLE = with_changes(
    BUSY,
    run={"status": "paused", "link": "down"},
    units=units(completed=61, soft_rejected=4, rejected=9, assigned=3, launched=40, created=80, expired=31),
    pace={
        "per_hour": 12.0,
        "seconds_left": None,
        "seconds_left_low": None,
        "seconds_left_high": None,
        "median_seconds": 84.4,
    },
    money={
        "spent": 13.32,
        "committed": 0.54,
        "to_come": 21.6,
        "total": 35.46,
        "fees": {"spent": 2.22, "committed": 0.09, "to_come": 3.6},
        "per_hour": 6.4,
        "minimum_per_hour": 12.0,
        "below_minimum": True,
    },
    people={
        "at_work": 3,
        "connected": 0,
        "rows": [person(n, since=NOW - 1_400 + 60 * n, connected=None) for n in range(3)],
    },
    newest=[answer(n, at=NOW - 1_260 - 17 * n) for n in range(10)],
    attention=[
        trouble(
            "link",
            "error",
            "The router does not answer since 14:02:11.",
            "Workers can go on and nothing is lost. If it lasts, look at the disk of this machine.",
        ),
        trouble(
            "pay",
            "warning",
            "Half of the workers earn less than $6.40 an hour; your minimum is $12.00.",
            "Raise the pay of units that nobody has yet to $0.29.",
            {"name": "limits", "args": {"task_reward": 0.29}, "label": "Raise to $0.29"},
        ),
        trouble(
            "data",
            "info",
            "Nobody has come for 20 minutes.",
            "Send the link again, or look whether the offer is still up.",
        ),
    ],
)

FINISHED = with_changes(
    BUSY,
    run={"status": "ended", "ended_at": NOW - 600, "launched_at": NOW - 5_000},
    units=units(accepted=180, completed=12, rejected=8, expired=5),
    pace={"per_hour": 163.6, "seconds_left": 0.0, "seconds_left_low": 0.0, "seconds_left_high": 0.0},
    money={"spent": 36.0, "committed": 0.0, "to_come": 0.0, "fees": {"spent": 6.0, "committed": 0.0, "to_come": 0.0}},
    people={"at_work": 0, "connected": 0, "seen": 63, "rows": []},
)

HUGE = with_changes(
    BUSY,
    run={"launched_at": NOW - 250_000},
    units=units(accepted=1_234, completed=4_321, assigned=873, launched=127, created=3_445, rejected=12, expired=340),
    pace={"per_hour": 1_480.0, "seconds_left": 10_900.0, "seconds_left_low": 9_800.0, "seconds_left_high": 13_100.0},
    money={
        "spent": 1_002.06,
        "committed": 157.14,
        "to_come": 642.96,
        "total": 1_802.16,
        "fees": {"spent": 167.01, "committed": 26.19, "to_come": 107.16},
    },
    people={"at_work": 873, "connected": 861, "seen": 3_120, "rows": [person(n) for n in range(50)]},
)

LONG_NAMES = with_changes(
    BUSY,
    run={"name": LONG, "title": "A title that goes on and on, " * 8},
    people={"rows": [person(n, worker=LONG, unit="8f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0") for n in range(3)]},
    newest=[answer(n, worker=LONG, preview="word " * 24) for n in range(3)],
    attention=[trouble("x", "warning", "https://example.org/" + "path/" * 40, "Look at " + "it " * 60)],
)

RIGHT_TO_LEFT = with_changes(
    BUSY,
    run={"name": "وصف الصور", "title": "صف ما تراه في الصورة (3 دقائق)"},
    people={"rows": [person(n, worker=name) for n, name in enumerate(("مريم", "דוד (2)", "ann"))]},
    newest=[
        answer(0, worker="مريم", preview="قطة تجلس على النافذة, 2 cats"),
        answer(1, worker="דוד", preview="חתול יושב ליד החלון!"),
        answer(2, preview="A cat (قطة) at the window."),
    ],
    attention=[trouble("x", "warning", "فشل تحميل الملف data.csv", "Look at data.csv.")],
)

HOSTILE_TEXT = with_changes(
    BUSY,
    run={
        "name": HOSTILE,
        "title": HOSTILE,
        "absence": HOSTILE,
        "url": "javascript:alert(3)",
        "worker_url": HOSTILE,
        "has_own_links": False,
    },
    people={"rows": [person(n, worker=HOSTILE, unit=HOSTILE) for n in range(3)]},
    newest=[answer(n, worker=HOSTILE, preview=HOSTILE, unit=HOSTILE) for n in range(3)],
    attention=[trouble("x", "error", HOSTILE, HOSTILE, {"name": "expire", "args": {}, "label": HOSTILE})],
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
    """Give a run as the list of all runs has it."""
    run, counts = state["run"], state["units"]
    same = {name: run[name] for name in ("name", "title", "status", "launched_at", "ended_at")}
    numbers = {"answered": counts["answered"], "total": counts["total"], "at_work": state["people"]["at_work"]}
    return {"id": run["id"], **same, **numbers, "attention": len(state["attention"]), **changes}


RUNS: dict[str, Any] = {
    "v": 1,
    "now": NOW,
    "closed": False,
    "runs": [
        listed(BUSY),
        listed(TROUBLE, id="b"),
        listed(FINISHED, id="c"),
        listed(RIGHT_TO_LEFT, id="d", status="left"),
        listed(FINISHED, id="e", name=LONG),
        listed(HOSTILE_TEXT, id="f", status="failed"),
    ],
}

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
