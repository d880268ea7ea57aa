"""What a panel knows, and answers: it reads in threads, and tells those who look that something has changed."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import ParamSpec, TypeAlias, TypeVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.writer import in_thread

P = ParamSpec("P")
T = TypeVar("T")

#: By what a panel asks for: who answers it.
Answering: TypeAlias = Mapping[str, Callable[[JSONObject], Awaitable[JSON]]]


class Room(ABC):
    """Follows a database, reading it only when somebody looks and something has changed."""

    def __init__(self) -> None:
        #: Called on the loop, cheaply, whenever `state` may have changed.
        self.on_change: list[Callable[[], None]] = []
        self._rev = 0
        self._turn = asyncio.Lock()

    @property
    @abstractmethod
    def _answering(self) -> Answering:
        """What a panel can ask for."""

    @abstractmethod
    def _window(self, args: JSONObject) -> JSONObject:
        """Give some rows of a table; blocks."""

    async def answer(self, what: str, args: JSONObject) -> JSON:
        """Answer what a panel asks.

        Raises
        ------
        ConfigError
            There is nothing of this name, or it cannot be asked so.
        """
        known = self._answering
        if what not in known:
            raise ConfigError(f"A panel cannot ask for {what!r}; it can for {', '.join(known)}.")
        return await known[what](args)

    async def _rows(self, args: JSONObject) -> JSON:
        begun = perf_counter()
        found = await self._in_turn(self._window, args)
        return {**found, "seconds": perf_counter() - begun}

    async def _in_turn(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read in a thread, one after the other: what the first has read is there for the next."""
        async with self._turn:
            return await in_thread(function, *args, **kwargs)

    def _tell(self) -> None:
        """Have all that is read be read anew when it is next asked for."""
        self._rev += 1
        self._tell_views()

    def _tell_views(self) -> None:
        for callback in list(self.on_change):
            callback()
