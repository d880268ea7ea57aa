"""A few seeds; ``python -m tests.crowd_faults`` runs many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crowd_faults.__main__ import story_of
from tests.faults.zygote import Zygote

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote("tests.crowd_faults.kernel") as one:
        yield one


@pytest.mark.parametrize("seed", range(8))
async def test_nobody_is_paid_twice_or_forgotten(seed: int, zygote: Zygote) -> None:
    outcome = await story_of(seed)(seed, zygote).tell()
    assert outcome.problems == []
    assert outcome.mishaps
