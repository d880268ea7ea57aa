"""Finds where in the researcher's own code an error was raised."""

from __future__ import annotations

import site
import sysconfig
import traceback
from pathlib import Path

#: Where code lies that no researcher wrote: this package, Python, and what was installed.
_OTHERS = tuple(
    f"{folder}/" for folder in (
        Path(__file__).parents[1], sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"), site.getusersitepackages(),
    )
)  # fmt: skip


def raised_in(error: BaseException) -> str:
    """Give the last line of a researcher's own code that an error came through; "" where there is none.

    Examples
    --------
    >>> raised_in(KeyError("never raised"))
    ''
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_OTHERS, "<frozen "))]
    if not own:
        return ""
    last = own[-1]
    # What ipykernel names the code of a cell by says nothing to anybody.
    place = "a cell" if "ipykernel_" in last.filename or last.filename.startswith("<") else Path(last.filename).name
    return f"in {last.name} (line {last.lineno} of {place})"


def describe(error: BaseException) -> str:
    """Say what was raised, and where, as a part of one sentence: with a no-break space behind each full stop.

    Examples
    --------
    >>> describe(KeyError("mood"))
    "KeyError('mood')"
    """
    # A full stop and a space would end the sentence, for whoever takes the remedy from behind it.
    return f"{error!r} {raised_in(error)}".strip().replace(". ", ".\N{NO-BREAK SPACE}")
