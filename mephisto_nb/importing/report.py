"""What became of each row of a database that was imported."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pandas as pd

REPORT_COLUMNS = ("table", "found", "imported", "already_there", "left_out", "remarks")


@dataclass(slots=True)
class ImportReport:
    """Counts rows by table: each is imported, already there, or left out for a reason."""

    found: dict[str, int] = field(default_factory=dict)
    imported: Counter[str] = field(default_factory=Counter)
    already_there: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    remarks: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def leave_out(self, table: str, why: str, count: int = 1) -> None:
        """Note rows that are not imported."""
        if count:
            self.left_out[table][why] += count

    def remark(self, table: str, what: str, count: int = 1) -> None:
        """Note something about rows that were imported otherwise than they are."""
        if count:
            self.remarks[table][what] += count

    def add(self, other: ImportReport, *, is_new: bool) -> None:
        """Take over what was found of one run; where it is not new, what would be imported is already there."""
        (self.imported if is_new else self.already_there).update(other.imported)
        for table, reasons in other.left_out.items():
            self.left_out[table].update(reasons)
        for table, reasons in other.remarks.items() if is_new else ():
            self.remarks[table].update(reasons)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a table, columns `REPORT_COLUMNS`.

        ``found`` rows are ``imported``, ``already_there`` (from an earlier import, or known here anyway) or
        ``left_out``; ``remarks`` lists why, and what was changed on the way, each with its number.
        """
        rows = []
        for table, found in self.found.items():
            left, said = self.left_out.get(table, Counter()), self.remarks.get(table, Counter())
            told = [f"{count:,} left out: {why}" for why, count in left.items()]
            told += [f"{count:,} {what}" for what, count in said.items()]
            numbers = (found, self.imported[table], self.already_there[table], left.total(), told)
            rows.append((table, *numbers))
        return pd.DataFrame(rows, columns=list(REPORT_COLUMNS))
