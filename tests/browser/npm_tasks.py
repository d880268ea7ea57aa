"""Runs of tasks built with the npm packages, unmodified, with a mock crowd and a router of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.chromium import skip_or_fail

DIST = Path(__file__).parents[1] / "npm" / "dist"
TASK = {
    "task_name": "npm",
    "task_title": "Moods",
    "task_description": "Say how a sentence sounds.",
    "task_reward": 0.1,
    "task_tags": "mood",
}
ANN = "/?worker_id=ann&assignment_id=a1"


def built(name: str) -> str:
    """Return the path of a bundle; skip where it was not built."""
    if not (DIST / name).is_file():
        skip_or_fail("the npm bundles were not built: run `make npm`")
    return str(DIST / name)


@asynccontextmanager
async def launched(
    data_dir: Path,
    blueprint: str,
    source: str,
    rows: list[dict[str, Any]],
    *,
    args: Any = None,
    task: Any = None,
    signed_links: bool = False,
    **shared: Any,
) -> AsyncIterator[TaskRun]:
    """Launch a task, whose links are not signed unless asked for, and end it."""
    blueprint_args = {"task_source": source, **(args or {})}
    provider_args, task = {"signed_links": signed_links}, {**TASK, **(task or {})}
    config = compose(blueprint, blueprint_args=blueprint_args, provider_args=provider_args, task=task)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalArchitect, "closed_notice", 20.0)  # a page goes on asking for a while after the end
        async with Operator(data_dir=data_dir) as operator:
            yield await operator.launch_task_run(config, SharedTaskState(static_task_data=rows, **shared))
            await operator.force_shutdown()
