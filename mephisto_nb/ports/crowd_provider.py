"""The port of crowds: where workers come from, and how they are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.model.money import Money
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.utils.proofs import Secret

Args = TypeVar("Args")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who stands behind a registration: the worker's name with the provider, and what their page calls itself."""

    worker_name: str
    registration_id: str


class CrowdVerb(StrEnum):
    """What a crowd can be asked to do about work and the people who did it."""

    APPROVE = "approve"
    REJECT = "reject"
    BONUS = "bonus"
    MESSAGE = "message"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class CrowdWork:
    """One answer as a crowd knows it, and what is to be done about it.

    `registration_id` is what the worker's page called itself; `key` is the same whenever the same thing is asked for
    again. `amount` is of the run's currency, without fees; `text` is shown to the worker.
    """

    key: str
    unit_id: str
    agent_id: str
    worker_name: str
    registration_id: str
    amount: Money = Money(0)
    text: str = ""


class CrowdProvider(ABC, Generic[Args]):
    """One crowd: made once per run, in the kernel's process.

    The verbs `approve_work`, `reject_work`, `pay_bonus`, `send_message` and `block_worker` are called for what is
    in `CAN` alone, once a decision is committed, and may be called again with the same work after a kernel has died:
    they must bear that, and pay once. They raise `WorldError` where the crowd refuses or cannot be reached; whatever
    else they raise is noted as well, and logged.

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
    #: What the crowd takes on top of each worker's pay, as a share of it: ``Decimal("0.2")`` adds 20 cents to a dollar.
    FEE_RATE: ClassVar[Decimal] = Decimal(0)
    #: What this crowd does itself. All else is kept here, and stays with the researcher: pay stays owed, for instance.
    CAN: ClassVar[frozenset[CrowdVerb]] = frozenset()
    #: Whether a rejection that the crowd was told of can be taken back. (What was paid never can.)
    TAKES_REJECTIONS_BACK: ClassVar[bool] = False

    #: Whether one registration may stand for several units, one after the other. Not where the crowd made it for one
    #: piece of work, and pays that.
    SERVES_AGAIN: ClassVar[bool] = False

    def __init__(self, args: Args) -> None:
        self.args = args

    def assert_task_args(self, task: TaskRunArgs) -> None:
        """Raise `ConfigError` for what this crowd cannot do; called before anything is written or started."""

    @property
    def name_parameter(self) -> str | None:
        """The parameter of the address that holds a name, if whoever gives one is believed: the page then asks for it.

        None: who comes by the bare address is a visitor, and sees a preview.
        """
        return None

    @property
    def has_own_links(self) -> bool:
        """Whether each worker comes by a link that nobody else has: then they find what they hold from any device."""
        return False

    def take_run_secret(self, secret: Secret) -> None:
        """Keep the run's secret, if this crowd signs anything with it, such as its workers' links.

        Called before anybody can come, at the launch and whenever the run is taken up again. It is always the
        same, and belongs in no log, page or record.
        """

    @abstractmethod
    def get_wrapper_js_path(self) -> Path:
        """Return the file served as ``wrap_crowd_source.js``, which tells the page who the worker is."""

    @abstractmethod
    def identify(self, provider_data: JSONObject) -> Identity:
        """Tell who a registration comes from. Called for every arrival, in the kernel's loop: be quick.

        Raises
        ------
        ValueError
            The data names nobody; its message is shown to the worker.
        """

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Return the link by which this worker comes to the task that is served at `url`."""
        return url

    async def setup_resources_for_task_run(self, task_run_id: str, url: str) -> None:
        """Offer the run to the crowd. Called once the router answers; what it raises fails the launch."""

    async def cleanup_resources_from_task_run(self, task_run_id: str) -> None:
        """Take the offer back. Called when the run ends, or when its launch fails; must bear being called twice."""

    async def approve_work(self, work: CrowdWork) -> None:
        """Have the crowd pay for an answer."""
        raise self._cannot(CrowdVerb.APPROVE)

    async def reject_work(self, work: CrowdWork) -> None:
        """Have the crowd not pay for an answer."""
        raise self._cannot(CrowdVerb.REJECT)

    async def pay_bonus(self, work: CrowdWork) -> None:
        """Have the crowd pay a worker beside an answer's own pay."""
        raise self._cannot(CrowdVerb.BONUS)

    async def send_message(self, work: CrowdWork) -> None:
        """Have the crowd write to a worker."""
        raise self._cannot(CrowdVerb.MESSAGE)

    async def block_worker(self, work: CrowdWork) -> None:
        """Have the crowd offer a worker nothing of ours any more."""
        raise self._cannot(CrowdVerb.BLOCK)

    def _cannot(self, verb: CrowdVerb) -> UsageError:
        return UsageError(f"The provider {self.PROVIDER_TYPE!r} cannot {verb.value}. Ask for what is in its CAN alone.")
