"""From a configuration to the parts of a run.

Everything that can be refused is refused here, before anything is written or started.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.registry import (
    get_architect_from_type,
    get_blueprint_from_type,
    get_crowd_provider_from_type,
)
from mephisto_nb.errors import ConfigError
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
    from mephisto_nb.kernel.can_do_unit import Verdicts

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
        """Make the run's architect."""
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
        """Tell where the rows of gates come from."""
        return {gate.KIND: source_of(gate) for gate in self.gates.unit_gates}

    def config_to_store(self) -> JSONObject:
        """Give the whole configuration, with the gates that the shared state has opened."""
        config = self.settings.as_dict()
        config["mephisto"]["blueprint"] |= noted_settings(self.settings.blueprint_args, self.shared_state)
        return config

    def make_rules(self, verdicts: Verdicts | None) -> RunRules:
        """Give the limits of the run."""
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
            can_do_unit=verdicts.may_do if verdicts else _can_do_unit(self.shared_state.worker_can_do_unit),
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
        """Tell the architect what to serve."""
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
    """Make the plugins of a run.

    Raises
    ------
    UnknownTypeError, ConfigError
        A plugin is not registered, or the shared state holds something of the wrong kind.
    """
    _check_shared_state(shared_state)
    blueprint = get_blueprint_from_type(settings.blueprint_type)(settings.blueprint_args, shared_state)
    gates = open_gates(
        settings.blueprint_args, shared_state, settings.task.task_name, lambda message: warn_once(logger, message)
    )
    blueprint.hidden_fields = gates.hidden
    return RunPlan(
        settings=settings,
        shared_state=shared_state,
        requirements=_requirements(settings, shared_state),
        blueprint=blueprint,
        provider=get_crowd_provider_from_type(settings.provider_type)(settings.provider_args),
        gates=gates,
    )


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
