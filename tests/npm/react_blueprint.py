"""A blueprint of a task that is built with npm, to prove that the unmodified `mephisto-task` package is served."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.abstractions.blueprint import Blueprint
from mephisto_nb.data_model.assignment_data import InitializationData
from mephisto_nb.errors import ConfigError

HERE = Path(__file__).parent
BUNDLE = HERE / "dist" / "bundle.js"


@dataclass(slots=True)
class ReactBlueprintArgs:
    """Where the built task lies, and how many workers see each row."""

    _blueprint_type: str = "npm_react"
    bundle: str = str(BUNDLE)
    units_per_assignment: int = 1


class ReactBlueprint(Blueprint[ReactBlueprintArgs]):
    """Serve ``index.html`` and a bundle; each row of `static_task_data` is one assignment.

    The strict policy of `Blueprint` will do: neither React nor `mephisto-task` evaluates text or inlines a script.
    """

    BLUEPRINT_TYPE: ClassVar[str] = "npm_react"
    ArgsClass = ReactBlueprintArgs

    def assert_task_args(self) -> None:
        """Refuse a bundle that was not built."""
        if not Path(self.args.bundle).is_file():
            raise ConfigError(
                f"mephisto.blueprint.bundle is {self.args.bundle!r}, which is no file. Build it with `make npm`."
            )

    def get_initialization_data(self) -> Iterable[InitializationData]:
        """Give one assignment a row."""
        for row in self.shared_state.static_task_data:
            yield InitializationData(shared=dict(row), unit_data=[{} for _ in range(self.args.units_per_assignment)])

    def build_site(self, directory: Path) -> None:
        """Copy the page and the bundle."""
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / "index.html", directory / "index.html")
        shutil.copyfile(self.args.bundle, directory / "bundle.js")

    def get_frontend_args(self) -> JSONObject:
        """Give the page the researcher's task configuration."""
        return dict(self.shared_state.task_config)
