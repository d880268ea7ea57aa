"""An answer as it came, with the data that it answers: read for hooks, displays and frames.

Stands alone because the hook of a live run and the frames of any run have to read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.database import Database


def read_answers(
    database: Database, task_run_id: str, blueprint: Blueprint[Any], directory: Path, agent_ids: Sequence[str]
) -> list[JSONObject]:
    """Read a few answers, as rows with ``inputs``, ``answer`` and the ``paths`` of files."""
    rows = database.runs.read_results([task_run_id], agent_ids=agent_ids)
    for row in rows:
        row["inputs"] = blueprint.get_inputs(row["shared"], own_data(row))
        row["paths"] = [str(directory / "files" / file["filename"]) for file in row["files"]]
        row["answer"] = blueprint.get_answer(with_files(directory, row["data"], row["files"]))
    return rows


def own_data(row: JSONObject) -> JSONObject:
    """Return what the data holds for a unit alone; an extra unit, made for a late answer, and a gate's have nothing."""
    own: list[JSONObject] = row["unit_data"]
    return own[row["unit_index"]] if 0 <= row["unit_index"] < len(own) else {}


def with_files(directory: Path, data: JSON, sent: list[JSONObject]) -> JSON:
    """Return an answer in which each file that was sent stands as the path of where it is stored."""
    if not sent or not isinstance(data, dict):
        return data
    paths: dict[str, list[str]] = {}
    for file in sent:
        paths.setdefault(file["fieldname"], []).append(str(directory / "files" / file["filename"]))
    return {**data, **{name: found[0] if len(found) == 1 else found for name, found in paths.items()}}
