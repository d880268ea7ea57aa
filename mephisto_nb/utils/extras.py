"""Packages that not everybody has: whoever lacks one is told the one command that installs it.

Each import of such a package stands within ``with needs(EXTRA):``, and so does a call that imports it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mephisto_nb.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of this package.

    Parameters
    ----------
    need
        How a sentence begins that ends in what is missing.
    packages
        Each package by the name under which Python imports it, and that under which pip installs it.
    """

    need: str
    packages: dict[str, str] = field(default_factory=dict)


#: The extras whose packages are imported here. ``lab`` is none of them: it is JupyterLab, which is only ever started.
EXTRAS = {
    "charts": Extra("Charts need", {"altair": "altair", "vl_convert": "vl-convert-python"}),
    "excel": Extra("Excel files need", {"openpyxl": "openpyxl"}),
    "parquet": Extra("Parquet files need", {"pyarrow": "pyarrow"}),
    "postgresql": Extra("PostgreSQL databases need", {"psycopg": "psycopg"}),
    "prolific": Extra("Prolific's API needs", {"aiohttp": "aiohttp", "cryptography": "cryptography", "jwt": "pyjwt"}),
}


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Return which extra to install where an import fails for want of it.

    Raises
    ------
    MissingExtraError
        Something cannot be imported.

    Examples
    --------
    >>> with needs("charts"):
    ...     import altair
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(_message(extra, error)) from error


def _message(extra: str, error: ImportError) -> str:
    wanted = EXTRAS[extra]
    missing = (error.name or "").partition(".")[0]
    install = f"Install it: pip install 'mephisto-nb[{extra}]'"
    if isinstance(error, ModuleNotFoundError) and missing in wanted.packages:
        return f"{wanted.need} {wanted.packages[missing]}. {install}"
    # It is there, but lacks something itself: a package of its own, or a library of the system.
    return f"{wanted.need} {' and '.join(wanted.packages.values())}, not usable here ({error}). {install}"
