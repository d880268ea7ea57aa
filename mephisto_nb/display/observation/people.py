"""Who is at work, and what they have sent lately."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.dashboard.moment import Moment, preview_of
from mephisto_nb.display.dashboard.statistics import Answer

#: How many of those at work are listed.
MOST_ROWS = 50


def describe_people(moment: Moment) -> JSONObject:
    """Say who is at work, the longest first, and how many of them are connected (None: without a link none can tell).

    `seen` counts the workers who ever took a unit of the run.
    """
    at_work = moment.statistics.at_work
    present = _present(moment)
    slow_after = moment.slow_after
    rows = [
        {
            "agent_id": agent.agent_id,
            "worker": moment.name_of(agent),
            "unit": moment.label_of(agent.unit_id),
            "unit_id": agent.unit_id,
            "status": agent.status.value,
            "since": agent.accepted_at,
            "connected": None if present is None else agent.agent_id in present,
            "slow": slow_after is not None and moment.now - agent.accepted_at > slow_after,
        }
        for agent in islice(at_work.values(), MOST_ROWS)
    ]
    return {
        "at_work": len(at_work),
        "connected": None if present is None else len(present & at_work.keys()),
        "seen": moment.statistics.num_seen,
        "rows": rows,
    }


def describe_newest(moment: Moment, get_answer: Callable[[JSON], JSONObject]) -> list[JSONObject]:
    """List the newest answers, the newest first; `get_answer` turns what was sent into columns."""
    return [
        {
            "agent_id": answer.agent.agent_id,
            "worker": moment.name_of(answer.agent),
            "unit": moment.label_of(answer.agent.unit_id),
            "at": answer.agent.submitted_at,
            "seconds": (answer.agent.submitted_at or 0.0) - answer.agent.accepted_at,
            "preview": _preview(answer, get_answer),
        }
        for answer in moment.statistics.newest
    ]


def _present(moment: Moment) -> set[str] | None:
    live = moment.live
    return live.parts.link.present if live is not None and live.parts.link.is_connected else None


def _preview(answer: Answer, get_answer: Callable[[JSON], JSONObject]) -> str:
    if answer.preview is None:
        if answer.data is None:
            return ""
        try:
            answer.preview = preview_of(get_answer(answer.data))
        except Exception:  # noqa: BLE001 - a blueprint's own function, which was not made for this answer
            answer.preview = preview_of(answer.data)
        answer.data = None
    return answer.preview
