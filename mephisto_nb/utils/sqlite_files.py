"""What can be told of an SQLite file without opening it."""

from __future__ import annotations


def uses_wal(path: str) -> bool:
    """Tell whether a file is an SQLite database whose readers and writer go on side by side."""
    try:
        with open(path, "rb") as file:
            return file.read(20)[18:] == b"\x02\x02"  # https://sqlite.org/fileformat2.html, section 1.3.3
    except OSError:  # it is not there yet; or SQLite will say what is wrong
        return False
