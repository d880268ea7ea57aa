"""The file that a router on this machine is started from, which its kernel knows by heart in case it is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import MephistoError, RouterError
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.private_files import write_private
from mephisto_nb.utils.proofs import Secret

logger = get_logger(__name__)


class ConfigFile:
    """A ``router_config.json``.

    Parameters
    ----------
    directory
        The run's own directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "router_config.json"
        #: What it should hold, a secret because the run's token is in it; None: not known yet.
        self._known: Secret | None = None

    def write(self, config: JSONObject) -> None:
        """Write it. Raises `OSError`."""
        self._known = Secret(json.dumps(config))
        write_private(self._path, self._known.reveal())

    def read(self) -> JSONObject:
        """Return what it holds; where it is lost or spoilt, what it should hold. Raises `RouterError`."""
        if found := self._find():
            self._known = self._known or Secret(json.dumps(found))
            return found
        if self._known is None:
            raise RouterError(
                f"{self._path} cannot be read. If its router lives, that one writes it again in a few seconds."
            )
        known: JSONObject = json.loads(self._known.reveal())
        return known

    def keep(self, make: Callable[[], JSONObject] | None) -> None:
        """Write it again where it is lost or spoilt; what nobody knows any more, is made anew by `make`.

        Called before a router is started from it: one that lives writes it again by itself.

        Raises
        ------
        RouterError
            It is not known, and cannot be made.
        OSError
            It cannot be written.
        """
        if self._find():
            return
        if self._known is not None:
            self.write(self.read())
        elif make is not None:
            try:
                self.write(make())
            except MephistoError as error:
                raise RouterError(f"{self._path} is lost, and cannot be made anew: {error}") from error
        else:
            raise RouterError(
                f"The router of this run left nothing in {self._path.parent} to start it from. "
                "Launch the task again with resume_incomplete_run=true."
            )
        logger.warning("%s was taken away or spoilt, and is written again.", self._path)

    def _find(self) -> JSONObject | None:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        is_whole = isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("run_id", "token"))
        return found if is_whole else None
