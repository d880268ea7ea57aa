"""``python -m tests.crowd_faults [--seeds 0-499] [-j 2]``: run seeds, tell which fail, and sum up.

Stands alone because it is a program.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter

from tests.crowd_faults.live_story import LiveStory
from tests.crowd_faults.story import Story, StoryOutcome
from tests.faults.__main__ import read_seeds, say
from tests.faults.zygote import Zygote


def story_of(seed: int) -> type[Story]:
    """Return what a seed tells: each fourth one a study that is going on."""
    return LiveStory if seed % 4 == 3 else Story


async def run_seeds(seeds: list[int], at_once: int, zygote: Zygote) -> list[StoryOutcome]:
    """Run seeds, so many at once, and tell of each that fails."""
    room = asyncio.Semaphore(at_once)

    async def one(seed: int) -> StoryOutcome:
        async with room:
            try:
                outcome = await story_of(seed)(seed, zygote).tell()
            except Exception as error:  # noqa: BLE001 - the next seed is run all the same
                outcome = StoryOutcome(seed, [f"{type(error).__name__}: {error}"])
        for problem in outcome.problems:
            say(f"seed {seed} FAILED: {problem}")
        return outcome

    return await asyncio.gather(*map(one, seeds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=read_seeds, default=list(range(500)))
    parser.add_argument("-j", type=int, default=2, dest="at_once")
    given = parser.parse_args()
    begun = time.monotonic()
    with Zygote("tests.crowd_faults.kernel") as zygote:
        outcomes = asyncio.run(run_seeds(given.seeds, given.at_once, zygote))
    failed = [one.seed for one in outcomes if one.problems]
    mishaps = sum((one.mishaps for one in outcomes), Counter[str]())
    payments, doubts = sum(one.payments for one in outcomes), sum(one.doubts for one in outcomes)
    say(f"{len(outcomes)} seeds, {payments} payments, {doubts} doubts that a person was asked of")
    say(f"{len(failed)} failed {failed[:20]}")
    say(", ".join(f"{name}: {number}" for name, number in sorted(mishaps.items())))
    say(f"{time.monotonic() - begun:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
