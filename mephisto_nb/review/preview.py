"""What a decision will do, in numbers, before it is made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mephisto_nb.config.registry import get_crowd_provider_from_type
from mephisto_nb.errors import UnknownTypeError
from mephisto_nb.model.changes import AddPayment, Change, ChangePayment, SetBlocked, SetGrant
from mephisto_nb.model.money import dollars
from mephisto_nb.model.reviews import Decision, Outcome
from mephisto_nb.model.states import PaymentKind
from mephisto_nb.ports.crowd_provider import CrowdProvider, CrowdVerb


@dataclass(frozen=True, slots=True)
class ReviewPreview:
    """What a decision, or its undoing, would do now. Money is in US dollars; ``str()`` says it in sentences.

    Attributes
    ----------
    verdict
        ``approved``, ``soft-rejected``, ``rejected`` or ``undone``.
    units, workers
        How many would be decided on, and whose they are.
    reward, bonus, fees
        What would be owed from then on: the units' own pay, bonuses, and what the crowd takes on top.
    payments_cancelled
        How many payments would be owed no longer.
    grants, blocks
        How many grants would be changed, and workers blocked or unblocked.
    refused
        How many units would be left alone, by reason.
    remarks
        What the crowd does not do by itself.
    """

    verdict: str
    units: int = 0
    workers: int = 0
    reward: float = 0.0
    bonus: float = 0.0
    fees: float = 0.0
    payments_cancelled: int = 0
    grants: int = 0
    blocks: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """All that would be owed, fees included."""
        return math.fsum((self.reward, self.bonus, self.fees))

    def __str__(self) -> str:
        said = [f"{_count(self.units, 'answer')} of {_count(self.workers, 'worker')} will be {self.verdict}."]
        if self.total:
            fees = f" and {dollars(self.fees)} of fees" if self.fees else ""
            said.append(
                f"{dollars(self.total)} will be owed: {dollars(self.reward)} of pay, {dollars(self.bonus)} of "
                f"bonuses{fees}."
            )
        if self.payments_cancelled:
            said.append(f"{_count(self.payments_cancelled, 'payment')} will be owed no longer.")
        if self.grants:
            said.append(f"{_count(self.grants, 'grant')} will be changed.")
        if self.blocks:
            said.append(f"{_count(self.blocks, 'worker')} will be {'un' * (self.verdict == 'undone')}blocked.")
        left = (f"{count:,} {why}" for why, count in self.refused.items())
        if self.refused:
            said.append(f"{_count(sum(self.refused.values()), 'answer')} will be left alone: {'; '.join(left)}.")
        return " ".join([*said, *self.remarks])

    def __add__(self, other: ReviewPreview) -> ReviewPreview:
        """Give what both would do; workers of several runs count for each."""
        numbers = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        refused = Counter(self.refused) + Counter(other.refused)
        remarks = tuple(dict.fromkeys((*self.remarks, *other.remarks)))
        return replace(self, **numbers, refused=refused, remarks=remarks)


_NUMBERS = ("units", "workers", "reward", "bonus", "fees", "payments_cancelled", "grants", "blocks")


def find_crowd(provider_type: str) -> type[CrowdProvider[Any]] | None:
    """Give the class of a provider; None where it is not installed, as for runs of long ago."""
    try:
        return get_crowd_provider_from_type(provider_type)
    except UnknownTypeError:
        return None


def describe(
    verdict: str, outcomes: Sequence[Outcome], changes: Iterable[Change], provider_type: str, decision: Decision | None
) -> ReviewPreview:
    """Say what these outcomes come to."""
    crowd, changes = find_crowd(provider_type), list(changes)
    payments = [change.payment for change in changes if isinstance(change, AddPayment)]
    reward = math.fsum(one.amount for one in payments if one.kind is PaymentKind.REWARD)
    bonus = math.fsum(one.amount for one in payments if one.kind is PaymentKind.BONUS)
    done = [one for one in outcomes if one.done]
    return ReviewPreview(
        verdict=verdict,
        units=len(done),
        workers=len({one.worker_id for one in done}),
        reward=reward,
        bonus=bonus,
        fees=(reward + bonus) * (crowd.FEE_RATE if crowd else 0.0),
        payments_cancelled=sum(isinstance(change, ChangePayment) for change in changes),
        grants=sum(isinstance(change, SetGrant) for change in changes),
        blocks=sum(isinstance(change, SetBlocked) for change in changes),
        refused=Counter(one.why for one in outcomes if not one.done),
        remarks=tuple(_remarks(provider_type, crowd, decision, owed=bool(payments))),
    )


def _remarks(
    provider_type: str, crowd: type[CrowdProvider[Any]] | None, decision: Decision | None, *, owed: bool
) -> Iterable[str]:
    can = crowd.CAN if crowd else frozenset()
    if crowd is None:
        yield f"The provider {provider_type!r} is not installed, so its fees are not known."
    if owed and CrowdVerb.APPROVE not in can:
        yield f"The provider {provider_type!r} pays nobody: the sum stays owed until operator.mark_paid()."
    if decision is not None and decision.message and CrowdVerb.MESSAGE not in can:
        yield f"The provider {provider_type!r} sends no messages: yours is kept, and not sent."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
