"""Sizes of values, and numbers that browsers round, are found without walking through millions of values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mephisto_nb.model.shared_state import find_rounded, for_browsers
from mephisto_nb.utils.json_size import has_many_values, json_size, rough_size, surely_fits

BIG = 1234567890123456789


@pytest.mark.parametrize("filling", [[0.1] * 3000, {f"k{n}": [n, None] for n in range(2000)}, [[]] * 3000])
def test_one_long_number_among_many_values_is_found(filling: Any) -> None:
    value = {"filling": filling, "ids": [1, BIG]}
    assert has_many_values(value)
    assert find_rounded(value) == [["ids", 1]]
    assert for_browsers(value) == {"filling": filling, "ids": [1, str(BIG)]}


def test_many_values_without_a_long_number_are_left_as_they_are() -> None:
    value = [{"x": 0.12345678901234567, "n": n} for n in range(3000)]
    assert for_browsers(value) is value
    assert find_rounded(value) == []


def test_the_size_of_many_values_is_exact() -> None:
    value = [{"text": "é", "n": n} for n in range(3000)]
    assert json_size(value, 10) == len(json.dumps(value, separators=(",", ":")))


@pytest.mark.parametrize("value", ["\x01" * 90, "\N{CAT}" * 90, {'"' * 90: 1}, [10**90], [-1e-300] * 25, ["x"] * 99])
def test_what_surely_fits_takes_no_more(value: Any) -> None:
    size = len(json.dumps(value, separators=(",", ":")))
    assert not surely_fits(value, size - 1)
    assert surely_fits("x" * 1000, 7000)
    assert not surely_fits([1] * 10**5, 10**9)  # too many to look at


def test_a_few_values_are_not_many() -> None:
    assert not has_many_values({"a": [1] * 100, "b": "x" * 10**6})


@pytest.mark.parametrize(
    "value",
    ["x" * 1000, "\N{CAT}" * 1000, [0.12345678901234567] * 5000, [1234567890123456789] * 5000, [10**4000] * 9,
     {f"k{n}": {"text": "x" * n, "is": True} for n in range(300)}, [[]] * 5000, {"n" * 5000: None}],
)  # fmt: skip
def test_a_rough_size_is_near_the_right_one(value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False))
    assert size * 0.8 <= rough_size(value) <= size * 2


def test_a_rough_size_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mephisto_nb.utils.json_size._encode", None)
    assert 100_000 <= rough_size([0.1] * 10_000) <= 300_000
