"""Files that nobody else may read, and that are never half there.

What can be told of an SQLite file without opening it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read (on POSIX), whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def uses_wal(path: str) -> bool:
    """Tell whether a file is an SQLite database whose readers and writer go on side by side."""
    try:
        with open(path, "rb") as file:
            return file.read(20)[18:] == b"\x02\x02"  # https://sqlite.org/fileformat2.html, section 1.3.3
    except OSError:  # it is not there yet; or SQLite will say what is wrong
        return False
