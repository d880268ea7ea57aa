"""Where the rows of screening and gold units come from, and which of them a worker gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.schema import names_of
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.gates import GateRow
from mephisto_nb.model.records import Worker
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.utils.user_code import call, in_own_thread


@dataclass(slots=True)
class RowSource:
    """The rows of one gate: all of them, or what gives one.

    `answers` are the columns with right answers, which are kept from the worker.
    """

    gate: Gate
    answers: tuple[str, ...]
    rows: list[GateRow] | None = None
    function: Any = None
    drawn: Iterator[Any] | None = None
    #: What was drawn for somebody who did not need it after all.
    _spare: list[GateRow] = field(default_factory=list)

    async def find(self, worker: Worker, seen: Collection[str]) -> GateRow | None:
        """Give a row that the worker has not seen; None: there is none.

        Raises
        ------
        ConfigError, DataFileError
            There are no rows here, or what came is no row.
        """
        if self.rows is not None:
            return next((row for row in self._shuffled(worker) if row.key not in seen), None)
        if self.function is not None:
            row = await call(self.function, worker)
            made = None if row is None else make_row(row, self.answers, f"what get_gold_for_worker gave, {row!r:.60}")
            return None if made is None or made.key in seen else made
        return await self._draw(seen)

    def give_back(self, row: GateRow) -> None:
        """Take a row back that was not needed."""
        if self.drawn is not None:
            self._spare.append(row)

    def _shuffled(self, worker: Worker) -> list[GateRow]:
        """Give the rows in an order of this worker's own, which is the same each time."""
        return sorted(
            self.rows or (), key=lambda row: hashlib.sha256(f"{worker.worker_name} {row.key}".encode()).digest()
        )

    async def _draw(self, seen: Collection[str]) -> GateRow | None:
        if self.drawn is None:
            raise ConfigError(
                f"The run has no rows for its {self.gate.value} units here. Take it up with its SharedTaskState: "
                "operator.reconnect(task_run_id, shared_state)."
            )
        while True:
            if self._spare:
                return self._spare.pop()
            value = await in_own_thread(next, self.drawn, None)
            if value is None:
                return None
            row = make_row(value, self.answers, f"a row of screening_data_factory, {value!r:.60}")
            if row.key not in seen:
                return row


def source_of(gate: Gate, shared_state: SharedTaskState) -> RowSource:
    """Find out where the rows of a gate come from.

    Raises
    ------
    DataFileError
        What was given are no rows, or they lack the columns with the right answers.
    """
    is_gold = gate is Gate.GOLD
    name = "golds" if is_gold else "screening"
    given = shared_state.golds if is_gold else shared_state.screening
    answers = names_of(shared_state.gold_answer if is_gold else shared_state.screening_answer)
    source = RowSource(gate, answers)
    if given is not None:
        source.rows = [make_row(row, answers, f"row {n} of {name}") for n, row in enumerate(_listed(given, name), 1)]
    elif is_gold:
        source.function = shared_state.get_gold_for_worker
    elif shared_state.screening_data_factory is not None:
        factory = shared_state.screening_data_factory
        source.drawn = iter(factory() if callable(factory) else factory)
    return source


def make_row(value: Any, answers: Sequence[str], label: str) -> GateRow:
    """Make a row of a dictionary. Raises `DataFileError`."""
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
