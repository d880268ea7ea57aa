"""The table of gates: a gate is one line here and one file in this folder.

All that the rest of the package has to know of gates is asked of this table or of the gates themselves, so nothing
else names one.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.rules.gates._base import (
    FLAG,
    REPEAT,
    AnswerCheck,
    BaseGate,
    CommonGateSettings,
    EntryGate,
    GateRules,
    GateSetup,
    GateWords,
    UnitGate,
    check_functions,
    check_not_negative,
    named,
)
from mephisto_nb.rules.gates.attention import AttentionCheck
from mephisto_nb.rules.gates.gold import GoldGate
from mephisto_nb.rules.gates.minimum_time import MinimumTimeCheck
from mephisto_nb.rules.gates.onboarding import OnboardingGate
from mephisto_nb.rules.gates.screening import ScreeningGate
from mephisto_nb.rules.gates.suspicious_answer import SuspiciousAnswerCheck

#: All gates, in the order in which a worker meets them.
GATES: list[type[BaseGate[Any]]] = [
    OnboardingGate,
    ScreeningGate,
    GoldGate,
    MinimumTimeCheck,
    AttentionCheck,
    SuspiciousAnswerCheck,
]

#: What the qualification of failed checks ends in where no other name is set, and what is named after it.
_CHECKS_ENDING, _BLOCKED = "-failed-checks", "-blocked"


def unit_gates() -> list[type[UnitGate[Any]]]:
    """Return the gates that give out units of their own."""
    return [gate for gate in GATES if issubclass(gate, UnitGate)]


def names_by_index() -> dict[int, str]:
    """Return the names of these, by the `unit_index` of their units."""
    return {gate.UNIT_INDEX: gate.NAME for gate in unit_gates()}


def names_of_accuracy() -> set[str]:
    """Return the gates whose verdicts show how often a worker is right."""
    return {gate.NAME for gate in GATES if gate.SHOWS_ACCURACY}


def all_words() -> list[GateWords]:
    """Return all that workers may hear of gates."""
    return [words for gate in GATES for words in gate.words()]


# -- settings ------------------------------------------------------------------------------------------------


def settings_fields() -> list[tuple[str, Any, dataclasses.Field[Any]]]:
    """Return the settings of all gates: the name, type and field of each."""
    found = []
    for one in (*(gate.SETTINGS for gate in GATES), CommonGateSettings):
        types = inspect.get_annotations(one, eval_str=True)
        found += [(field.name, types[field.name], field) for field in dataclasses.fields(one)]
    return found


def take_settings(settings_class: type[Any], blueprint_args: Any) -> Any:
    """Take the settings of one gate out of those of a blueprint; what is missing there has its default."""
    names = [one.name for one in dataclasses.fields(settings_class)]
    return settings_class(**{name: getattr(blueprint_args, name) for name in names if hasattr(blueprint_args, name)})


def noted_settings(blueprint_args: Any, shared: SharedTaskState) -> JSONObject:
    """Return settings that the shared state has decided about, to be stored with the run."""
    noted: JSONObject = {}
    for gate in GATES:
        noted |= gate.noted(take_settings(gate.SETTINGS, blueprint_args), shared)
    return noted


def check_settings(
    blueprint_args: Any, shared: SharedTaskState, own_fields: frozenset[str] = frozenset(), *, together: bool = False
) -> None:
    """Refuse gates that cannot work; called before a launch.

    Parameters
    ----------
    blueprint_args, shared
        The settings, and the researcher's functions and rows.
    own_fields
        The settings of the blueprint itself.
    together
        Whether people do an assignment together.

    Raises
    ------
    ConfigError
        A setting or a function is missing, or they do not fit together.
    """
    setups = [(gate, GateSetup(take_settings(gate.SETTINGS, blueprint_args), shared, own_fields)) for gate in GATES]
    common = take_settings(CommonGateSettings, blueprint_args)
    _check_common(common, together=together)
    for gate, setup in setups:
        check_not_negative(setup.settings, gate.NOT_NEGATIVE)
    for gate in GATES:
        check_functions(shared, [name for name in (gate.FUNCTION, *gate.OTHER_FUNCTIONS) if name])
        check_functions(shared, gate.PLAIN_FUNCTIONS, plain_only=True)
    for gate, setup in setups:
        gate.check_setup(setup)


def _check_common(common: CommonGateSettings, *, together: bool) -> None:
    check_not_negative(common, ("max_failed_checks",))
    if common.after_failed_check not in (FLAG, REPEAT):
        raise ConfigError(
            f"mephisto.blueprint.after_failed_check is {common.after_failed_check!r}; it must be {FLAG!r}, which keeps "
            f"and marks the answer, or {REPEAT!r}, which offers its unit to somebody else."
        )
    if common.after_failed_check == REPEAT and together:
        raise ConfigError(
            f"mephisto.blueprint.after_failed_check is {REPEAT!r}, but people do an assignment together here, and "
            f"nobody would be there to do one part of it again with. Set it to {FLAG!r}."
        )


# -- a run's gates -------------------------------------------------------------------------------------------


def open_gates(
    blueprint_args: Any,
    shared: SharedTaskState,
    task_name: str,
    warn: Callable[[str], None] = lambda message: None,
) -> GateRules:
    """Return the gates of a run; `warn` is called when a function that must answer at once has failed."""
    common = take_settings(CommonGateSettings, blueprint_args)
    settings = [(gate, take_settings(gate.SETTINGS, blueprint_args)) for gate in GATES]
    opened = [gate(own, shared, task_name, warn) for gate, own in settings if gate.is_open(own, shared)]
    return GateRules(
        entries=tuple(gate for gate in opened if isinstance(gate, EntryGate)),
        checks=tuple(gate for gate in opened if isinstance(gate, AnswerCheck)),
        block=named(common.block_qualification),
        failed_checks=named(common.failed_checks_qualification, f"{task_name}{_CHECKS_ENDING}"),
        max_failed_checks=common.max_failed_checks,
        repeats_failed=common.after_failed_check == REPEAT,
    )


# -- qualifications ------------------------------------------------------------------------------------------


def qualification_keys() -> set[str]:
    """Return the settings that name a qualification."""
    return {"block_qualification", "failed_checks_qualification"} | {
        gate.QUALIFICATION for gate in GATES if gate.QUALIFICATION
    }


def granted_names(task_name: str, found_in_settings: Iterable[str]) -> set[str]:
    """Return all qualifications that the gates of a task's runs go by; `found_in_settings` are those that are set."""
    in_settings = set(found_in_settings)
    endings = {ending for gate in GATES for ending in gate.ENDINGS} | {_BLOCKED}
    defaults = {f"{task_name}{gate.DEFAULT_ENDING}" for gate in GATES if gate.DEFAULT_ENDING is not None}
    bases = {*in_settings, *defaults, f"{task_name}{_CHECKS_ENDING}"}
    return (bases - ({task_name} - in_settings)) | {base + ending for base in bases for ending in endings}
