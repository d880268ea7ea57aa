"""How the answers of a run are read that was never launched here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.importing.old_files import read_answer
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.ports.blueprint import Blueprint


class ImportedBlueprint(Blueprint[None]):
    """A plain reading of what tasks of Mephisto 1.x have collected, whatever their kind; nothing can be launched."""

    BLUEPRINT_TYPE: ClassVar[str] = "imported"
    ArgsClass: ClassVar[type[Any]] = type(None)

    def get_initialization_data(self) -> Iterable[InitializationData]:
        """Refuse: an imported run is over.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError("An imported run cannot be launched. Make a configuration of its task's YAML: compose(...).")

    def build_site(self, directory: Path) -> None:
        """Refuse: an imported run has no page.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError("An imported run has no page. Make a configuration of its task's YAML: compose(...).")

    def get_answer(self, data: JSON) -> JSONObject:
        """Give what was submitted by its own fields, and what was kept beside it in ``(NAME)``."""
        return read_answer(data)
