"""What a decision came to, in words."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from mephisto_nb.display.words import count
from mephisto_nb.model.money import dollars
from mephisto_nb.model.reviews import SAID
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.review.decide import Extras


def tell_decided(outcome: pd.DataFrame, verdict: UnitStatus, extras: Extras) -> str:
    """Say what a decision did, and what it left alone."""
    bonus = f", with a bonus of {dollars(float(extras.bonus))} for each" if extras.bonus else ""
    return _tell(outcome, SAID[verdict].capitalize(), f"It comes to {{}}{bonus}.")


def tell_undone(outcome: pd.DataFrame) -> str:
    """Say what was taken back, and what could not be."""
    return _tell(outcome, "Undone: the decision on", "{} is owed no longer.")


def _tell(outcome: pd.DataFrame, said: str, sum_: str) -> str:
    done = outcome[outcome["done"]]
    words = []
    if len(done):
        workers = done["worker_id"].nunique()
        whose = f" of {count(workers, 'worker')}" if workers > 1 else ""
        words.append(f"{said} {count(len(done), 'answer')}{whose}.")
        if owed := abs(math.fsum(done["owed"])):
            words.append(sum_.format(dollars(owed)))
        also = Counter(done.loc[done["also"] != "", "also"])
        words += [f"{count(number, 'worker')}: {what}." for what, number in also.items()]
    left = Counter(outcome.loc[~outcome["done"], "why"])
    if left:
        stories = "; ".join(f"{number:,} {why}" if len(outcome) > 1 else why for why, number in left.items())
        words.append(f"Left alone: {stories}." if len(outcome) > 1 else f"The answer {stories}.")
    return " ".join(words) or "There was nothing to be done."
