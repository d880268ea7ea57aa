"""The port of channels: one connection between a kernel and a router, and what comes in by it."""

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
    """One connection to one router. A broken one stays broken: `Architect.get_channel` makes another.

    Used by `ClientIOHandler` alone. All methods raise `RouterError` when the connection breaks.
    """

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
    async def request_sync(self, *, last: bool = False) -> None:
        """Ask how far the inbox goes now; `Synced` is the answer. After the `last` one nothing more comes into it."""

    @abstractmethod
    async def finish(self, linger: float) -> None:
        """Tell the router that the run is over, and that it ends itself after `linger` seconds."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection; the router goes on. May be called twice."""
