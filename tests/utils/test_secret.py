"""A secret shows itself only when asked by name."""

from __future__ import annotations

import pickle

import pytest

from mephisto_nb.utils.proofs import Secret


def test_no_way_of_printing_gives_a_secret_away() -> None:
    secret = Secret("s3cr3t")
    assert "s3cr3t" not in f"{secret} {secret!r} {secret!s:>20} %s" % [secret]


def test_the_secret_is_there_for_who_asks() -> None:
    assert Secret("s3cr3t").reveal() == "s3cr3t"


def test_secrets_are_compared_by_value_and_only_with_each_other() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")


def test_a_secret_is_neither_changed_nor_pickled() -> None:
    secret = Secret("s3cr3t")
    with pytest.raises(AttributeError):
        secret._value = "other"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
