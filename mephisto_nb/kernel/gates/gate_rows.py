"""Where the rows of units of gates come from, and which of them a worker gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.gates import GateRow
from mephisto_nb.model.records import Worker
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.rules.gates._base import UnitGate
from mephisto_nb.utils.user_code import call, in_own_thread


@dataclass(slots=True)
class RowSource:
    """The rows of one gate: all of them, or what gives one."""

    gate: UnitGate[Any]
    rows: list[GateRow] | None = None
    function: Any = None
    drawn: Iterator[Any] | None = None
    #: What was drawn for somebody who did not need it after all.
    _spare: list[GateRow] = field(default_factory=list)

    def check(self, check_row: Callable[[str, JSONObject], None]) -> None:
        """Refuse rows that are too few, or (`Blueprint.check_row`) that the page could not show.

        Raises
        ------
        ConfigError, DataFileError
            Naming what is missing.
        """
        if self.rows is None:
            return
        self.gate.check_rows(len(self.rows))
        for number, row in enumerate(self.rows, start=1):
            check_row(f"row {number} of the {self.gate.NAME} rows", row.shared)

    async def find(self, worker: Worker, seen: Collection[str]) -> GateRow | None:
        """Return a row that the worker has not seen; None: there is none.

        Raises
        ------
        ConfigError, DataFileError
            There are no rows here, or what came is no row.
        """
        if self.rows is not None:
            return next((row for row in self._shuffled(worker) if row.key not in seen), None)
        if self.function is not None:
            row = await call(self.function, worker)
            made = None if row is None else self._make(row, f"what {self.gate.OTHER} gave")
            return None if made is None or made.key in seen else made
        return await self._draw(seen)

    def give_back(self, row: GateRow) -> None:
        """Take a row back that was not needed."""
        if self.drawn is not None:
            self._spare.append(row)

    def _make(self, value: Any, label: str) -> GateRow:
        return make_row(value, self.gate.answers, f"{label}, {value!r:.60}")

    def _shuffled(self, worker: Worker) -> list[GateRow]:
        """Return the rows in an order of this worker's own, which is the same each time."""
        return sorted(
            self.rows or (), key=lambda row: hashlib.sha256(f"{worker.worker_name} {row.key}".encode()).digest()
        )

    async def _draw(self, seen: Collection[str]) -> GateRow | None:
        if self.drawn is None:
            raise ConfigError(
                f"The run has no rows for its {self.gate.NAME} units here. Take it up with its SharedTaskState: "
                "operator.reconnect(task_run_id, shared_state)."
            )
        while True:
            if self._spare:
                return self._spare.pop()
            value = await in_own_thread(next, self.drawn, None)
            if value is None:
                return None
            row = self._make(value, f"a row of {self.gate.OTHER}")
            if row.key not in seen:
                return row


def source_of(gate: UnitGate[Any]) -> RowSource:
    """Find out where the rows of a gate come from.

    Raises
    ------
    DataFileError
        What was given are no rows, or they lack the columns with the right answers.
    """
    source, name = RowSource(gate), gate.ROWS
    given, other = getattr(gate.shared, name), getattr(gate.shared, gate.OTHER)
    if given is not None:
        rows = enumerate(_listed(given, name), start=1)
        source.rows = [make_row(row, gate.answers, f"row {number} of {name}") for number, row in rows]
    elif gate.ASKS_FOR_EACH:
        source.function = other
    elif other is not None:
        source.drawn = iter(other() if callable(other) else other)
    return source


def make_row(value: Any, answers: Sequence[str], label: str) -> GateRow:
    """Return a row made of a dictionary. Raises `DataFileError`."""
    if isinstance(value, InitializationData):
        value = {**value.shared, **(value.unit_data[0] if value.unit_data else {})}
    if not isinstance(value, Mapping):
        raise DataFileError(f"{label} is a {type(value).__name__}, not a dictionary of fields.")
    try:
        text = json.dumps(_plain(dict(value)), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataFileError(
            f"{label} holds what JSON cannot: {error}. Give text, numbers, lists, dictionaries."
        ) from error
    row: JSONObject = json.loads(text)
    lacking = [name for name in answers if row.get(name) is None]
    if lacking:
        raise DataFileError(
            f"{label} has no {lacking[0]!r}, which should hold its right answer. Its fields are: {', '.join(row)}."
        )
    shared = {name: item for name, item in row.items() if name not in answers}
    return GateRow(hashlib.sha256(text.encode()).hexdigest()[:32], shared, row)


def _listed(given: Any, name: str) -> Sequence[Any]:
    if isinstance(given, pd.DataFrame):
        return given.to_dict("records")
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return given
    raise DataFileError(f"{name} is a {type(given).__name__}. Give a DataFrame, or a list of dictionaries.")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):  # numpy's numbers
        value = value.item()
    return None if isinstance(value, float) and value != value else value
