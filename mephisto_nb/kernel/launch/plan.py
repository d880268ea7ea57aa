"""From what a person hands over to the plan of a run: its settings, and the plugins made for it.

Everything that can be refused is refused here, before anything is written or started.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.registry import (
    get_architect_from_type,
    get_blueprint_from_type,
    get_crowd_provider_from_type,
)
from mephisto_nb.errors import ConfigError, UnknownKeyError
from mephisto_nb.kernel.gates.gate_rows import RowSource, source_of
from mephisto_nb.model.qualifications import Comparator, Requirement, make_requirement, requirement_from_dict
from mephisto_nb.model.records import Assignment, Unit, Worker
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.ports.architect import Architect, RouterPlan
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.rules.gates._base import GateRules
from mephisto_nb.rules.gates.table import check_settings, noted_settings, open_gates
from mephisto_nb.rules.run_state import CanDoUnit, RunRules
from mephisto_nb.utils.logging import get_logger, warn_once

if TYPE_CHECKING:
    from mephisto_nb.config.task_run_settings import TaskRunSettings
    from mephisto_nb.kernel.can_do_unit import CanDoUnitHook

WRAPPER = "wrap_crowd_source.js"

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run that could be launched: its settings, and the plugins made for it."""

    settings: TaskRunSettings
    shared_state: SharedTaskState
    requirements: tuple[Requirement, ...]
    blueprint: Blueprint[Any]
    provider: CrowdProvider[Any]
    gates: GateRules

    def make_architect(self, directory: Path) -> Architect[Any]:
        """Return a new architect for the run."""
        return get_architect_from_type(self.settings.architect_type)(self.settings.architect_args, directory)

    def check(self, directory: Path) -> None:
        """Raise `ConfigError` for whatever cannot be launched; `directory` need not exist."""
        self.provider.assert_task_args(self.settings.task)
        self.blueprint.assert_task_args()
        own_fields = frozenset(one.name for one in fields(self.blueprint.ArgsClass))
        together = self.blueprint.get_partner_rules() is not None
        check_settings(self.settings.blueprint_args, self.shared_state, own_fields, together=together)
        for source in self.make_sources().values():
            source.check(self.blueprint.check_row)
        self.make_architect(directory).assert_task_args()

    def make_sources(self) -> dict[Gate, RowSource]:
        """Return where the rows of gates come from."""
        return {gate.KIND: source_of(gate) for gate in self.gates.unit_gates}

    def config_to_store(self) -> JSONObject:
        """Return the whole configuration, with the gates that the shared state has opened."""
        config = self.settings.as_dict()
        config["mephisto"]["blueprint"] |= noted_settings(self.settings.blueprint_args, self.shared_state)
        return config

    def make_rules(self, hook: CanDoUnitHook | None) -> RunRules:
        """Return the limits of the run."""
        task = self.settings.task
        return RunRules(
            provider_type=self.provider.PROVIDER_TYPE,
            pay_amount=task.task_reward,
            assignment_duration=task.assignment_duration_in_seconds,
            submission_timeout=task.submission_timeout,
            lifetime=task.task_lifetime_in_seconds,
            patience=task.no_submission_patience,
            allowed_concurrent=task.allowed_concurrent,
            maximum_units_per_worker=task.maximum_units_per_worker,
            max_num_concurrent_units=task.max_num_concurrent_units,
            requirements=self.requirements,
            can_do_unit=hook.may_do if hook else _can_do_unit(self.shared_state.worker_can_do_unit),
            partners=self.blueprint.get_partner_rules(),
            gates=self.gates,
        )

    def build_site(self, directory: Path) -> None:
        """Write what browsers load; blocks."""
        site = directory / "site"
        shutil.rmtree(site, ignore_errors=True)
        site.mkdir(parents=True, mode=0o700)
        self.blueprint.build_site(site)
        shutil.copyfile(self.provider.get_wrapper_js_path(), site / WRAPPER)

    def make_router_plan(self, task_run_id: str, directory: Path) -> RouterPlan:
        """Return what the architect has to serve."""
        task = self.settings.task
        about = {"run_id": task_run_id, "task_title": task.task_title, "task_description": task.task_description}
        if self.provider.name_parameter is not None:
            about["name_parameter"] = self.provider.name_parameter
        return RouterPlan(
            task_run_id=task_run_id,
            directory=directory,
            task_config={**about, **self.blueprint.get_frontend_args(), **self.shared_state.task_config},
            content_security_policy=self.blueprint.get_content_security_policy(),
            frame_ancestors=self.provider.FRAME_ANCESTORS,
            disconnect_after=self.blueprint.disconnect_after,
            linked_files={name: str(path.absolute()) for name, path in self.blueprint.get_linked_files().items()},
        )


def make_plan(settings: TaskRunSettings, shared_state: SharedTaskState) -> RunPlan:
    """Return the plan of a run, with the plugins that it names.

    Raises
    ------
    UnknownTypeError, ConfigError
        A plugin is not registered, or the shared state holds something of the wrong kind.
    """
    _check_shared_state(shared_state)
    gates = open_gates(
        settings.blueprint_args, shared_state, settings.task.task_name, lambda message: warn_once(logger, message)
    )
    return RunPlan(
        settings=settings,
        shared_state=shared_state,
        requirements=_requirements(settings, shared_state),
        blueprint=get_blueprint_from_type(settings.blueprint_type)(settings.blueprint_args, shared_state),
        provider=get_crowd_provider_from_type(settings.provider_type)(settings.provider_args),
        gates=gates,
    )


def read_launch_input(config: Any, shared_state: Any = None) -> tuple[DictConfig | Mapping[str, Any], SharedTaskState]:
    """Return the configuration and the shared state that a launch or a preview was called with.

    Parameters
    ----------
    config
        A configuration; or what `form_task` or `chat_task` made, which is one with its data.
    shared_state
        A `SharedTaskState`; or rows alone, as a DataFrame or a list. None: the task's own, or one without data.

    Raises
    ------
    ConfigError
        It cannot be told what is meant, or there are data twice.
    """
    if isinstance(config, DictConfig | Mapping):
        return config, _to_state(shared_state)
    made = _unpacked(config)
    if shared_state is not None:
        raise ConfigError(
            "The task has its data already, and there are more beside it. Hand over the task alone: "
            "launch_task_run(task)."
        )
    return made


@contextmanager
def naming_parameters(call: str) -> Iterator[None]:
    """Raise an unknown setting that was meant for a parameter as an error that says how to call the function."""
    try:
        yield
    except UnknownKeyError as error:
        if "'mephisto.task." not in str(error):
            raise
        raise UnknownKeyError(f"{error} Rows are the second argument, with or without its name: {call}.") from None


def _check_shared_state(shared_state: object) -> None:
    if not isinstance(shared_state, SharedTaskState):
        raise ConfigError(f"shared_state is {shared_state!r}. Pass mephisto_nb.SharedTaskState(static_task_data=...).")
    for name in ("worker_can_do_unit", "on_unit_submitted"):
        hook = getattr(shared_state, name)
        if hook is not None and not callable(hook):
            raise ConfigError(f"SharedTaskState.{name} is {hook!r}, which cannot be called.")


def _requirements(settings: TaskRunSettings, shared_state: SharedTaskState) -> tuple[Requirement, ...]:
    required = [requirement_from_dict(raw) for raw in shared_state.qualifications]
    blocking = getattr(settings.blueprint_args, "block_qualification", None)
    if blocking:
        required.append(make_requirement(blocking, Comparator.DOES_NOT_EXIST))
    return tuple(required)


def _can_do_unit(hook: Callable[..., Any] | None) -> CanDoUnit | None:
    if hook is None:
        return None

    def can_do_unit(worker: Worker, unit: Unit, assignment: Assignment) -> bool:
        return bool(hook(worker, unit))

    return can_do_unit


def _unpacked(task: Any) -> tuple[DictConfig | Mapping[str, Any], SharedTaskState]:
    has_parts = isinstance(task, tuple) or hasattr(task, "shared_state")
    parts = tuple(task) if has_parts else ()
    if len(parts) == 2 and isinstance(parts[0], DictConfig | Mapping):
        return parts[0], _to_state(parts[1])
    raise ConfigError(
        f"The configuration is a {type(task).__name__}. Hand over what mephisto_nb.compose(...) gave, or a task that "
        "form_task or chat_task made."
    )


def _to_state(given: Any) -> SharedTaskState:
    if given is None:
        return SharedTaskState()
    if isinstance(given, SharedTaskState):
        return given
    if isinstance(given, pd.DataFrame | list):
        return SharedTaskState(static_task_data=given)
    raise ConfigError(
        f"shared_state is a {type(given).__name__}. Pass mephisto_nb.SharedTaskState(static_task_data=...), or the "
        "rows alone, as a DataFrame or a list."
    )
