"""Collect data from people, from a notebook.

>>> import mephisto_nb as mnb
>>> operator = mnb.Operator()                                                               # doctest: +SKIP
>>> config = mnb.compose("static_html", task={"task_name": "moods", ...})                   # doctest: +SKIP
>>> run = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=rows))  # doctest: +SKIP
>>> run.results()                                                                           # doctest: +SKIP

Importing the package does nothing but define names: each is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mephisto_nb.accounts import register_prolific as register_prolific
    from mephisto_nb.config.hydra_config import compose as compose
    from mephisto_nb.config.registry import register_mephisto_abstraction as register_mephisto_abstraction
    from mephisto_nb.config.settings_list import settings as settings
    from mephisto_nb.display.address_report import check_address as check_address
    from mephisto_nb.display.preview import Preview as Preview
    from mephisto_nb.display.preview import preview as preview
    from mephisto_nb.display.progress import open_mephisto as open_mephisto
    from mephisto_nb.model.money import Money as Money
    from mephisto_nb.model.qualifications import make_requirement as make_requirement
    from mephisto_nb.model.shared_state import InitializationData as InitializationData
    from mephisto_nb.model.shared_state import SharedTaskState as SharedTaskState
    from mephisto_nb.operator import Operator as Operator
    from mephisto_nb.operator import budgets as budgets
    from mephisto_nb.operator import forecast as forecast
    from mephisto_nb.ports.architect import Architect as Architect
    from mephisto_nb.ports.blueprint import Blueprint as Blueprint
    from mephisto_nb.ports.crowd_provider import CrowdProvider as CrowdProvider
    from mephisto_nb.ports.task_runner import Bot as Bot
    from mephisto_nb.ports.task_runner import TaskRunner as TaskRunner
    from mephisto_nb.run import TaskRun as TaskRun
    from mephisto_nb.tasks import FormTask as FormTask
    from mephisto_nb.tasks import chat_task as chat_task
    from mephisto_nb.tasks import form_task as form_task
    from mephisto_nb.utils.run_sync import run_sync as run_sync

__version__ = "0.1.0"

_HOMES = {
    "Architect": "ports.architect",
    "Blueprint": "ports.blueprint",
    "Bot": "ports.task_runner",
    "CrowdProvider": "ports.crowd_provider",
    "FormTask": "tasks",
    "InitializationData": "model.shared_state",
    "Money": "model.money",
    "Operator": "operator",
    "Preview": "display.preview",
    "SharedTaskState": "model.shared_state",
    "TaskRun": "run",
    "TaskRunner": "ports.task_runner",
    "budgets": "operator",
    "chat_task": "tasks",
    "check_address": "display.address_report",
    "compose": "config.hydra_config",
    "forecast": "operator",
    "form_task": "tasks",
    "make_requirement": "model.qualifications",
    "open_mephisto": "display.progress",
    "preview": "display.preview",
    "register_mephisto_abstraction": "config.registry",
    "register_prolific": "accounts",
    "run_sync": "utils.run_sync",
    "settings": "config.settings_list",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mephisto_nb' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mephisto_nb.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
