"""The collector waits, and goes on as it was."""

from __future__ import annotations

import gc

import pytest

from mephisto_nb.utils.garbage import no_collection


def test_the_collector_waits_and_goes_on_even_after_an_error() -> None:
    with no_collection():
        assert not gc.isenabled()
    with pytest.raises(ZeroDivisionError), no_collection():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_a_collector_that_somebody_has_switched_off_stays_off() -> None:
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
