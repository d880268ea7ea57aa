"""What is done with each optional package, in a process that `without` starts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mephisto_nb.display.charts import RunCharts
from mephisto_nb.frames.files import write_frame
from mephisto_nb.storage.sql_database import SQLDatabase


def draw_charts() -> None:
    RunCharts(None)  # type: ignore[arg-type]


def write_parquet() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_frame(pd.DataFrame({"a": [1]}), Path(folder, "answers.parquet"))


def write_excel() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_frame(pd.DataFrame({"a": [1]}), Path(folder, "answers.xlsx"))


def open_postgresql() -> None:
    SQLDatabase("postgresql://127.0.0.1:1/runs")


#: What needs each package.
USES: dict[str, Callable[[], None]] = {
    "altair": draw_charts,
    "openpyxl": write_excel,
    "psycopg": open_postgresql,
    "pyarrow": write_parquet,
    "vl_convert": draw_charts,
}
