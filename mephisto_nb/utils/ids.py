"""Ids that sort by time and whose neighbours nobody can guess; and who sits at this computer.

Stands alone because every layer makes ids.
"""

from __future__ import annotations

import getpass
import os
import time
from functools import lru_cache

from mephisto_nb.errors import ConfigError

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = tuple(range(70, -1, -10))
_RANDOM_BYTES = 10


@lru_cache(maxsize=1)
def _beginning(milliseconds: int) -> str:
    return "".join([_ALPHABET[milliseconds >> shift & 31] for shift in range(45, -1, -5)])


def new_id() -> str:
    """Return a new id: 26 characters, the time in milliseconds (48 bits) and 80 random bits, laid out as in a ULID.

    Ids made within one millisecond come in any order: counting up from the last one would make them guessable.

    Examples
    --------
    >>> len(new_id())
    26
    """
    bits = int.from_bytes(os.urandom(_RANDOM_BYTES))
    end = [_PAIRS[bits >> shift & 1023] for shift in _SHIFTS]
    return _beginning(time.time_ns() // 1_000_000) + "".join(end)


def login_name() -> str:
    """Return the name that this computer knows somebody by; 'researcher' where it knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "researcher"


def acting_name(who: str | None) -> str:
    """Return the name of who does something: the one that is given, or else that of whoever sits here.

    Raises
    ------
    ConfigError
        What is given is no text.
    """
    if who is not None and not isinstance(who, str):
        raise ConfigError(f"who is {who!r}. Give a name.")
    return login_name() if who is None else who
