"""Makes static HTML tasks for tests, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mephisto_nb.model.shared_state import InitializationData, SharedTaskState

from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs

HTML = "<p>${text}</p><input name=mood>"


def task(data: Any = None, html: str | None = HTML, **args: Any) -> StaticHTMLBlueprint:
    return StaticHTMLBlueprint(StaticHTMLBlueprintArgs(task_html=html, **args), SharedTaskState(static_task_data=data))


def shared(blueprint: StaticHTMLBlueprint) -> list[dict[str, Any]]:
    """What each assignment's workers would see, after the checks of a launch."""
    blueprint.assert_task_args()
    rows = blueprint.get_initialization_data()
    assert isinstance(rows, Iterable)
    return [row.shared for row in rows]


def assignments(blueprint: StaticHTMLBlueprint) -> list[InitializationData]:
    rows = blueprint.get_initialization_data()
    assert isinstance(rows, Iterable)
    return list(rows)
