"""The port of servers: how a run's router is started, found again and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.ports.channel import Channel

Args = TypeVar("Args")


@dataclass(slots=True)
class RouterPlan:
    """What a router has to serve.

    `directory` is the run's own directory; its subdirectory ``site`` already holds what browsers load.
    `linked_files` are to be served as they are at that moment, from where they lie: the name on the site, and the path.
    """

    task_run_id: str
    directory: Path
    task_config: JSONObject = field(default_factory=dict)
    content_security_policy: str = ""
    frame_ancestors: tuple[str, ...] = ()
    disconnect_after: float | None = None
    linked_files: Mapping[str, str] = field(default_factory=dict)


class Architect(ABC, Generic[Args]):
    """Where a run's router lives: made once per run, in the kernel's process.

    Parameters
    ----------
    args
        The run's ``mephisto.architect`` settings, an instance of `ArgsClass`.
    directory
        The run's own directory.
    """

    ARCHITECT_TYPE: ClassVar[str]
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass: ClassVar[type[Any]]

    def __init__(self, args: Args, directory: Path) -> None:
        self.args = args
        self.directory = directory

    @property
    @abstractmethod
    def url(self) -> str:
        """Where workers find the router; known after `deploy` or `revive`."""

    def assert_task_args(self) -> None:
        """Raise `ConfigError` or `PortInUseError`; called before anything is written or started."""

    @abstractmethod
    async def deploy(self, plan: RouterPlan) -> str:
        """Start the router, and return its URL once it answers. Called by a launch, before anybody can come.

        Raises
        ------
        LaunchError
            It did not start; nothing of it is left running.
        """

    @abstractmethod
    async def revive(self) -> str:
        """Find the running router again, or start a dead one at its old address; return its URL.

        Called by `ClientIOHandler.launch_channels`: at the launch, when a kernel takes a run up again, and whenever the
        channel to the router has broken.

        Raises
        ------
        RouterError
            There is no router to find, and it cannot be started.
        """

    @abstractmethod
    def get_channel(self) -> Channel:
        """Return a new channel to the router, not yet connected. Called by `ClientIOHandler` after `revive`."""

    @abstractmethod
    async def fetch_file(self, filename: str) -> Path:
        """Return the local path of an uploaded file, which is fetched if the router is elsewhere."""

    @abstractmethod
    async def shutdown(self) -> None:
        """End the router at once, if it still runs. Called when a launch fails, or a run has ended; maybe twice."""
