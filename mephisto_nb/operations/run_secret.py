"""A run's own secret, by which its crowd can tell what the run has signed."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from mephisto_nb.utils.files import write_private
from mephisto_nb.utils.proofs import Secret

_FILE = "link_secret"
_SECRET = re.compile("[0-9a-f]{64}")


def keep_run_secret(directory: Path) -> Secret:
    """Give the secret of the run of this directory; blocks.

    It is made at the launch, and the same ever after: links that were sent go on to work once the kernel was
    restarted, or the run resumed.
    """
    path = directory / _FILE
    # Anything else than what is written here would be a secret that others can guess.
    if path.exists() and _SECRET.fullmatch(text := path.read_text("ascii", "replace")):
        return Secret(text)
    secret = secrets.token_hex(32)
    write_private(path, secret)
    return Secret(secret)
