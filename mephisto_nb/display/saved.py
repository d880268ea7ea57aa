"""What a notebook keeps of a display: the state at which it was put out, until it is put out anew.

A notebook is written by the page that shows it, not by the kernel. What the kernel can do is to put out once more,
under the same display id; a page that has been open since takes the new one in place of the old, and keeps that when it
saves. A page that was reloaded in between does not, and neither does a file that no page has open. Putting out anew
makes the page build the widget anew, so it is done seldom: when a run has ended, and once more when nothing will change
any more, if what is seen has changed in between.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any


class SavedDisplays:
    """The places in notebooks where one thing was shown."""

    def __init__(self) -> None:
        self._display_ids: list[str] = []
        self._shown: object = None

    def show(self, bundle: dict[str, Any], what: object = None) -> None:
        """Put it out, by type, under an id of its own; `what` is what it shows, to tell whether that has changed."""
        self._display_ids.append(secrets.token_hex(8))
        self._shown = what if len(self._display_ids) == 1 else None  # each place may show another moment
        _publish(bundle, self._display_ids[-1], update=False)

    def renew(self, draw: Callable[[], dict[str, Any]], what: Callable[[], object] = object) -> None:
        """Draw it and put it out anew wherever it was put out, unless it would show the same."""
        if not self._display_ids or (now := what()) == self._shown:
            return
        bundle, self._shown = draw(), now
        for display_id in self._display_ids:
            _publish(bundle, display_id, update=True)


def _publish(bundle: dict[str, Any], display_id: str, update: bool) -> None:
    from IPython.display import publish_display_data

    publish: Any = publish_display_data
    publish(bundle, transient={"display_id": display_id}, update=update)
