"""Ids are unique, sort by time, and look like ULIDs."""

from __future__ import annotations

import re

import pytest

from mephisto_nb.utils.ids import new_id

ULID_SPECIFICATION_TIME_NS = 1_469_918_176_385 * 1_000_000


def test_an_id_has_26_characters_of_the_crockford_alphabet() -> None:
    assert all(re.fullmatch(r"[0-7][0-9a-hjkmnp-tv-z]{25}", new_id()) for _ in range(100))


def test_ids_are_unique() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_the_layout_is_that_of_a_ulid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: ULID_SPECIFICATION_TIME_NS)
    monkeypatch.setattr("os.urandom", lambda n: b"\xff" * n)
    assert new_id() == "01aryz6s41zzzzzzzzzzzzzzzz"


def test_later_ids_sort_later(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = new_id()
    monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000_000 * 1_000_000)
    assert earlier < new_id()


def test_ids_of_one_millisecond_do_not_count_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: ULID_SPECIFICATION_TIME_NS)
    made = [new_id() for _ in range(100)]
    assert made != sorted(made)
