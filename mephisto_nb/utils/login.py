"""Who sits at this computer."""

from __future__ import annotations

import getpass


def login_name() -> str:
    """Give the name that this computer knows somebody by; 'researcher' where it knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "researcher"
