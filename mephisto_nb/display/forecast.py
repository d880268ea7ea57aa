"""How a forecast, and budgets, look in a notebook: an autoescaped page, whose long lists scroll.

Stands alone because what is forecast knows nothing of HTML; a notebook gets what does, by the same name.
"""

from __future__ import annotations

from dataclasses import fields

from mephisto_nb.display.summary import templates
from mephisto_nb.money.forecast import Forecast, shown


class ShownForecast(Forecast):
    """A forecast that a notebook shows as a page; all else is as it was."""

    @classmethod
    def of(cls, forecast: Forecast) -> ShownForecast:
        """Return the same forecast, to be shown."""
        return cls(**{field.name: getattr(forecast, field.name) for field in fields(Forecast)})

    def _repr_html_(self) -> str:
        template = templates.get_template("forecast.html")
        lines = [
            (line.what, "" if line.count is None else f"{line.count:,} at {line.each}", shown(line.amount.point),
             f"{shown(line.amount.low)} to {shown(line.amount.high)}")
            for line in self.lines
        ]  # fmt: skip
        return template.render(forecast=self, lines=lines, total=shown(self.cost.point))
