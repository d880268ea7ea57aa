"""The port of servers: how a run's router is started, found again and stopped, and the channel to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.packets import Packet, Received
from mephisto_nb.utils.machine import MachineTrouble, MachineTroubles


@dataclass(frozen=True, slots=True)
class Messages:
    """Packets out of the router's inbox, in order."""

    received: Sequence[Received]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The router has every effect up to `n` on its disk."""

    n: int


@dataclass(frozen=True, slots=True)
class Presence:
    """Which agents' pages are connected now (True) or no longer (False)."""

    agents: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to `Channel.request_sync`: the number of the last message in the router's inbox by then."""

    last_seq: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """A worker's live message, ahead of the same one among the `Messages`; `after` is the id of the one before it."""

    after: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Missed:
    """A live message that went ahead could not be kept: its place among the `Messages` stays empty."""

    agent_id: str
    update_id: str


@dataclass(frozen=True, slots=True)
class RouterTroubles:
    """All that is wrong with the router now: its store, its directory, its disk; and what was, and is mended."""

    troubles: tuple[MachineTrouble, ...] = ()


Incoming: TypeAlias = Messages | Acknowledged | Presence | Synced | Ahead | Missed | RouterTroubles


@dataclass(frozen=True, slots=True)
class Known:
    """What an operator knows of its router's inbox beside the number of the last message.

    `era` is the name that the router gave to the numbers when that one came (None: there was none, or it is not known),
    and `received` the last number that came at all, be it that its effect is not stored yet.
    """

    era: str | None = None
    received: int = 0


@dataclass(frozen=True, slots=True)
class RouterStanding:
    """How far a router had come when a channel opened.

    `newest` is the number of the newest message that it ever took, and `acknowledged` of the last that it was told to
    be stored; `missing` is how many that wait should be there and are not. `is_strange` says that it does not know the
    numbers which it was told, and has given those that wait new ones. `era` is the name of its numbers from now on.
    `now` is what time it is by the router's clock (epoch seconds; None: it does not tell), and `silent_for` how many
    seconds ago it last heard of an operator, or another process was there in its place (None: not known).
    """

    newest: int
    acknowledged: int
    missing: int = 0
    is_strange: bool = False
    era: str | None = None
    now: float | None = None
    silent_for: float | None = None


class Channel(ABC):
    """One connection to one router. A broken one stays broken: `Architect.get_channel` makes another.

    Used by `ClientIOHandler` alone. All methods raise `RouterError` when the connection breaks.
    """

    #: What to tell the router of its inbox. Set before `connect`.
    known: Known = Known()
    #: How far the router had come, once `connect` has returned; None: it does not tell.
    standing: RouterStanding | None = None

    @abstractmethod
    async def connect(self, last_seq: int) -> int:
        """Open the connection, each side proving itself; the router goes on after message `last_seq`.

        Returns
        -------
        int
            The number of the last effect that the router has.

        Raises
        ------
        LinkRefusedError
            One side's proof was wrong: it is not this run's router, or not its operator.
        RouterStoreError
            The router is there, and cannot store anything.
        """

    @abstractmethod
    def incoming(self) -> AsyncIterator[Incoming]:
        """Return what the router sends, until the connection breaks."""

    @abstractmethod
    async def send_effects(self, effects: Sequence[tuple[int, Packet]]) -> None:
        """Send numbered packets for workers."""

    async def send_ahead(self, after: str, packet: Packet) -> None:  # noqa: B027 - a channel may leave it
        """Send a live update ahead of the same one among the effects; `after` is the id of the one before it.

        It is for speed alone: what does not arrive in this way arrives in the other.
        """

    @abstractmethod
    async def acknowledge(self, seq: int) -> None:
        """Tell the router that the effects of all messages up to `seq` are committed."""

    @abstractmethod
    async def request_sync(self, newest_n: int, *, last: bool = False, late_exit: JSONObject | None = None) -> None:
        """Ask how far the inbox goes now; `Synced` is the answer. After the `last` one nothing more comes into it.

        `newest_n` is the number of the newest packet that waits for the router, 0 where none does: with that one it
        knows everybody. `late_exit` is how those go back who come after the last one (`LateExit.to_dict`).
        """

    @abstractmethod
    async def finish(self, linger: float) -> None:
        """Tell the router that the run is over, and that it ends itself after `linger` seconds."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection; the router goes on. May be called twice."""


Args = TypeVar("Args")


@dataclass(slots=True)
class RouterPlan:
    """What a router has to serve.

    `directory` is the run's own directory; its subdirectory ``site`` already holds what browsers load.
    `linked_files` are to be served as they are at that moment, from where they lie: the name on the site, and the path.
    `crowd_events_key` is what the address ends in to which the crowd posts events; '': there is no such address.
    """

    task_run_id: str
    directory: Path
    task_config: JSONObject = field(default_factory=dict)
    content_security_policy: str = ""
    frame_ancestors: tuple[str, ...] = ()
    disconnect_after: float | None = None
    linked_files: Mapping[str, str] = field(default_factory=dict)
    crowd_events_key: str = field(default="", repr=False)

    def get_events_url(self, url: str) -> str:
        """Return where a crowd posts events of the run that is served at `url`; '' where it can post none.

        Whoever knows this address may post there: it belongs in no log, page or record.

        Examples
        --------
        >>> plan = RouterPlan("run", Path("run"), crowd_events_key="k3y")
        >>> plan.get_events_url("https://lab.example/study/")
        'https://lab.example/study/crowd_events/k3y'
        """
        return events_url_at(url, self.crowd_events_key)


def events_url_at(url: str, key: str) -> str:
    """Return where a crowd posts events of a run that is served at `url`, by the run's key; '' where there is none."""
    return f"{url.rstrip('/')}/crowd_events/{key}" if key else ""


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
    #: For how many seconds a router goes on to say that the task is closed, once its run is over.
    closed_notice: float = 3.0

    def __init__(self, args: Args, directory: Path) -> None:
        self.args = args
        self.directory = directory
        #: What is wrong with where the router is, or was.
        self.troubles = MachineTroubles()
        #: What has become of the router: sentences for the event log of the run, taken away by `ClientIOHandler`.
        self.news: list[str] = []
        #: Whether this machine comes to `url` as others do: it is tried before a crowd is offered the run.
        self.is_reached_from_here = True
        #: Makes the plan of the run once more; None: nobody has said how.
        self.make_plan: Callable[[], RouterPlan] | None = None

    def plan_anew_by(self, make_plan: Callable[[], RouterPlan]) -> None:
        """Note what makes the plan of the run once more. Called before `revive` where a kernel takes a run up again."""
        self.make_plan = make_plan

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
        RouterGoneError
            There is no router any more, for sure, and it cannot be started.
        RouterError
            There is no router to find.
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
