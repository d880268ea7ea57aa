"""Does what needs optional packages while they are missing, and prints what comes of each: ``python -m`` this module.

None is there to begin with. Each is tried in turn, and then is there, as if the command had been followed.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.abc import MetaPathFinder
from typing import Any


class Refusal(MetaPathFinder):
    """Refuses to find some packages, as if they were not installed."""

    def __init__(self, packages: set[str]) -> None:
        self.packages = packages

    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def main(packages: list[str]) -> None:
    """Print the message for each package, as JSON."""
    refusal = Refusal(set(packages))
    sys.meta_path.insert(0, refusal)  # before pandas is imported, which loads pyarrow where it can
    uses = importlib.import_module("tests.packaging.uses").USES
    errors = importlib.import_module("mephisto_nb.errors")
    told = {}
    for package in packages:
        try:
            uses[package]()
        except errors.MissingExtraError as error:
            told[package] = str(error)
        refusal.packages.remove(package)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
