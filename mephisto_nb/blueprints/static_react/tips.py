"""Tips that a researcher has accepted, for pages to offer."""

from __future__ import annotations

from pathlib import Path

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.task_data import read_csv
from mephisto_nb.errors import DataFileError


def read_tips(path: str) -> list[JSONObject]:
    """Read the accepted tips of a CSV file with the columns ``header`` and ``text``; none where there is no file yet.

    Raises
    ------
    DataFileError
        The file cannot be read, or has no column ``text``.
    """
    if not Path(path).expanduser().exists():
        return []
    tips = []
    for row in read_csv(path):
        if "text" not in row.value:
            raise DataFileError(
                f"mephisto.blueprint.tips_location is {path!r}, whose {row.label} has no column 'text'. "
                "It needs the columns header and text."
            )
        tips.append({"header": row.value.get("header") or "", "text": row.value["text"]})
    return tips
