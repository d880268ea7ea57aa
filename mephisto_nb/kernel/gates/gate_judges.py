"""Judges answers: asks each gate what it can tell, and calls the researcher's functions that judge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, MephistoError
from mephisto_nb.model.gates import GateFinding
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import BaseGate, GateRules, SentAnswer
from mephisto_nb.utils.user_code import call

#: How long a function may take to judge an answer, in seconds.
PATIENCE = 300.0


class JudgeError(MephistoError):
    """An answer could not be judged; the message says by what, and why."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of an answer; `failure` says which function failed to judge it, and why."""

    findings: list[GateFinding]
    failure: str | None = None


class Judges:
    """Those who judge for one run.

    Parameters
    ----------
    rules
        The run's gates.
    read_answer
        Returns the fields of what was submitted: `Blueprint.get_answer`.
    """

    def __init__(self, rules: GateRules, read_answer: Callable[[JSON], JSONObject]) -> None:
        self._rules, self._read_answer = rules, read_answer

    def read(self, data: JSON) -> JSONObject:
        """Return the fields of what was submitted. Raises `JudgeError` if the blueprint cannot tell."""
        try:
            return self._read_answer(data)
        except Exception as error:
            raise JudgeError(f"the answer cannot be read: {error!r}") from error

    @property
    def need_others(self) -> bool:
        """Whether a check needs the answers of others to the same assignment."""
        return any(check.needs_others for check in self._rules.later_checks)

    async def judge(self, kind: Gate, sent: SentAnswer) -> Judgement:
        """Judge one answer: at the gate before the work that `kind` names, or else by all checks that judge later."""
        entry = self._rules.entry(kind)
        found: list[GateFinding] = []
        failure = None
        for gate in [entry] if entry is not None else self._rules.later_checks:
            try:
                one = await _judge(gate, sent)
            except JudgeError as error:
                failure = failure or str(error)
                found.append(gate.found(None, {"error": str(error)}))
            else:
                found += [] if one is None else [one]
        if entry is not None and not found:
            failure = f"{entry.FUNCTION} is not there: take the run up again with its SharedTaskState"
        return Judgement(found, failure)


async def _judge(gate: BaseGate[Any], sent: SentAnswer) -> GateFinding | None:
    """Judge an answer at one gate; None: it has nothing to tell.

    Raises
    ------
    JudgeError
        The researcher's function raised, took too long, or said neither yes nor no.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            found = gate.look(sent)
            if gate.function is None or (found is not None and found.passed is False):
                return found
            return gate.found(_yes_or_no(gate.FUNCTION, await call(gate.function, *gate.arguments(sent))))
    except TimeoutError as error:
        raise JudgeError(f"{gate.FUNCTION} took more than {PATIENCE:g} seconds") from error
    except Exception as error:
        raise JudgeError(f"{gate.FUNCTION or gate.NAME} raised {error!r}") from error


def _yes_or_no(name: str, result: object) -> bool:
    if result is None:
        raise ConfigError(f"{name} gave None; it must give True or False")
    return bool(result)
