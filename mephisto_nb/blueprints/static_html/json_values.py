"""Turns the values that notebooks hold into values that JSON can carry."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mephisto_nb._typing import JSON


class NotJSONError(ValueError):
    """A value that JSON cannot carry."""


def to_json(value: Any) -> JSON:
    """Give `value` as JSON can carry it: NaN and NaT as null, dates as ISO text, numpy's scalars as Python's.

    Raises
    ------
    NotJSONError
        JSON has nothing like it; the message says what it is, where, and what to do.
    """
    return _convert(value, "")


def _convert(value: Any, where: str) -> JSON:
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    if isinstance(value, str):
        return _text(str.__str__(value), where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value), where)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return _convert_container(value, where)


def _convert_container(value: Any, where: str) -> JSON:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise NotJSONError(f"{where or 'it'} has the key {key!r}; keys must be text. Use str(key).")
        return {_text(key, where): _convert(item, f"{where}.{key}" if where else key) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _convert(value.tolist(), where)
    if isinstance(value, list | tuple):
        return [_convert(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise NotJSONError(
        f"{where or 'it'} is a {type(value).__name__}, which JSON cannot carry. "
        "Turn it into text, a number, a list or a dictionary first."
    )


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NotJSONError(
            f"{where or 'it'} holds half of a character ({value[error.start]!a}), which JSON cannot carry. "
            "Read the text again with the right encoding."
        ) from error
    return value


def _number(value: float, where: str) -> float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise NotJSONError(f"{where or 'it'} is {value!r}, which JSON cannot carry. Use None, or a finite number.")
    return value
