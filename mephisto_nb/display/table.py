"""What panels share: their model, and tables of any length, of which a browser sees the rows that are on its screen."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ParamSpec, Self, TypeAlias, TypeVar

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.shared_state import for_browsers
from mephisto_nb.utils.logging import tell

P = ParamSpec("P")
T = TypeVar("T")

#: By what a panel asks for: who answers it.
Answering: TypeAlias = Mapping[str, Callable[[JSONObject], Awaitable[JSON]]]
#: How many rows are given at once, at most.
ROWS_AT_ONCE = 500


class PanelModel(ABC):
    """What a panel knows, and answers: it reads in threads, and notifies those who look that something has changed.

    A database is read only when somebody looks and something has changed.
    """

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
        """Return some rows of a table; blocks."""

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

    async def draw(self, drawing: Callable[[Self], T]) -> T:
        """Draw what there is, in a thread; `drawing` may read."""
        return await self._in_turn(drawing, self)

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
        tell(self.on_change)


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows are wanted, in which order: those with `search` in them, and where `only` (a column) is true."""

    search: str = ""
    only: str = ""
    sort: str = ""
    down: bool = False


def query_from(args: JSONObject) -> Query:
    """Read what a browser asks for."""
    return Query(
        str(args.get("search", "")), str(args.get("only", "")), str(args.get("sort", "")), bool(args.get("down"))
    )


class Table:
    """A frame that is searched and sorted here; what was asked for last is kept for whoever scrolls.

    Parameters
    ----------
    frame
        The rows.
    searched
        The columns that are searched; dicts are searched by their names.
    """

    def __init__(self, frame: pd.DataFrame, searched: tuple[str, ...]) -> None:
        self.frame = frame.reset_index(drop=True)
        self._searched = searched
        self._haystack: pd.Series[str] | None = None
        self._found: tuple[Query, pd.DataFrame] | None = None

    def find(self, query: Query) -> pd.DataFrame:
        """Return the rows that are asked for, in their order.

        Raises
        ------
        ConfigError
            There is no such column.
        """
        if self._found is None or self._found[0] != query:
            self._found = query, self._find(query)
        return self._found[1]

    def window(self, query: Query, start: int, count: int) -> JSONObject:
        """Return some of the rows, and how many there are."""
        found = self.find(query)
        rows = found.iloc[max(0, start) : max(0, start) + min(count, ROWS_AT_ONCE)]
        return {"total": len(found), "all": len(self.frame), "start": start, "rows": to_json(rows)}

    def _find(self, query: Query) -> pd.DataFrame:
        if unknown := {query.sort, query.only} - {"", *self.frame.columns}:
            raise ConfigError(f"The table has no column {unknown.pop()!r}.")
        found = self.frame
        if query.only:
            found = found[found[query.only].astype(bool)]
        if query.search.strip():
            found = found[self._hay.loc[found.index].str.contains(query.search.strip().lower(), regex=False)]
        if query.sort:
            key = _sort_key(found[query.sort])
            order = key.sort_values(ascending=not query.down, kind="stable", na_position="last").index
            found = found.loc[order]
        return found

    @property
    def _hay(self) -> pd.Series[str]:
        if self._haystack is None:
            parts = [self.frame[name].map(_words) for name in self._searched]
            hay = parts[0]
            for part in parts[1:]:
                hay = hay + "\n" + part
            self._haystack = hay
        return self._haystack


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(value).lower()
    return "" if value is None or value is pd.NA else str(value).lower()


def _sort_key(column: pd.Series[Any]) -> pd.Series[Any]:
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return column
    return column.map(lambda value: len(value) if isinstance(value, dict) else _words(value))


def to_json(frame: pd.DataFrame) -> list[JSONObject]:
    """Return rows as plain values: times as epoch seconds, None for what is missing."""
    plain = frame.copy()
    for name in plain.columns:
        if isinstance(plain[name].dtype, pd.DatetimeTZDtype):
            plain[name] = plain[name].astype("int64").where(plain[name].notna()) / 1e6
    return [{str(name): _plain(value) for name, value in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> JSON:
    if isinstance(value, (str, dict, bool)) or value is None:
        return value
    return None if pd.isna(value) else for_browsers(value.item() if hasattr(value, "item") else value)
