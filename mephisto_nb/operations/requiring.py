"""Which runs ask for a qualification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mephisto_nb._typing import JSON
from mephisto_nb.data_model.records import TaskRun

#: What a blueprint's arguments call a qualification; some make others of it, with an ending.
_KEYS = ("block_qualification", "onboarding_qualification", "passed_qualification_name", "gold_qualification_base")


def requires(run: TaskRun, name: str) -> bool:
    """Tell whether a run asks workers for a qualification, or gives it to them by its configuration."""
    if any(requirement.get("qualification_name") == name for requirement in run.qualifications):
        return True
    return any(name == used or name.startswith(f"{used}-") for used in _names_in(run.config))


def _names_in(value: JSON) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, str) and inner:
                yield inner
            yield from _names_in(inner)


def describe_runs(runs: Iterable[TaskRun]) -> str:
    """Name runs in a sentence."""
    return ", ".join(f"{run.task_name!r} ({run.task_run_id})" for run in runs)
