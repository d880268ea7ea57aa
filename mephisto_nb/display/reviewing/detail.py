"""One answer, with all that somebody wants to know who decides on it, as plain values."""

from __future__ import annotations

import base64
import json
import math
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.preview import make_document
from mephisto_nb.display.review.answers import Answers
from mephisto_nb.errors import ConfigError, MephistoError
from mephisto_nb.model.money import dollars
from mephisto_nb.pages.unit_page import AnsweredPages
from mephisto_nb.review.decide import find_crowd

if TYPE_CHECKING:
    from mephisto_nb.frames.run_frames import RunFrames

#: Pictures that are shown; none of these can hold a script. Larger ones are named only, and so is any other file.
_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_MOST_BYTES = 3_000_000
#: An answer that is longer than this, in characters, is shown in part: a page must not be felled by one worker.
_LONGEST = 200_000
_OF_WORKER = (
    "worker_name", "answers", "waiting", "decided", "accepted", "soft_rejected", "rejected", "approval_rate",
    "median_seconds", "time_ratio", "agreement", "gold_accuracy", "notes",
)  # fmt: skip
_OF_REVIEW = ("at", "who", "before", "after", "note", "message", "undoes")


def describe(run: RunFrames, pages: AnsweredPages | None, answers: Answers, unit_id: str) -> JSONObject:
    """Describe an answer, without its page where there are no `pages`; blocks.

    Returns
    -------
    dict
        ``unit_id``, ``worker_id``, ``worker_name``, ``status``, ``item`` (which one of the data), ``at``, ``seconds``,
        ``pays`` (what approving it costs, fees included, in words), ``inputs``, ``answer``, ``files``, ``page`` (a
        document; None: see ``no_page``), ``record`` of its worker, what speaks ``against`` it, ``others`` to the same
        item, ``history`` of decisions.

    Raises
    ------
    ConfigError
        The answer is not there any more.
    """
    known = answers.find(unit_id)
    rows = run.read_answers([known["agent_id"]])
    if not rows:
        raise ConfigError("This answer is not in the database any more.")
    row, record = rows[0], answers.record(known["worker_id"])
    page, no_page = (None, "") if pages is None else _page(pages, row)
    crowd = find_crowd(run.task_run.provider_type)
    cost = row["pay_amount"] * (1 + (crowd.FEE_RATE if crowd else 0.0))
    found: JSONObject = {
        "unit_id": unit_id,
        "worker_id": known["worker_id"],
        "worker_name": known["worker_name"],
        "status": answers.status(unit_id),
        "item": row["assignment_index"],
        "at": row["submitted_at"],
        "seconds": known["duration_in_seconds"],
        "pays": dollars(cost) if cost else "",
        "inputs": _bounded(row["inputs"]),
        "answer": _bounded(row["answer"]),
        "files": _files(row["files"], row["paths"]),
        "page": page,
        "no_page": no_page,
        "record": {name: record[name] for name in _OF_WORKER if name in record},
        "against": answers.against(unit_id),
        "others": answers.others(unit_id),
        "history": [{name: one[name] for name in _OF_REVIEW} for one in answers.history(unit_id)],
    }
    return {name: plain(value) for name, value in found.items()}


def plain(value: Any) -> JSON:
    """Give a value as JSON can hold it and every front end read it: no NaN, no half characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(plain(str(name))): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if value is None or value is pd.NA or isinstance(value, bool | int):
        return value
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _page(pages: AnsweredPages, row: JSONObject) -> tuple[str | None, str]:
    if len(json.dumps(row["data"])) > _LONGEST:
        return None, "The answer is too long to be filled into its page."
    try:
        found = pages.find(row)
        if found is None:
            return None, "This kind of page cannot be shown filled in. What was sent stands below."
        page = found.page
        return make_document(page.files, page.policy, found.told, secrets.token_hex(12), found.values), ""
    except MephistoError as error:
        return None, f"The page cannot be shown: {error}"


def _bounded(value: JSON) -> JSON:
    text = json.dumps(value)
    return value if len(text) <= _LONGEST else {"(the beginning)": text[:_LONGEST]}


def _files(sent: Sequence[JSONObject], paths: Sequence[str]) -> list[JSONObject]:
    room, found = _MOST_BYTES, []
    for one, path in zip(sent, paths, strict=True):
        picture = _picture(Path(path), room)
        room -= len(picture or "")
        found.append({"name": one["filename"], "field": one["fieldname"], "path": path, "picture": picture})
    return found


def _picture(path: Path, room: int) -> str | None:
    kind = _PICTURES.get(path.suffix.lower())
    try:
        if kind is None or path.stat().st_size * 4 / 3 > room:
            return None
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError:
        return None
