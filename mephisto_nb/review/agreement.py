"""How far people who answered the same agree."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations
from typing import Any

import pandas as pd

#: A question counts as closed when it has no more different answers than this.
MOST_CHOICES = 10


def closed_questions(results: pd.DataFrame) -> list[str]:
    """Give the columns of the answers that are choices: the same few values come again and again."""
    return [name for name in results.columns if name.startswith("answer.") and _is_closed(results[name].dropna())]


def _is_closed(values: pd.Series[Any]) -> bool:
    if values.empty or not values.map(lambda value: isinstance(value, Hashable)).all():
        return False
    different = values.nunique()
    return different <= MOST_CHOICES and (different < len(values) or len(values) < 3)


def agreement_by_question(results: pd.DataFrame, questions: list[str]) -> dict[str, float]:
    """Give for each question the share of pairs of answers to one item that are the same; {}: no item has two."""
    shares = {}
    for question in questions:
        groups = results.dropna(subset=[question]).groupby("assignment_id")[question]
        pairs = [one == other for _, values in groups for one, other in combinations(values.tolist()[:20], 2)]
        if pairs:
            shares[question] = sum(pairs) / len(pairs)
    return shares


def agreement_by_answer(results: pd.DataFrame, questions: list[str]) -> pd.DataFrame:
    """Say how far each answer agrees with the others to the same item.

    Of one question, that is the share of the *other* answers to the item (same ``assignment_id``) that say the same.
    An answer's ``agreement`` is the mean over the questions that it and at least one other have answered.

    Returns
    -------
    pandas.DataFrame
        In the rows of `results`: ``agreement``, from 0 to 1, NaN where nobody else answered the item; and ``others``,
        how many did, to the question that most answered.
    """
    shares, others = pd.DataFrame(index=results.index), pd.DataFrame(index=results.index)
    for question in questions:
        codes = pd.Series(pd.factorize(results[question])[0], index=results.index)
        said = codes >= 0
        items = results.loc[said, "assignment_id"]
        of_item = items.groupby(items).transform("size")
        same = codes[said].groupby([items, codes[said]]).transform("size")
        shares[question] = ((same - 1) / (of_item - 1)).where(of_item > 1)
        others[question] = of_item - 1
    # Without a single question both are empty, and so are their means.
    return pd.DataFrame(
        {
            "agreement": shares.mean(axis="columns").astype("float64"),
            "others": others.max(axis="columns").fillna(0).astype("int64"),
        },
        index=results.index,
    )
