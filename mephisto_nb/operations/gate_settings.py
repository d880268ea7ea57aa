"""From a configuration and a shared state to the gates of a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from mephisto_nb.config.schema import names_of
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.gates.gate_rows import RowSource, source_of
from mephisto_nb.model.gates import REPEAT, GateArgs, check_gate_args
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates.gate_rules import GateRules, gold_is_due, has_few_wrong
from mephisto_nb.utils.logging import get_logger, warn_once

logger = get_logger(__name__)

_FUNCTIONS = (
    "validate_onboarding", "judge_screening", "judge_gold", "judge_attention", "get_gold_for_worker",
    "worker_needs_gold", "worker_qualifies",
)  # fmt: skip
_PLAIN = ("worker_needs_gold", "worker_qualifies")


def uses_screening(args: GateArgs, shared: SharedTaskState) -> bool:
    """Tell whether newcomers do a screening unit first."""
    has_rows = shared.screening is not None or shared.screening_data_factory is not None
    return has_rows if args.use_screening_task is None else args.use_screening_task


def uses_golds(args: GateArgs, shared: SharedTaskState) -> bool:
    """Tell whether gold units are mixed in."""
    has_rows = shared.golds is not None or shared.get_gold_for_worker is not None
    return has_rows if args.use_golds is None else args.use_golds


def make_gate_rules(args: GateArgs, shared: SharedTaskState, task_name: str) -> GateRules:
    """Give the gates of a run."""
    screens, has_golds = uses_screening(args, shared), uses_golds(args, shared)
    has_checks = bool(args.attention_checks or args.minimum_seconds or shared.judge_attention)
    return GateRules(
        onboarding=_named(args.onboarding_qualification, ""),
        onboarding_data=shared.onboarding_data,
        screening=_named(args.passed_qualification_name, f"{task_name}-screening") if screens else "",
        max_screening_units=args.max_screening_units,
        gold=_named(args.gold_qualification_base, task_name) if has_golds else "",
        max_gold_units=args.max_gold_units,
        min_golds=args.min_golds,
        max_incorrect_golds=args.max_incorrect_golds,
        needs_gold=_guarded("worker_needs_gold", shared.worker_needs_gold, gold_is_due),
        qualifies=_guarded("worker_qualifies", shared.worker_qualifies, has_few_wrong),
        block=_named(args.block_qualification, ""),
        checks=_named(args.failed_checks_qualification, f"{task_name}-failed-checks") if has_checks else "",
        attention=dict(args.attention_checks),
        judges_attention=shared.judge_attention is not None,
        minimum_seconds=args.minimum_seconds,
        repeats_failed=args.after_failed_check == REPEAT,
        max_failed_checks=args.max_failed_checks,
        hidden=frozenset(args.attention_checks.values()),
    )


def check_gates(args: GateArgs, shared: SharedTaskState, own_fields: set[str]) -> dict[Gate, RowSource]:
    """Refuse gates that cannot work, and give the rows of those that can.

    Raises
    ------
    ConfigError
        A setting or a function is missing, or they do not fit together.
    DataFileError
        The rows of a gate are no rows, or lack the right answers.
    """
    check_gate_args(args)
    _check_functions(shared)
    _check_onboarding(args, shared, own_fields)
    sources = {}
    for gate, is_used in ((Gate.SCREENING, uses_screening(args, shared)), (Gate.GOLD, uses_golds(args, shared))):
        if is_used:
            sources[gate] = _check_rows(gate, args, shared)
    return sources


def _check_functions(shared: SharedTaskState) -> None:
    for name in _FUNCTIONS:
        function = getattr(shared, name)
        if function is not None and not callable(function):
            raise ConfigError(f"SharedTaskState.{name} is {function!r}, which cannot be called.")
        if name in _PLAIN and inspect.iscoroutinefunction(function):
            raise ConfigError(f"SharedTaskState.{name} is async; it must answer at once: use a plain function.")


def _check_onboarding(args: GateArgs, shared: SharedTaskState, own_fields: set[str]) -> None:
    qualification = _named(args.onboarding_qualification, "")
    pages = [name for name in ("onboarding_source", "onboarding_html") if _named(getattr(args, name), "")]
    if pages and "onboarding_html" not in own_fields:
        raise ConfigError(
            f"mephisto.blueprint.{pages[0]} is set, but this blueprint's page is not made from a template. Remove the "
            "key: its own page shows the introduction."
        )
    if pages and not qualification:
        raise ConfigError(
            f"mephisto.blueprint.{pages[0]} is set, but nobody would see it. Set onboarding_qualification to the name "
            "of what those are granted who pass."
        )
    if qualification and not pages and "onboarding_html" in own_fields:
        raise ConfigError(
            f"mephisto.blueprint.onboarding_qualification is {qualification!r}, but there is no introduction to show. "
            "Set onboarding_source to an HTML file, or onboarding_html to the HTML itself."
        )
    if qualification and shared.validate_onboarding is None:
        raise ConfigError(
            f"mephisto.blueprint.onboarding_qualification is {qualification!r}, but SharedTaskState has no "
            "validate_onboarding to judge by. Give one; lambda data: True lets everybody in."
        )


def _check_rows(gate: Gate, args: GateArgs, shared: SharedTaskState) -> RowSource:
    is_gold = gate is Gate.GOLD
    key, rows, other, answer, judge = (
        ("use_golds", "golds", "get_gold_for_worker", "gold_answer", "judge_gold")
        if is_gold
        else ("use_screening_task", "screening", "screening_data_factory", "screening_answer", "judge_screening")
    )
    given = [name for name in (rows, other) if getattr(shared, name) is not None]
    if shared.screening_data_factory is False and not is_gold:
        raise ConfigError(
            "SharedTaskState.screening_data_factory is False: to screen on the work itself is not done here. Give rows "
            "whose answers you know (screening=..., screening_answer=...); or let judge_attention=f(answer, row) judge "
            "the work, with mephisto.blueprint.max_failed_checks=0: nobody gets more before they are judged."
        )
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        raise ConfigError(
            f"mephisto.blueprint.{key} asks for rows from SharedTaskState.{rows} or .{other}; there is {found}. Give "
            "one of them."
        )
    if not names_of(getattr(shared, answer)) and getattr(shared, judge) is None:
        raise ConfigError(
            f"Nothing says which answers to {gate.value} units are right. Give SharedTaskState({answer}='COLUMN'), or "
            f"{judge}=f(answer, row) -> bool."
        )
    source = source_of(gate, shared)
    if is_gold and source.rows is not None and len(source.rows) < args.min_golds:
        raise ConfigError(
            f"mephisto.blueprint.min_golds is {args.min_golds}, but there are {len(source.rows)} gold rows, and a "
            "worker sees each of them once. Give more rows, or ask for fewer."
        )
    if source.rows is not None and not source.rows:
        raise ConfigError(f"SharedTaskState.{rows} holds no rows. Give at least one.")
    return source


def _named(value: str | None, otherwise: str) -> str:
    return value if value and value != "???" else otherwise


def _guarded(name: str, function: Callable[..., bool] | None, otherwise: Callable[..., bool]) -> Callable[..., bool]:
    """Give the researcher's function, or what holds where there is none, or where it raises."""
    if function is None:
        return otherwise
    wanted = function

    def guarded(*args: int) -> bool:
        try:
            found = wanted(*args)
            if found is None:
                raise TypeError("it gave None; it must give True or False")
            return bool(found)
        except Exception as error:  # noqa: BLE001 - a researcher's function; its failure must not stop the run
            warn_once(logger, f"{name} raised {error!r}; the usual rule holds instead.")
            return otherwise(*args)

    return guarded
