"""The port of what a crowd does itself about work and people: it pays, rejects, writes and blocks.

What cannot be undone is asked for by one rule: each payment is noted as being asked for before it is, and one of which
nobody heard whether it was carried out is never asked for again by a program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from mephisto_nb.errors import UsageError
from mephisto_nb.model.money import Money


class CrowdVerb(StrEnum):
    """What a crowd can be asked to do about work and the people who did it."""

    APPROVE = "approve"
    REJECT = "reject"
    BONUS = "bonus"
    MESSAGE = "message"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class CrowdWork:
    """One answer, or visit, as a crowd knows it, and what is to be done about it.

    `registration_id` is what the worker's page called itself: with crowds that count visits, the crowd's own id of it.
    `key` is the same whenever the same thing is asked for again. `amount` is without fees; `text` is shown to the
    worker, and `category` is the crowd's own word for why something is rejected, where it wants one. `paid_alike` is
    how many other bonuses of this amount are known to be paid for the same visit; None: nobody has counted them.
    """

    key: str
    unit_id: str
    agent_id: str
    worker_name: str
    registration_id: str
    amount: Money
    text: str = ""
    category: str = ""
    paid_alike: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a crowd says of payments that it took: what it calls them, and what it takes on top, taxes included."""

    reference: str = ""
    fees: Money | None = None


@dataclass(frozen=True, slots=True)
class BonusQuote:
    """Bonuses that are ready to be paid, together or not at all, and what they come to.

    `reference` is what the crowd calls the batch; `fees` are on top of the amounts; None: they are not known.
    """

    works: Sequence[CrowdWork]
    reference: str = ""
    fees: Money | None = None


class InBooks(StrEnum):
    """What a crowd's own books say of a payment that was asked for."""

    PAID = "paid"
    NOT_PAID = "not paid"
    NOBODY_KNOWS = "nobody knows"


class CrowdDesk:
    """What one crowd does itself, for one run; this one does nothing, and everything stays with the researcher.

    Each verb is called for what is in `CAN` alone, once a decision is committed. It raises `WorldError` where the crowd
    refuses or cannot be reached, so that it is sure that nothing was done; `OutcomeUnknown` where nobody can tell
    whether it was; whatever else it raises is taken for the latter, and logged.
    """

    #: What this crowd does itself. All else is kept here, and stays with the researcher: pay stays owed, for instance.
    CAN: ClassVar[frozenset[CrowdVerb]] = frozenset()
    #: What may be asked for again with the same work, and happens once. All else is looked up in the crowd's books.
    REPEATABLE: ClassVar[frozenset[CrowdVerb]] = frozenset(CrowdVerb) - {CrowdVerb.BONUS}
    #: Whether a rejection that the crowd was told of can be taken back. (What was paid never can.)
    TAKES_REJECTIONS_BACK: ClassVar[bool] = False
    #: How many bonuses are paid by one request, at most.
    LARGEST_BATCH: ClassVar[int] = 1

    async def approve_work(self, work: CrowdWork) -> Receipt:
        """Have the crowd pay for an answer, or a visit."""
        raise self._cannot(CrowdVerb.APPROVE)

    async def reject_work(self, work: CrowdWork) -> None:
        """Have the crowd not pay for an answer, or a visit."""
        raise self._cannot(CrowdVerb.REJECT)

    def check_rejection(self, text: str, category: str = "") -> str:
        """Return why the crowd would refuse a rejection with this reason; '': it would not. Nothing is asked."""
        return ""

    async def quote_bonuses(self, works: Sequence[CrowdWork]) -> BonusQuote:
        """Prepare bonuses, of which none is paid yet, and say what they come to. It costs nothing, and may be repeated.

        Called with at most `LARGEST_BATCH` works.
        """
        return BonusQuote(works)

    async def pay_bonuses(self, quote: BonusQuote) -> Receipt:
        """Have the crowd pay what was quoted: all of it, or nothing."""
        raise self._cannot(CrowdVerb.BONUS)

    async def find_payments(self, works: Sequence[CrowdWork], verb: CrowdVerb) -> Mapping[str, InBooks]:
        """Look payments up in the crowd's books, by their keys. Called for those of which nobody heard.

        `NOT_PAID` is said only where that is certain, so that it may be asked for again.
        """
        return {work.key: InBooks.NOBODY_KNOWS for work in works}

    async def send_message(self, work: CrowdWork) -> None:
        """Have the crowd write to a worker."""
        raise self._cannot(CrowdVerb.MESSAGE)

    async def block_worker(self, work: CrowdWork) -> None:
        """Have the crowd offer a worker nothing of ours any more."""
        raise self._cannot(CrowdVerb.BLOCK)

    def _cannot(self, verb: CrowdVerb) -> UsageError:
        return UsageError(f"{type(self).__name__} cannot {verb.value}. Ask for what is in its CAN alone.")
