"""How people go back to Prolific, and how it is told that they have finished: by us, whatever becomes of their tab."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from mephisto_nb.errors import CrowdError, CrowdRefusedError
from mephisto_nb.model.outcomes import ExitLink, LateExit, Outcome, VisitEnd
from mephisto_nb.ports.crowd_provider import VisitExits
from mephisto_nb.providers.prolific.account import ProlificAccount
from mephisto_nb.providers.prolific.completion_codes import ProlificCodes
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: What to do now: how the visit has ended is said before it.
_WORDS = {
    Outcome.COMPLETED: "Prolific is told that you have finished. Please go back there now.",
    Outcome.FAILED_CHECKS: "Prolific is told that you were here. Please go back there now.",
    **dict.fromkeys(
        (Outcome.NO_CONSENT, Outcome.QUOTA_FULL, Outcome.SCREENED_OUT),
        "Please return your place on Prolific, so that somebody else can have it.",
    ),
    # It may be gone there already: by that they may have ended here.
    **dict.fromkeys(
        (Outcome.TIMED_OUT, Outcome.RETURNED),
        "If you still hold a place on Prolific, please return it, so that somebody else can have it.",
    ),
}
_PAID_SCREEN_OUT = "You are paid for having come: Prolific is told so. You can close this page."
#: Where a submission has been handed in, by whomever.
_HANDED_IN = {"AWAITING REVIEW", "PROCESSING", "APPROVED", "PARTIALLY APPROVED", "SCREENED OUT"}
#: Where nobody can hand it in any more.
_GONE = {"RETURNED", "REJECTED"}


class ProlificExits(VisitExits):
    """Hands in for people who have finished, and leads everybody back.

    Parameters
    ----------
    account
        Asks Prolific.
    codes
        The run's completion codes.
    app_url
        Where participants look at Prolific.
    approves
        Whether who has finished is paid without a review, whichever of them and us has handed in first.
    """

    TELLS_CROWD: ClassVar[bool] = True

    def __init__(self, account: ProlificAccount, codes: ProlificCodes, app_url: str, *, approves: bool = False) -> None:
        self._account, self._codes, self._approves = account, codes, approves
        self._app_url = app_url.rstrip("/")

    def get_exit(self, end: VisitEnd) -> ExitLink | None:
        """Return where somebody goes now, with which code, and what they are told."""
        code, words = self._codes.for_person(end.outcome), _WORDS[end.outcome]
        if code is None:
            is_paid = end.outcome is Outcome.SCREENED_OUT
            return ExitLink(end.outcome, text=_PAID_SCREEN_OUT if is_paid else words, automatic=False)
        url = f"{self._app_url}/submissions/complete?{urlencode({'cc': code})}"
        return ExitLink(end.outcome, url, code, words, automatic=end.outcome is Outcome.COMPLETED)

    def get_exit_if_over(self) -> LateExit | None:
        """Return where somebody goes who holds a place on Prolific, and comes when the run is over."""
        link = self.get_exit(VisitEnd("", "", "", Outcome.QUOTA_FULL))
        return None if link is None else LateExit(link)

    async def finish(self, end: VisitEnd) -> None:
        """Hand in for somebody, so that their pay does not hang on their browser; again: nothing.

        Only who has finished is handed in for, and who gets something all the same: failed checks are reviewed, and a
        screening may be paid. Who has returned the place, or was rejected, stays so; a comparison of both sides shows
        it.

        Raises
        ------
        WorldError
            Prolific refuses, or cannot be reached. It is told again later.
        """
        code = self._codes.for_server(end.outcome)
        if code is None:
            return
        if not PROLIFIC_ID.fullmatch(end.registration_id):
            raise CrowdRefusedError("A visit has ended whose id is none of Prolific's. Look at both sides.")
        async with self._account.asking() as api:
            try:
                status = (await api.submissions.complete(end.registration_id, code)).status
            except CrowdRefusedError as error:
                status = (await api.submissions.get(end.registration_id)).status
                if status in _GONE:
                    logger.info("A visit that was finished here had been %s on Prolific before.", status.lower())
                elif status not in _HANDED_IN:
                    raise CrowdError(f"{error} There it is {status!r}.", error.status) from error
            if self._approves and end.outcome is Outcome.COMPLETED and status == "AWAITING REVIEW":
                await api.submissions.approve(end.registration_id)
