"""One answer of 10 MB among honest ones: what reading, reviewing, filtering and drawing cost with it, and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mephisto_nb.display.review_answers import Answers
from mephisto_nb.model.changes import AddSubmission, Changes
from mephisto_nb.review.reviewing import Reviewing
from tests.benchmarks.frames_bench import _answers
from tests.benchmarks.harness import Figure, launched
from tests.inside import frames_of, parts_of

#: How many honest answers there are, and how often each call is timed.
_HONEST, _TIMES = 1000, 7
_ASKS = "<p>${text}<input name=label><input name=sure><textarea name=comment></textarea>"


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


def shapes() -> dict[str, Any]:
    """Return answers of 10 MB, of each shape."""
    text = {"label": "positive", "sure": 1, "comment": "because"}
    return {
        "100,000 fields": {**text, **{f"f{n}": "x" * 85 for n in range(100_000)}},
        "fields within one": {**text, "sure": {f"f{n}": "x" * 85 for n in range(100_000)}},
        "nests": {**text, "comment": [_deep(90) for _ in range(17_000)]},
        "a long list": {**text, "label": list(range(1_300_000))},
        "many lists": {**text, **{f"f{n}": list(range(5000)) for n in range(350)}},
        "one long text": {**text, "label": "x" * 10_000_000},
        "one long text of marks": {**text, "comment": '"\\\n' * 1_700_000},
    }


def _calls(run: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    def choose() -> object:
        return Answers(Reviewing([frames_of(run)]), None, {}).table("suspicion", "`answer.label` == 'positive'")

    yield "results()", run.results
    yield "review.queue()", lambda: run.review.queue("disagreement")
    yield "a filter of the review", choose
    yield "charts()", lambda: run.charts()._repr_mimebundle_()


def _seconds(call: Callable[[], object]) -> float:
    # The processor's seconds: what else the machine does is not what is measured.
    def once() -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    return min(once() for _ in range(_TIMES))


def _replace_answer(changes: Changes, data: Any, asked: frozenset[str] | None) -> Changes:
    """Return changes of which the first answer says something else."""
    first = next(i for i, one in enumerate(changes.changes) if isinstance(one, AddSubmission))
    submission = changes.changes[first].submission  # type: ignore[union-attr]
    changes.changes[first] = AddSubmission(replace(submission, data=data, asked=asked))
    return changes


async def _measure(blueprint: str, data: Any, **args: Any) -> dict[str, float]:
    async with launched(1, blueprint, **args) as run:
        changes = _answers(run.task_run_id, _HONEST)
        if data is not None:
            changes = _replace_answer(changes, data, parts_of(run).blueprint.get_asked_fields())
        assert parts_of(run).database.apply([changes]) == [None]
        return {name: _seconds(call) for name, call in _calls(run)}


async def big_answers() -> list[Figure]:
    figures = []
    for blueprint, args in (("static_html", {"task_html": _ASKS}), ("mock", {})):
        honest = await _measure(blueprint, None, **args)
        for shape, data in shapes().items():
            for name, seconds in (await _measure(blueprint, data, **args)).items():
                what = f"{name} with one answer of 10 MB, {shape} ({blueprint})"
                figures.append(Figure(what, seconds, "s", honest[name], "without it", "≤ 2"))
    return figures
