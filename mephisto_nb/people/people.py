"""Qualifications and workers of one operator, made together: they share their acts, and their panels each other.

Stands alone because both of its parts, and the panels of both, need it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.people.acts import Panel, PeopleActs
from mephisto_nb.people.qualifications import Qualifications
from mephisto_nb.people.workers import Workers
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database


class People:
    """Everything that a researcher does to people, and asks about them.

    Parameters
    ----------
    database, writer, clock
        Where people are kept, who writes there, and what time it is.
    open_panel
        Makes the panel of ``qualifications`` or ``workers``, when it is first shown.
    """

    def __init__(
        self,
        database: Database,
        writer: DatabaseWriter,
        clock: Clock,
        open_panel: Callable[[People, str], Panel],
    ) -> None:
        self.acts = PeopleActs(database, writer, clock)
        self.qualifications = Qualifications(self.acts, partial(open_panel, self, "qualifications"))
        self.workers = Workers(self.acts, partial(open_panel, self, "workers"))
        #: What a display knows of the people here, kept with them.
        self.watched_by: object | None = None
