"""Judges what workers hand in at gates, with the researcher's functions or by the right answers of the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.config.schema import names_of
from mephisto_nb.errors import ConfigError, MephistoError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates.checks import is_same
from mephisto_nb.utils.user_code import call

#: How long a function may take to judge an answer, in seconds.
PATIENCE = 300.0


class JudgeError(MephistoError):
    """An answer could not be judged; the message says by what, and why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether an answer is good enough, and what was found on the way."""

    passed: bool
    detail: JSONObject


class Judges:
    """Those who judge for one run.

    Parameters
    ----------
    shared_state
        Holds the researcher's functions, and says which columns hold right answers.
    read_answer
        Gives the fields of what was submitted: `Blueprint.get_answer`.
    """

    def __init__(self, shared_state: SharedTaskState, read_answer: Callable[[JSON], JSONObject]) -> None:
        self._read_answer = read_answer
        self._functions = {
            Gate.ONBOARDING: ("validate_onboarding", shared_state.validate_onboarding),
            Gate.SCREENING: ("judge_screening", shared_state.judge_screening),
            Gate.GOLD: ("judge_gold", shared_state.judge_gold),
            Gate.ATTENTION: ("judge_attention", shared_state.judge_attention),
        }
        self._answers = {
            Gate.SCREENING: names_of(shared_state.screening_answer),
            Gate.GOLD: names_of(shared_state.gold_answer),
        }

    async def judge(self, gate: Gate, data: JSON, row: JSONObject) -> Finding:
        """Judge one answer; `row` is what it answers, with all that is known of it.

        Raises
        ------
        JudgeError
            There is no function, it raised, took too long, or said neither yes nor no.
        """
        name, function = self._functions[gate]
        try:
            async with asyncio.timeout(PATIENCE):
                if gate is Gate.ONBOARDING:
                    return Finding(_yes_or_no(name, await call(_there(name, function), data)), {})
                answer = self._read_answer(data)
                wrong = [
                    field for field in self._answers.get(gate, ()) if not is_same(answer.get(field), row.get(field))
                ]
                if function is None and not self._answers.get(gate):
                    _there(name, function)
                passed = not wrong and (function is None or _yes_or_no(name, await call(function, answer, row)))
                return Finding(passed, {"wrong": wrong} if wrong else {})
        except TimeoutError as error:
            raise JudgeError(f"{name} took more than {PATIENCE:g} seconds") from error
        except JudgeError:
            raise
        except Exception as error:
            raise JudgeError(f"{name} raised {error!r}") from error


def _there(name: str, function: Any) -> Any:
    if function is None:
        raise JudgeError(f"{name} is not there: take the run up again with its SharedTaskState")
    return function


def _yes_or_no(name: str, result: object) -> bool:
    if result is None:
        raise ConfigError(f"{name} gave None; it must give True or False")
    return bool(result)
