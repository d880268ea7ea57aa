"""A unit whose page would get more than can be sent, or cannot be made: it is taken back.

Stands alone because arrivals, the worker pool and the link to the router all have to say the same of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON
from mephisto_nb.model.packets import LARGEST_FRAME
from mephisto_nb.model.records import Agent
from mephisto_nb.model.shared_state import find_rounded
from mephisto_nb.model.states import AGENT_ACTIVE, AgentStatus
from mephisto_nb.rules.departures import leave
from mephisto_nb.utils.json_size import json_size, surely_fits

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step

#: What a page may get when it is opened (bytes of JSON): the frame that carries it holds some more.
MOST_FOR_A_PAGE = LARGEST_FRAME - 64 * 1024
#: How much of that may be what was said before.
MOST_HISTORY = LARGEST_FRAME // 2
#: What a worker reads in the place of what could not be sent.
TOO_LARGE = "This is too large to be sent to your browser. It is not your fault, and the researcher has been told."

_REMEDY = (
    "Put what is large (pictures, sound, video) into files of extra_source_dir, and their names into the data; then "
    "launch the run anew"
)


def say_size(size: int) -> str:
    """Return how large something is, and what is allowed."""
    return f"it takes {size / 1e6:.1f} MB, and at most {LARGEST_FRAME / 1e6:.1f} MB can be sent at once"


def page_size(data: JSON) -> int | None:
    """Return about how many bytes a page's data takes where that is more than can be sent; None: it can."""
    if surely_fits(data, MOST_FOR_A_PAGE):
        return None
    size = json_size(data, MOST_FOR_A_PAGE)
    if size <= MOST_FOR_A_PAGE and (rounded := find_rounded(data)):
        size += 2 * len(rounded) + json_size(rounded, MOST_FOR_A_PAGE)  # these numbers are text, and it is told where
        return size if size > MOST_FOR_A_PAGE else None
    return json_size(data, 64 * MOST_FOR_A_PAGE) if size > MOST_FOR_A_PAGE else None


def take_back(step: Step, agent: Agent, size: int, *, is_new: bool) -> bool:
    """Report that an agent's page cannot get its work; return whether its unit was taken back, so that nobody gets it.

    Who had begun before (not `is_new`) keeps what they hold: their page shows it already.
    """
    unit = step.state.units[agent.unit_id]
    name = step.state.worker_names.get(agent.worker_id, agent.worker_id)
    is_taken_back = is_new and agent.status in AGENT_ACTIVE
    index = step.state.assignments[unit.assignment_id].index
    what = f"Unit {unit.unit_id} (row {index}) cannot be sent to the page of worker {name!r}: {say_size(size)}"
    if is_taken_back:
        taken_back = "It was taken back, and nobody gets it."
    else:
        taken_back = "The worker keeps it." if agent.status in AGENT_ACTIVE else "The worker has left it."
    step.log("unit", unit.unit_id, None, None, "too large for a page", "operator", {"bytes": size})
    # Of all such units the latest is shown, with how many there are: other troubles need room, too.
    step.failures.append(("a unit too large for a page", f"{what}. {taken_back} {_REMEDY}. run.events() has each."))
    if is_taken_back:
        leave(step, agent.agent_id, AgentStatus.EXPIRED, "too large for a page", "operator", seat_is_taken_back=True)
    return is_taken_back


def take_back_unmade(step: Step, agent: Agent, why: str, *, is_new: bool) -> None:
    """Take back a unit whose page cannot be made, of who has not begun: it could not be made for them later, either."""
    if is_new and agent.status in AGENT_ACTIVE:
        leave(step, agent.agent_id, AgentStatus.EXPIRED, why, "operator", seat_is_taken_back=True)


def note_left_out(step: Step, agent: Agent, count: int) -> None:
    """Report that a page which was loaded again gets the newest part alone of what was said."""
    name = step.state.worker_names.get(agent.worker_id, agent.worker_id)
    what = f"The page of worker {name!r} (unit {agent.unit_id}) was loaded again without the first {count:,} messages"
    why = f"all of them take more than the {MOST_HISTORY / 1e6:.1f} MB that are sent"
    step.failures.append(
        # Of all such pages the latest is shown, with how many there are.
        ("a history too long for a page", f"{what}: {why}. They are recorded, and nothing has to be done.")
    )
