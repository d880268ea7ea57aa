"""A crowd that recruits, as far as a run sees it: links like those of `LinkProvider`, and a recruiter that is quiet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.ports.recruiter import Recruiter
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.run import TaskRun
from tests.kernel.runs import ABOUT, rows

#: Launches a run of the crowd; its keywords are those of the provider, and ``architect_args``.
Recruit = Callable[..., Awaitable[TaskRun]]


@dataclass(slots=True)
class NoisyArgs(LinkProviderArgs):
    _provider_type: str = "noisy"
    is_here: bool = True


class QuietRecruiter:
    """Offers nothing; it is there."""

    def __init__(self, *, is_here: bool) -> None:
        self.allows_local = is_here


class NoisyProvider(LinkProvider):
    """A crowd that tells what happens; its people are here, too, where `is_here` says so."""

    PROVIDER_TYPE: ClassVar[str] = "noisy"
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass = NoisyArgs
    #: The runs that were offered.
    offered: ClassVar[list[str]] = []

    @property
    def recruiter(self) -> Recruiter:
        """What is asked for alone: that there is one, and where its people are."""
        quiet: Any = QuietRecruiter(is_here=self.args.is_here)
        return quiet  # type: ignore[no-any-return]

    async def setup_resources_for_task_run(self, task_run_id: str, url: str) -> None:
        """Note that the run is offered."""
        self.offered.append(task_run_id)


def register_noisy(monkeypatch: pytest.MonkeyPatch) -> Recruit:
    """Have the registry know the crowd, for one test; return what launches a run of it."""
    real = registry.PROVIDERS
    shelf = PluginShelf(real.kind, "mephisto_nb.providers", real.base, real._type_attribute)
    monkeypatch.setattr(registry, "PROVIDERS", shelf)
    monkeypatch.setattr(NoisyProvider, "offered", [])
    shelf.register(NoisyProvider)

    async def recruit(operator: Operator, blueprint: str = "mock", **how: Any) -> TaskRun:
        config = compose(blueprint, provider="noisy", task={**ABOUT, "task_reward": 0.1}, **how)
        return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(1)))

    return recruit
