"""The secret of a run, by which its crowd recognises the links that it has signed: made once, and kept twice."""

from __future__ import annotations

import contextlib
import re
import secrets
from pathlib import Path
from typing import Any

from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.private_files import make_private_folder, restore_private
from mephisto_nb.utils.proofs import Secret

_NAME = "link_secret"
_SECRET = re.compile("[0-9a-f]{64}")

logger = get_logger(__name__)


class RunSecret:
    """The secret of one run. Links that were sent go on to work once the kernel was restarted, or the run resumed.

    It lies in the run's directory, and once more where nobody cleans who cleans that one. It is in no database: those
    are copied, given away, and read by others on a server.

    Parameters
    ----------
    directory
        The run's own directory.
    copies
        The folder below which the second ones are, of all runs.
    """

    def __init__(self, directory: Path, copies: Path) -> None:
        self.own, self.copy = directory / _NAME, copies / directory.name / _NAME

    @property
    def paths(self) -> tuple[Path, Path]:
        """Where it lies."""
        return self.own, self.copy

    def keep(self) -> tuple[Secret, bool]:
        """Return the secret, and whether it had to be made now; from then on it lies at both places. Blocks.

        Where the two differ, that in the run's directory is the one that somebody has written over.
        """
        text = _find(self.copy) or _find(self.own)
        secret = text or secrets.token_hex(32)
        restore_private(self.own, secret)
        try:
            make_private_folder(self.copy.parent)
            restore_private(self.copy, secret)
        except OSError as error:
            logger.warning(
                "%s cannot be written: %s. The secret of the run's links lies at one place alone.", self.copy, error
            )
        return Secret(secret), text is None


def _find(path: Path) -> str | None:
    """Return what lies there; None for anything else than what is written here, which others could guess."""
    with contextlib.suppress(OSError):
        if _SECRET.fullmatch(text := path.read_text("ascii", "replace")):
            return text
    return None


def say_links_are_dead(provider: CrowdProvider[Any], state: RunState) -> str | None:
    """Return what to say where a run has a new secret; None: no link can have been given out, or none is signed."""
    if not state.num_assignments or not provider.has_own_links:
        return None
    return (
        "The secret of the run's links was lost or spoilt, in both places: links that were given out before do not "
        "work any more, and who comes by one is told that it is wrong. Send everybody their new one: "
        "run.get_worker_urls(names)."
    )


def log_new_secret(step: Step) -> None:
    """Have the event log say that the links are others from now on."""
    why = "the secret of the links was lost, so that those that were given out do not work"
    step.log("run", step.state.task_run_id, None, None, why, "operator")
