"""DataFrames of what was said beside answers: tips, feedback, opinions, and the calls of pages' functions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import NotFoundError
from mephisto_nb.frames.frames import _frame, whole_text

METADATA_COLUMNS = (
    "item_id", "task_run_id", "kind", "type", "worker_name", "worker_id", "unit_id", "agent_id", "at", "header", "text",
    "data", "files",
)  # fmt: skip
REQUEST_COLUMNS = (
    "unit_id", "worker_name", "agent_id", "request_id", "function", "arguments", "response", "error", "asked_at",
    "answered_at", "seconds",
)  # fmt: skip

#: The kinds that have names; anything else that a page sends is 'other'.
KINDS = ("tips", "feedback", "worker_opinion")


def metadata_frame(rows: Sequence[JSONObject], path_of: Callable[[str], str]) -> pd.DataFrame:
    """Make a frame of what workers sent beside their answers: one row an item, columns `METADATA_COLUMNS`.

    ``kind`` is tips, feedback, worker_opinion or other, ``type`` what the page called it; ``header`` and ``text`` are
    its words, missing where it has none; ``data`` is all of it, and ``files`` the paths of what was sent along. All is
    workers' own, as it came.

    Parameters
    ----------
    rows
        As `MessageStore.read_metadata` gives them.
    path_of
        Gives the path of an uploaded file, by the name under which it is stored.
    """
    items = [item for row in rows for item in _items(row, path_of)]
    return _frame(items, METADATA_COLUMNS, ("at",))


def _items(row: JSONObject, path_of: Callable[[str], str]) -> Iterator[JSONObject]:
    sent = row["data"].get("metadata")
    files = [path_of(file["filename"]) for file in row["data"].get("files") or []]
    owner = {name: row[name] for name in ("task_run_id", "worker_name", "worker_id", "unit_id", "agent_id")}
    for number, (type_, data) in enumerate(_by_type(sent)):
        said = data if isinstance(data, dict) else {"text": data}
        yield {
            **owner,
            "item_id": f"{row['id']}-{number}",
            "kind": type_ if type_ in KINDS else "other",
            "type": whole_text(type_),
            "at": row["received_at"],
            "header": _words(said.get("header")),
            "text": _words(said.get("text")),
            "data": data,
            "files": files,
        }


def _by_type(sent: JSON) -> list[tuple[str, JSON]]:
    """Take apart what came: one item that says its type, or several under theirs."""
    if not isinstance(sent, dict):
        return [("", sent)]
    if isinstance(sent.get("type"), str):
        return [(sent["type"], sent)]
    return [
        (item["type"] if isinstance(item, dict) and isinstance(item.get("type"), str) else key, item)
        for key, item in sent.items()
    ]


def _words(value: JSON) -> JSON:
    return whole_text(value) if isinstance(value, str) else None


def requests_frame(updates: Sequence[JSONObject], agents: Mapping[str, JSONObject]) -> pd.DataFrame:
    """Make a frame of the calls of pages' functions: one row a call, in the order asked, columns `REQUEST_COLUMNS`.

    ``arguments`` and ``response`` are as Python saw them; ``response`` is missing, and ``error`` says why (as
    ``type: message``), where the function failed; all three, with ``answered_at``, while there is no answer.

    Parameters
    ----------
    updates
        As `MessageStore.read_live_updates` gives them.
    agents
        The run's agents, as `RunStore.read_agents` gives them, by their ids.
    """
    answers: dict[tuple[str, JSON], JSONObject] = {}
    for row in updates:
        if row["sender"] == "operator" and isinstance(row["data"].get("handles"), str):
            answers.setdefault((row["agent_id"], row["data"]["handles"]), row)
    found: dict[tuple[str, JSON], JSONObject] = {}
    for row in updates:
        key = (row["agent_id"], row["data"].get("request_id"))
        if row["sender"] == "worker" and isinstance(key[1], str) and key not in found:
            found[key] = _request(row, answers.get(key), agents.get(row["agent_id"], {}))
    return _frame(list(found.values()), REQUEST_COLUMNS, ("asked_at", "answered_at"))


def _request(row: JSONObject, answer: JSONObject | None, agent: JSONObject) -> JSONObject:
    said = answer["data"] if answer else {}
    error = said.get("error")
    return {
        "unit_id": agent.get("unit_id"),
        "worker_name": agent.get("worker_name"),
        "agent_id": row["agent_id"],
        "request_id": whole_text(row["data"]["request_id"]),
        "function": _words(row["data"].get("target")),
        "arguments": _read(row["data"].get("args")),
        "response": None if error else _read(said.get("response")),
        "error": f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else None,
        "asked_at": row["at"],
        "answered_at": answer["at"] if answer else None,
        "seconds": answer["at"] - row["at"] if answer else None,
    }


def _read(text: JSON) -> JSON:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return whole_text(text)


def add_tips(path: Path, metadata: pd.DataFrame, item_ids: Sequence[str]) -> list[JSONObject]:
    """Add tips to a CSV file with the columns ``header`` and ``text``; give all that are in it then.

    Raises
    ------
    NotFoundError
        No tip has such an id; nothing is written.
    """
    tips = metadata[metadata["kind"] == "tips"].set_index("item_id")
    if unknown := [item_id for item_id in item_ids if item_id not in tips.index]:
        raise NotFoundError(f"There is no tip {unknown[0]!r} in this run. run.metadata() has the ids, in 'item_id'.")
    chosen = tips.loc[list(item_ids), ["header", "text"]].fillna("")
    new: list[JSONObject] = [{"header": header, "text": text} for header, text in chosen.values.tolist()]
    known = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.exists() else []
    every = [(tip.get("header") or "", tip.get("text") or "") for tip in [*known, *new]]
    distinct: list[JSONObject] = [{"header": header, "text": words} for header, words in dict.fromkeys(every)]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["header", "text"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(distinct)
    path.write_text(text.getvalue(), encoding="utf-8")
    return distinct
