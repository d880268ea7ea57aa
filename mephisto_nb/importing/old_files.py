"""The files that Mephisto 1.x keeps beside its database: what was to be done, and what was answered.

Whatever is missing or broken is noted, and read as nothing.

How the answers of a run are read that was never launched here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.importing.old_database import to_seconds
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.ports.blueprint import Blueprint

#: What an agent's own state is called, the newest way first, and what the rest of its folder is.
_STATES = ("agent_data.json", "state.json")
_META = "agent_meta.json"
_OF_META = ("default", "feedback", "tips", "worker_opinion")


@dataclass(frozen=True, slots=True)
class OldAnswer:
    """What one agent has left: inputs, outputs, times (epoch seconds), messages, what came beside, and files.

    `has_state` tells whether the file with inputs and outputs could be read.
    """

    has_state: bool = True
    inputs: JSON = None
    outputs: JSON = None
    started_at: float | None = None
    ended_at: float | None = None
    messages: list[JSONObject] = field(default_factory=list)
    metadata: JSONObject = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class OldFiles:
    """The files of one data directory; `troubles` are those that could not be read: where, and why."""

    root: Path
    troubles: list[tuple[str, str]] = field(default_factory=list)
    read: int = 0
    _runs: dict[str, Path] | None = None

    def run_directory(self, run_id: str) -> Path | None:
        """Give the folder of a run, whatever project it is of."""
        if self._runs is None:
            homes = (self.root / "data" / "runs", self.root / "runs")
            runs = (run for home in homes if home.is_dir() for project in home.iterdir() for run in _folders(project))
            self._runs = {run.name: run for run in runs}
        return self._runs.get(run_id)

    def project_of(self, run_id: str) -> str | None:
        """Give the name of a run's project; None where it has none."""
        directory = self.run_directory(run_id)
        return None if directory is None or directory.parent.name == "NO_PROJECT" else directory.parent.name

    def read_assignment(self, run_id: str, assignment_id: str) -> tuple[JSONObject, list[JSONObject]] | None:
        """Give what all workers of an assignment see, and what each one has; None where it cannot be read."""
        data = self._read(run_id, f"{assignment_id}/assign_data.json")
        if not isinstance(data, dict):
            return None
        shared, own = data.get("shared"), data.get("unit_data")
        return (
            shared if isinstance(shared, dict) else {"shared": shared} if shared else {},
            [one if isinstance(one, dict) else {"unit": one} for one in own] if isinstance(own, list) else [],
        )

    def read_agent(
        self, run_id: str, assignment_id: str, agent_id: str, *, has_answered: bool = False
    ) -> OldAnswer | None:
        """Give what an agent has left; None where there is nothing. Of one who has answered, that is a trouble."""
        return self._read_state(run_id, f"{assignment_id}/{agent_id}", is_expected=has_answered)

    def read_onboarding(self, run_id: str, onboarding_id: str) -> OldAnswer | None:
        """Give what somebody did to be let in; None where there is nothing."""
        return self._read_state(run_id, f"onboarding/onboarding_{onboarding_id}")

    def _read_state(self, run_id: str, folder: str, *, is_expected: bool = False) -> OldAnswer | None:
        run = self.run_directory(run_id)
        place = None if run is None else run / folder
        if place is None or not place.is_dir():
            if is_expected:
                self._note(f"run {run_id}" if place is None else str(place), "its folder is missing")
            return None
        names = [name for name in _STATES if (place / name).is_file()] or [*_STATES[: int(is_expected)]]
        state = self._read(run_id, f"{folder}/{names[0]}") if names else None
        meta = self._read(run_id, f"{folder}/{_META}") if (place / _META).is_file() else None
        return _to_answer(state, meta if isinstance(meta, dict) else {}, place)

    def _read(self, run_id: str, name: str) -> JSON:
        run = self.run_directory(run_id)
        if run is None:
            self._note(f"run {run_id}", "its folder is missing")
            return None
        try:
            text = (run / name).read_text(encoding="utf-8")
            self.read += 1
            return json.loads(text)
        except FileNotFoundError:
            self._note(str(run / name), "is missing")
        except (OSError, ValueError, RecursionError) as error:
            self._note(str(run / name), f"cannot be read: {error}")
        return None

    def _note(self, where: str, why: str) -> None:
        if (where, why) not in self.troubles[-1:]:
            self.troubles.append((where, why))


def _to_answer(read: JSON, meta: JSONObject, place: Path) -> OldAnswer:
    has_state = isinstance(read, dict)
    state: JSONObject = read if isinstance(read, dict) else {}
    outputs, messages = state.get("outputs"), []
    if isinstance(outputs, dict) and isinstance(outputs.get("messages"), list):
        messages = [one if isinstance(one, dict) else {"text": one} for one in outputs["messages"]]
        outputs = {name: value for name, value in outputs.items() if name != "messages"}
    # Where times are has changed from version to version.
    inside = [state.get("metadata"), state.get("times"), state]
    places: list[Mapping[str, JSON]] = [meta, *(one for one in inside if isinstance(one, dict))]
    return OldAnswer(
        has_state=has_state,
        inputs=state.get("inputs"),
        outputs=outputs,
        started_at=_first_time(places, "task_start", "start_time"),
        ended_at=_first_time(places, "task_end", "end_time"),
        messages=messages,
        metadata={name: meta[name] for name in _OF_META if meta.get(name)},
        files=_uploads(place),
    )


def _first_time(places: list[Mapping[str, JSON]], *names: str) -> float | None:
    found = (to_seconds(place.get(name)) for place in places for name in names)
    return next((moment for moment in found if moment), None)


def _uploads(place: Path) -> list[Path]:
    """Give the files that a worker sent; links are nobody's upload."""
    folders = [place / "uploads", place]
    found = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    own = {*_STATES, _META}
    return [file for file in found if file.is_file() and not file.is_symlink() and file.name not in own]


def _folders(place: Path) -> list[Path]:
    return [one for one in place.iterdir() if one.is_dir()] if place.is_dir() else []


def read_answer(outputs: JSON) -> JSONObject:
    """Give the columns of ``results()`` for what somebody answered, whatever kind of task it was.

    What was submitted at the end of a task with functions or of a chat stands by its own fields, and all else that was
    kept beside it in ``(NAME)``.
    """
    if not isinstance(outputs, dict):
        return {} if outputs is None else {"answer": outputs}
    if "final_submission" not in outputs:
        return outputs
    last = outputs["final_submission"]
    answer = last if isinstance(last, dict) else {} if last is None else {"answer": last}
    others = ((name, value) for name, value in outputs.items() if name != "final_submission" and value)
    return {**answer, **{name if name.startswith("(") else f"({name})": value for name, value in others}}


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
