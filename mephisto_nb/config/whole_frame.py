"""A DataFrame that is read, not computed with. Stands alone because rooms that know nothing of each other show one."""

from __future__ import annotations

from typing import Any

import pandas as pd

_WHOLE: tuple[Any, ...] = (
    *("display.max_colwidth", None, "display.max_rows", None),
    *("display.max_columns", None, "display.width", 10_000),
)


class WholeFrame(pd.DataFrame):
    """A DataFrame that shows its texts and rows whole: a link whose end is cut off works for nobody."""

    @property
    def _constructor(self) -> Any:
        return WholeFrame

    def __repr__(self) -> str:
        with pd.option_context(*_WHOLE):
            return super().__repr__()

    def _repr_html_(self) -> str:
        with pd.option_context(*_WHOLE):
            return str(super()._repr_html_())  # type: ignore[misc]
