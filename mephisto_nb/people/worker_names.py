"""The names of people who are to get links, as somebody writes them down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mephisto_nb.errors import ConfigError


def read_names(names: Iterable[Any]) -> list[str]:
    """Give names without the space around them.

    Raises
    ------
    ConfigError
        One is no text, or empty; or two are the same, but for capital letters and spaces.

    Examples
    --------
    >>> read_names(["ann", " Bob Lee"])
    ['ann', 'Bob Lee']
    """
    if isinstance(names, str):
        raise ConfigError(f"{names!r} is one name, not a list of names. Write get_worker_urls([{names!r}]).")
    known: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{name!r} is no name, so there is no link for it. Give text, such as 'ann'.")
        bare = "".join(name.split()).casefold()
        if bare in known:
            raise ConfigError(
                f"{known[bare]!r} and {name!r} are too much alike: as names of two people they would be mixed up, and "
                "one person needs one link. Give each person one name of their own."
            )
        known[bare] = name
    return [name.strip() for name in known.values()]
