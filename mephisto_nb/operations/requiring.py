"""Which runs ask for a qualification, or grant it by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mephisto_nb._typing import JSON
from mephisto_nb.model.records import TaskRun

#: What a blueprint's arguments call a qualification, what those are called that are not named there (after the task),
#: and what is made of them with an ending (see `lifecycle.gate_rules.GateRules`).
_KEYS = (
    "block_qualification", "onboarding_qualification", "passed_qualification_name", "gold_qualification_base",
    "failed_checks_qualification",
)  # fmt: skip
_DEFAULTS = ("", "-screening", "-failed-checks")
_ENDINGS = ("-failed", "-blocked", "-correct-golds", "-wrong-golds", "-disqualified")


def requires(run: TaskRun, name: str) -> bool:
    """Tell whether a run asks workers for a qualification, or its gates go by it."""
    if any(requirement.get("qualification_name") == name for requirement in run.qualifications):
        return True
    named = set(_names_in(run.config))
    defaults = {f"{run.task_name}{ending}" for ending in _DEFAULTS}
    known = named | (defaults - {run.task_name}) | {base + ending for base in named | defaults for ending in _ENDINGS}
    return name in known


def _names_in(value: JSON) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, str) and inner:
                yield inner
            yield from _names_in(inner)


def describe_runs(runs: Iterable[TaskRun]) -> str:
    """Name runs in a sentence."""
    return ", ".join(f"{run.task_name!r} ({run.task_run_id})" for run in runs)
