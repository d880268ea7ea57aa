"""Data of Mephisto 1.x, with its progress shown where the work is long."""

from __future__ import annotations

import os

from mephisto_nb.display.progress import show_progress
from mephisto_nb.importing.old_mephisto import OldMephisto


def open_mephisto(path: str | os.PathLike[str]) -> OldMephisto:
    """Open a data directory of Mephisto 1.x: read only, while its own process goes on or not.

    Parameters
    ----------
    path
        What ``core.main_data_directory`` of its ``config.yml`` names, or the ``database.db`` in there.

    Returns
    -------
    OldMephisto
        Its frames, with the columns of today's: ``task_runs()``, ``units()``, ``agents()``, ``results()``,
        ``workers()``, ``qualifications()``, ``grants()``, ``reviews()``, ``messages()``, ``onboardings()``.

    Raises
    ------
    NotFoundError, DataFileError, DatabaseError
        There is none, it is no database of Mephisto 1.x, or it cannot be read.

    Examples
    --------
    ``old = mnb.open_mephisto("~/mephisto/data"); await operator.import_mephisto(old)``
    """
    return OldMephisto(path, show_progress)
