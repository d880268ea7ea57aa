"""DataFrames as notebooks show them: words of strangers are words there, and never a formula, a colour or a link."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mephisto_nb.utils.logging import neutralise

_WHOLE: tuple[Any, ...] = (
    *("display.max_colwidth", None, "display.max_rows", None),
    *("display.max_columns", None, "display.width", 10_000),
)
#: Marks of writing from right to left, which honest texts have.
_DIRECTIONS = "\u200e\u200f"


class ShownFrame(pd.DataFrame):
    """A DataFrame like any other, whose texts are shown as they were written.

    A notebook makes formulas of what stands between dollar signs in a table: prices as well, and links that look like
    something else. Control characters are written as escapes: they would colour a terminal, or turn text around.
    """

    @property
    def _constructor(self) -> Any:
        return ShownFrame

    def __repr__(self) -> str:
        return neutralise(super().__repr__(), keep="\n" + _DIRECTIONS)

    def _repr_html_(self) -> str | None:
        _let_all_frames_be_text()
        with pd.option_context("display.html.use_mathjax", False):
            html = super()._repr_html_()  # type: ignore[misc]
        return None if html is None else neutralise(html, keep="\n\t" + _DIRECTIONS)


_told: list[bool] = []


def _let_all_frames_be_text() -> None:
    """Let this kernel's other frames show no formulas, either: texts go from one to the next, by a merge or a count.

    Done once, when the first of ours is shown, so that whoever sets pandas' option back keeps it.
    """
    if not _told:
        _told.append(True)
        pd.set_option("display.html.use_mathjax", False)


class WholeFrame(ShownFrame):
    """A DataFrame that shows its texts and rows whole: a link whose end is cut off works for nobody."""

    @property
    def _constructor(self) -> Any:
        return WholeFrame

    def __repr__(self) -> str:
        with pd.option_context(*_WHOLE):
            return super().__repr__()

    def _repr_html_(self) -> str | None:
        with pd.option_context(*_WHOLE):
            return super()._repr_html_()
