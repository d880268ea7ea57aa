"""The port of crowds: where workers come from, and how they are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.model.outcomes import ExitLink, LateExit, VisitEnd
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.crowd_desk import CrowdDesk
from mephisto_nb.ports.recruiter import Recruiter
from mephisto_nb.utils.proofs import Secret

Args = TypeVar("Args")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who stands behind a registration: the worker's name with the provider, and what their page calls itself.

    Where the crowd counts visits, `registration_id` is what it calls this one. `captured` is what else it gave along
    and is worth keeping, such as a study's id; it stands beside the answers.
    """

    worker_name: str
    registration_id: str
    captured: JSONObject = field(default_factory=dict)


class VisitExits(ABC):
    """How people go back to a crowd at the end of a visit: by a link or a code that they take along, or by our word."""

    #: Whether the crowd is told by `finish`, so that nobody's pay hangs on a browser that is closed too early.
    TELLS_CROWD: ClassVar[bool] = False

    @abstractmethod
    def get_exit(self, end: VisitEnd) -> ExitLink | None:
        """Return how somebody goes back; None: they are thanked, and stay.

        Called when a page asks what comes next, once the end is stored; again and again for the same end.
        """

    def get_exit_if_over(self) -> LateExit | None:
        """Return how somebody goes back who comes when the run is over already; None: they are told that it is.

        Called once, when the run ends. Nobody is there any more to ask who they are, so it is the same for all.
        """
        return None

    async def finish(self, end: VisitEnd) -> None:
        """Tell the crowd how a visit has ended. Called where `TELLS_CROWD` is set, once the end is stored.

        It may be called again for the same end, after a kernel has died, and must bear that.

        Raises
        ------
        WorldError
            The crowd refuses, or cannot be reached. It is told again later.
        """
        raise UsageError(f"{type(self).__name__} tells its crowd nothing. Ask it only where TELLS_CROWD is set.")


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
    #: What the crowd takes on top of each worker's pay, as a share of it: ``Decimal("0.2")`` adds 20 cents to a dollar.
    FEE_RATE: ClassVar[Decimal] = Decimal(0)
    #: What the crowd does itself about work and people.
    DESK: ClassVar[type[CrowdDesk]] = CrowdDesk
    #: Whether who has come to the end of a visit may begin another one by the same link. Not where the crowd sends each
    #: person for one visit, with an id for it, and pays that once, however many units are done in it.
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
        """Return the script that tells the page who the worker is.

        It stands in the site's ``wrap_crowd_source.js``, behind what the pages of all crowds share: the settings of
        ``window._MEPHISTO_CONFIG_``.
        """

    @abstractmethod
    def identify(self, provider_data: JSONObject) -> Identity:
        """Tell who a registration comes from. Called for every arrival, in the kernel's loop: be quick.

        Raises
        ------
        ValueError
            The data names nobody; its message is shown to the worker.
        """

    async def vouch_for(self, identity: Identity, provider_data: JSONObject) -> None:
        """Make sure that a registration is whose it says it is, where that takes longer: by the crowd's own word.

        Called in the kernel's loop, after `identify`, for each registration that nobody has vouched for yet. Whoever
        can tell by `identify` alone leaves it as it is.

        Raises
        ------
        ValueError
            It is not; its message is shown to the worker.
        WorldError
            The crowd cannot be asked now. The page asks again.
        """

    @property
    def exits(self) -> VisitExits | None:
        """How people go back to the crowd at the end of a visit; None: they are thanked, and stay."""
        return None

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Return the link by which this worker comes to the task that is served at `url`."""
        return url

    def get_entry_url(self, url: str) -> str | None:
        """Return the one address by which all come to the task that is served at `url`, as the crowd's form has it.

        It is shown to the researcher, who gives it to the crowd. None: nobody has to, or each person has their own.
        """
        return None

    @property
    def entry_words(self) -> str:
        """What the researcher does with the address of `get_entry_url`, in words that stand before it and a colon."""
        return "Paste this address into the crowd's form"

    def get_lonely_advice(self, url: str) -> str:
        """Return what the researcher may look at where nobody comes; '': whether workers have their link."""
        entry = self.get_entry_url(url)
        return f"Look whether the crowd has this address in its form: {entry}" if entry else ""

    async def setup_resources_for_task_run(self, task_run_id: str, url: str) -> None:
        """Offer the run to the crowd. Called once the router answers; what it raises fails the launch."""

    async def cleanup_resources_from_task_run(self, task_run_id: str) -> None:
        """Take the offer back. Called when the run ends, or when its launch fails; must bear being called twice."""

    async def let_go_of_task_run(self, task_run_id: str) -> None:
        """Close what this kernel holds open for a run that goes on without it; must bear being called twice."""

    def make_desk(self) -> CrowdDesk:
        """Return what does for this run what the crowd does itself, of the class `DESK`; called once."""
        return self.DESK()

    @property
    def recruiter(self) -> Recruiter | None:
        """Who offers the run to the crowd, which then sends people; None: whoever is given the address comes."""
        return None
