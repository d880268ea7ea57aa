"""DataFrames as notebooks show them: words of strangers are words there, and never a formula, a colour or a link."""

from __future__ import annotations

import sys
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _let_others_be_text()
        super().__init__(*args, **kwargs)

    @property
    def _constructor(self) -> Any:
        return ShownFrame

    @property
    def style(self) -> Any:
        """A styled table, as pandas makes it, in which names of columns are no HTML, either."""
        styled = super().style
        return styled.format_index(escape="html", axis=0).format_index(escape="html", axis=1)

    def __repr__(self) -> str:
        return _without_controls(super().__repr__())

    def _repr_html_(self) -> str | None:
        with pd.option_context("display.html.use_mathjax", False):
            html = super()._repr_html_()  # type: ignore[misc]
        return None if html is None else _without_controls(html)


def _without_controls(text: str) -> str:
    return neutralise(text, keep="\n\t" + _DIRECTIONS)


#: What pandas prints; of arrays, a kind that prints itself goes before the others.
_PRINTED = (
    *(pd.Series, pd.DataFrame, pd.Index, pd.api.extensions.ExtensionArray),
    *(pd.Categorical, pd.arrays.SparseArray, pd.arrays.IntervalArray),
)
_told: list[bool] = []


def _let_others_be_text() -> None:
    """Let the kernel show no formulas and controls of other frames, either: texts go from one to the next, by a merge.

    Done once, when the first of ours is made, so that whoever sets pandas' option back keeps it.
    """
    if _told:
        return
    _told.append(True)
    # A styled table would hold texts as HTML, scripts among it, and formulas.
    pd.set_option("display.html.use_mathjax", False, "styler.html.mathjax", False, "styler.format.escape", "html")
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        formatters = shell.display_formatter.formatters
        for kind in _PRINTED:
            formatters["text/plain"].type_printers.setdefault(kind, _print)
        formatters["text/html"].type_printers.setdefault(pd.DataFrame, _draw)


def _print(shown: object, printer: Any, cycle: bool) -> None:
    printer.text(_without_controls(repr(shown)))


def _draw(frame: Any) -> str | None:
    html = frame._repr_html_()
    return None if html is None else _without_controls(html)


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
