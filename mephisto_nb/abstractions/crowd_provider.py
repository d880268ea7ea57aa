"""The port of crowds: where workers come from, and how they are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.data_model.task_run_args import TaskRunArgs
from mephisto_nb.utils.secret import Secret

Args = TypeVar("Args")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who stands behind a registration: the worker's name with the provider, and what their page calls itself."""

    worker_name: str
    registration_id: str


class CrowdProvider(ABC, Generic[Args]):
    """One crowd: made once per run, in the kernel's process.

    Parameters
    ----------
    args
        The run's ``mephisto.provider`` settings, an instance of `ArgsClass`.
    """

    PROVIDER_TYPE: ClassVar[str]
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass: ClassVar[type[Any]]
    #: Sites that may show the worker's page in a frame.
    FRAME_ANCESTORS: ClassVar[tuple[str, ...]] = ()
    #: What the crowd takes on top of each worker's pay, as a share of it: 0.2 adds 20 cents to a dollar.
    FEE_RATE: ClassVar[float] = 0.0

    def __init__(self, args: Args) -> None:
        self.args = args

    def assert_task_args(self, task: TaskRunArgs) -> None:
        """Raise `ConfigError` for what this crowd cannot do; called before anything is written or started."""

    def take_run_secret(self, secret: Secret) -> None:
        """Keep the run's secret, if this crowd signs anything with it, such as its workers' links.

        Called before anybody can come, at the launch and whenever the run is taken up again. It is always the
        same, and belongs in no log, page or record.
        """

    @abstractmethod
    def get_wrapper_js_path(self) -> Path:
        """Give the file served as ``wrap_crowd_source.js``, which tells the page who the worker is."""

    @abstractmethod
    def identify(self, provider_data: JSONObject) -> Identity:
        """Tell who a registration comes from. Called for every arrival, in the kernel's loop: be quick.

        Raises
        ------
        ValueError
            The data names nobody; its message is shown to the worker.
        """

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Give the link by which this worker comes to the task that is served at `url`."""
        return url

    async def setup_resources_for_task_run(self, task_run_id: str, url: str) -> None:
        """Offer the run to the crowd. Called once the router answers; what it raises fails the launch."""

    async def cleanup_resources_from_task_run(self, task_run_id: str) -> None:
        """Take the offer back. Called when the run ends, or when its launch fails; must bear being called twice."""
