"""Prolific's API, by what one does: `ProlificAPI` puts the parts together."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from mephisto_nb.providers.prolific.account_calls import AccountCalls, AudienceCalls, GroupCalls
from mephisto_nb.providers.prolific.contact_calls import HookCalls, MessageCalls
from mephisto_nb.providers.prolific.study_calls import StudyCalls
from mephisto_nb.providers.prolific.submission_calls import BonusCalls, SubmissionCalls
from mephisto_nb.providers.prolific.transport import PROLIFIC, ApiPatience, ApiTransport
from mephisto_nb.utils.proofs import Secret


class ProlificAPI:
    """Asks Prolific, as one researcher.

    What only reads, or may be done twice, is asked again where the answer is lost, Prolific is busy, or fails: waits
    grow, and are drawn by chance. What would be made twice is asked again where it was surely not carried out, and what
    would be paid or written twice never: if it is not known what became of it, `OutcomeUnknown` is raised. What
    Prolific refuses raises `CrowdRefusedError`, and what it does not answer, `CrowdError`.

    Parameters
    ----------
    token
        The researcher's token. It is in no repr, log or error.
    base_url
        Where the API is: Prolific's own, or that of a stand-in.
    patience
        How long and how often is tried.
    sleep, now, chance
        How is waited, what time it is, and a number from 0 to 1 by chance; for tests.

    Examples
    --------
    >>> async def money_of(token):
    ...     async with ProlificAPI(token) as api:
    ...         return [await api.account.balance(one.id) for one in await api.account.workspaces()]
    """

    def __init__(
        self,
        token: Secret | str,
        base_url: str = PROLIFIC,
        patience: ApiPatience | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._base_url = base_url  # first: what fails below may be shown with all that is here
        secret = Secret(token.strip()) if isinstance(token, str) else token
        self._transport = transport = ApiTransport(secret, base_url, patience, sleep=sleep, now=now, chance=chance)
        #: Who one is, workspaces, projects, balances, advice on pay, and the keys of signed addresses.
        self.account = AccountCalls(transport)
        self.studies = StudyCalls(transport)
        self.submissions = SubmissionCalls(transport)
        self.bonuses = BonusCalls(transport)
        self.groups = GroupCalls(transport)
        #: Filters, and how many people pass them.
        self.audience = AudienceCalls(transport)
        self.messages = MessageCalls(transport)
        self.hooks = HookCalls(transport)

    def __repr__(self) -> str:
        return f"<ProlificAPI at {self._base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; again: nothing. What is asked afterwards raises `ClosedError`."""
        await self._transport.close()
