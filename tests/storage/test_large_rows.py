"""Large rows stay in the database until they are worked on; whoever asks for them does not notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from mephisto_nb.errors import NotFoundError
from mephisto_nb.model import changes as c
from mephisto_nb.model.records import Assignment, Unit
from mephisto_nb.storage import large_rows
from mephisto_nb.storage.large_rows import LargeRows, StoredAssignment
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.testing.contracts._samples import PAY, SampleRun
from mephisto_nb.utils.ids import new_id


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SQLDatabase:
    monkeypatch.setattr(large_rows, "READ_AT_ONCE", 10_000)
    return SQLDatabase(f"sqlite:///{tmp_path / 'data.db'}")


def _add(run: SampleRun, sizes: list[int], parts: int = 1) -> list[Assignment]:
    made = []
    for index, size in enumerate(sizes):
        data = {"number": index, "text": "x" * size}
        made.append(Assignment(new_id(), run.id, index, data, [{"part": n} for n in range(parts)]))
    units = [Unit(new_id(), one.assignment_id, n, PAY) for one in made for n in range(parts)]
    run.commit(c.AddAssignments(made, units))
    return made


def _told(assignments: list[Assignment]) -> list[tuple[object, ...]]:
    return [(one.assignment_id, one.index, one.shared, one.unit_data, one.num_parts) for one in assignments]


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("sizes", "are_left"), [([100] * 20, False), ([2000] * 20, True), ([20_000], True)])
def test_rows_are_left_where_they_are_large_together(
    database: SQLDatabase, sizes: list[int], are_left: bool, parts: int
) -> None:
    run = SampleRun(database)
    made = _add(run, sizes, parts)
    found = database.runs.load_run(run.id).assignments
    assert {isinstance(one, StoredAssignment) for one in found} == {are_left}
    assert _told(found) == _told(made)
    assert [one.own_data(0) for one in found] == [one.own_data(0) for one in made]
    database.close()


def test_a_row_that_was_fetched_is_read_from_memory(database: SQLDatabase) -> None:
    run = SampleRun(database)
    made = _add(run, [2000] * 30)
    found = database.runs.load_run(run.id).assignments
    database.runs.fetch_data(found[:25])
    database.connections.release()
    database.runs.delete_run(run.id)
    assert _told(found[:25]) == _told(made[:25])
    with pytest.raises(NotFoundError, match="no longer in the database"):
        _ = found[25].shared
    database.close()


def test_only_so_much_of_the_rows_is_kept(database: SQLDatabase) -> None:
    run = SampleRun(database)
    ids = [one.assignment_id for one in _add(run, [2000] * 10)]
    rows = LargeRows(database.connections, kept=7000)
    rows.prefetch(ids)
    kept = list(rows._kept)
    assert len(kept) == 3
    other = next(id_ for id_ in ids if id_ not in kept)
    assert rows.read(other)[0]["number"] == ids.index(other)
    assert list(rows._kept) == [*kept[1:], other]
    database.close()
