"""What a person asks for becomes a decision that can be made, or is refused before anything is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TypeAlias

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import dollars
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.reviews import Decision
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.model.task_run_args import MAXIMUM_BONUS
from mephisto_nb.utils.ids import login_name

#: Qualifications to grant: a name (value 1), several, or values by name.
Grants: TypeAlias = "str | Iterable[str] | Mapping[str, int] | None"

#: What a person says, and what it makes of a unit.
VERDICTS: Mapping[str, UnitStatus] = {
    "approve": UnitStatus.ACCEPTED,
    "soft_reject": UnitStatus.SOFT_REJECTED,
    "reject": UnitStatus.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Extras:
    """What may come with a verdict.

    Parameters
    ----------
    note
        For yourself and your colleagues; the worker never sees it.
    bonus
        US dollars for each answer.
    message
        For the worker, where the crowd can send one.
    grant
        Qualifications that the workers get: a name (value 1), several, or values by name.
    block
        Whether the workers are offered nothing any more.
    again
        Whether an answer that was decided on before is decided on anew; otherwise it is left alone.
    who
        Who decides; None: the name that this computer knows you by.
    maximum_bonus
        How much a bonus may be this once, in US dollars; None: ``mephisto.task.maximum_bonus`` of the run.
    """

    note: str = ""
    bonus: float = 0.0
    message: str = ""
    grant: Grants = None
    block: bool = False
    again: bool = False
    who: str | None = None
    maximum_bonus: float | None = None


def make_decision(verdict: str, extras: Extras) -> Decision:
    """Make a decision of what somebody asks for.

    Raises
    ------
    ConfigError
        There is no such verdict, or something that is to come with it cannot be.
    """
    if verdict not in VERDICTS:
        raise ConfigError(f"There is no verdict {verdict!r}. There are: {', '.join(VERDICTS)}.")
    bonus = _amount("bonus", extras.bonus)
    if bonus and verdict == "reject":
        raise ConfigError("A rejected answer gets no bonus. Soft-reject it, which pays, or leave the bonus out.")
    return Decision(
        verdict=VERDICTS[verdict],
        who=who_decides(extras.who),
        note=_text("note", extras.note),
        message=_text("message", extras.message),
        bonus=bonus,
        grants=_grants(extras.grant),
        block=bool(extras.block),
        again=bool(extras.again),
    )


def who_decides(who: str | None) -> str:
    """Give the name of who decides."""
    if who is not None:
        return _text("who", who)
    return login_name()


def refuse_bonus(extras: Extras, runs: Iterable[TaskRun]) -> None:
    """Raise `ConfigError` where a bonus is more than a task allows, and than was allowed for this once."""
    bonus = _amount("bonus", extras.bonus)
    own = None if extras.maximum_bonus is None else _amount("maximum_bonus", extras.maximum_bonus)
    for run in runs:
        task = run.config.get("mephisto", {}).get("task", {})
        most = float(task.get("maximum_bonus", MAXIMUM_BONUS)) if own is None else own
        if bonus > most:
            whose = f"mephisto.task.maximum_bonus of {run.task_name!r}" if own is None else "the maximum_bonus given"
            raise ConfigError(
                f"A bonus of {dollars(bonus)} is more than {whose}, {dollars(most)}. Give less; or, if it is meant, "
                f"allow it in a cell for this one decision: maximum_bonus={bonus:g}."
            )


def _amount(name: str, amount: object) -> float:
    if isinstance(amount, bool) or not isinstance(amount, Real) or not math.isfinite(amount) or amount < 0:
        raise ConfigError(f"The {name} cannot be {amount!r}. Give US dollars for each answer, 0 or more.")
    return float(amount)


def _text(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"{name} is {text!r}. Give text.")
    return text


def _grants(grant: object) -> dict[str, int]:
    given = {grant: 1} if isinstance(grant, str) else grant
    pairs = given.items() if isinstance(given, Mapping) else [(name, 1) for name in _names(given)]
    for name, value in pairs:
        if not isinstance(name, str) or not name.strip() or isinstance(value, bool) or not isinstance(value, Integral):
            raise ConfigError(
                f"grant holds {name!r}: {value!r}. Give names of qualifications, each with a whole number."
            )
    return {str(name): int(value) for name, value in pairs}


def _names(given: object) -> list[object]:
    if given is not None and not isinstance(given, Iterable):
        raise ConfigError(f"grant is {given!r}. Give a qualification's name, several, or a dict of values by name.")
    return list(given or ())
