"""``python -m tests.faults [--seeds 0-199] [-j 2] [--only FAULT,FAULT]``: run seeds, tell which fail, and sum up."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections import Counter

from tests.faults.plan import MACHINE_FAULTS, PAGE_FAULTS, POSTGRESQL_FAULT, Plan, make_plan
from tests.faults.postgresql import PostgreSQL, postgresql_server
from tests.faults.run import Outcome, run_plan
from tests.faults.zygote import Zygote

#: Runs that take longer than this (seconds) wait for something that they should not.
_SLOW = 15.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def read_seeds(text: str) -> list[int]:
    """Read ``3``, ``0-199`` or ``1,5,7-9``."""
    parts = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in parts for seed in range(int(first), int(last or first) + 1)]


def read_faults(text: str) -> tuple[str, ...]:
    """Read the names of faults of machines, with commas between them."""
    faults = tuple(text.split(","))
    if unknown := set(faults) - set(MACHINE_FAULTS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(MACHINE_FAULTS)}")
    return faults


async def run_plans(plans: list[Plan], at_once: int, zygote: Zygote, postgresql: PostgreSQL | None) -> list[Outcome]:
    """Run plans, so many at once, and tell of each that fails."""
    room = asyncio.Semaphore(at_once)

    async def one(plan: Plan) -> Outcome:
        seed = plan.seed
        async with room:
            outcome = await run_plan(plan, zygote, postgresql)
        if outcome.seconds > _SLOW:
            say(f"seed {seed} took {outcome.seconds:.1f} s: {outcome.plan}")
        if outcome.problems:
            say(f"seed {seed} FAILED: {outcome.plan}")
            for problem in outcome.problems:
                say(f"    {problem}")
            sys.stderr.write(outcome.log)
        return outcome

    return await asyncio.gather(*map(one, plans))


def summary(outcomes: list[Outcome]) -> str:
    """Return a table: how many seeds met each kind of fault, and how many of those failed."""
    met, failed = Counter[str](), Counter[str]()
    for outcome in outcomes:
        met.update(outcome.happened)
        failed.update(outcome.happened if outcome.problems else ())
    kinds = (*MACHINE_FAULTS, POSTGRESQL_FAULT, *PAGE_FAULTS)
    lines = [f"{kind:24} {met[kind]:5} seeds {failed[kind]:4} failed" for kind in kinds]
    bad = [str(outcome.plan.seed) for outcome in outcomes if outcome.problems]
    answers, seconds = sum(outcome.answers for outcome in outcomes), sum(outcome.seconds for outcome in outcomes)
    heard = sum(outcome.heard for outcome in outcomes)
    lines.append(
        f"{len(outcomes)} seeds, {answers} answers, {heard} live messages heard, "
        f"{seconds / len(outcomes):.2f} s a seed; {len(bad)} failed"
    )
    return "\n".join([*lines, f"again: python -m tests.faults --seeds {','.join(bad)}"] if bad else lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=read_seeds, default=read_seeds("0-199"), help="such as 0-199 or 3,17")
    parser.add_argument("-j", type=int, default=2, help="how many runs at once")
    parser.add_argument("--only", type=read_faults, default=(), help="faults of machines, such as inbox_removed")
    options = parser.parse_args()
    plans = [make_plan(seed, options.only) for seed in options.seeds]
    with contextlib.ExitStack() as stack:
        zygote = stack.enter_context(Zygote())
        wants_server = any(plan.postgresql for plan in plans)
        postgresql = stack.enter_context(postgresql_server()) if wants_server else None
        outcomes = asyncio.run(run_plans(plans, options.j, zygote, postgresql))
    say(summary(outcomes))
    sys.exit(any(outcome.problems for outcome in outcomes))


if __name__ == "__main__":
    main()
