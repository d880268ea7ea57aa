"""What is done with each optional package, in a process that `without` starts."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mephisto_nb.display.charts import RunCharts
from mephisto_nb.frames.files import write_frame
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.signing import EntryTokens
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.testing.prolific.entry_links import EntryKeys


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


def ask_prolific() -> None:
    asyncio.run(ProlificAPI("token").account.me())


def sign_an_entry() -> None:
    EntryKeys().rotate()


def verify_an_entry() -> None:
    api = ProlificAPI("token")
    asyncio.run(EntryTokens(api.account.entry_keys, "https://lab.example.org").verify("token"))


#: What needs each package.
USES: dict[str, Callable[[], None]] = {
    "aiohttp": ask_prolific,
    "altair": draw_charts,
    "cryptography": sign_an_entry,
    "jwt": verify_an_entry,
    "openpyxl": write_excel,
    "psycopg": open_postgresql,
    "pyarrow": write_parquet,
    "vl_convert": draw_charts,
}
