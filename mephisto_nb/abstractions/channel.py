"""The port of the link between operator and router."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mephisto_nb.model.packets import Packet, Received


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


Incoming: TypeAlias = Messages | Acknowledged | Presence | Synced | Ahead | Missed


class Channel(ABC):
    """One link to one router. A broken link is not mended: `connect` makes a new one.

    All methods raise `RouterError` when the link breaks.
    """

    @abstractmethod
    async def connect(self, last_seq: int) -> int:
        """Open the link, each side proving itself; the router goes on after message `last_seq`.

        Returns
        -------
        int
            The number of the last effect that the router has.

        Raises
        ------
        LinkRefusedError
            One side's proof was wrong: it is not this run's router, or not its operator.
        """

    @abstractmethod
    def incoming(self) -> AsyncIterator[Incoming]:
        """Give what the router sends, until the link breaks."""

    @abstractmethod
    async def send_effects(self, effects: Sequence[tuple[int, Packet]]) -> None:
        """Send numbered packets for workers."""

    async def send_ahead(self, after: str, packet: Packet) -> None:  # noqa: B027 - a channel may leave it
        """Send a live update ahead of the same one among the effects; `after` is the id of the one before it.

        A matter of speed alone: what does not arrive by this way arrives by the other.
        """

    @abstractmethod
    async def acknowledge(self, seq: int) -> None:
        """Tell the router that the effects of all messages up to `seq` are committed."""

    @abstractmethod
    async def request_sync(self, *, last: bool = False) -> None:
        """Ask how far the inbox goes now; `Synced` is the answer. After the `last` one nothing more comes into it."""

    @abstractmethod
    async def finish(self, linger: float) -> None:
        """Tell the router that the run is over, and that it ends itself after `linger` seconds."""

    @abstractmethod
    async def close(self) -> None:
        """Close the link; the router goes on. Must bear being called twice."""
