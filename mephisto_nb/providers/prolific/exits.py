"""How people go back to Prolific, and how it is told that they have finished: by us, whatever becomes of their tab."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from mephisto_nb.errors import CrowdError, CrowdRefusedError
from mephisto_nb.model.outcomes import ExitLink, Outcome, VisitEnd
from mephisto_nb.ports.crowd_provider import VisitExits
from mephisto_nb.providers.prolific.account import ProlificAccount
from mephisto_nb.providers.prolific.completion_codes import ProlificCodes
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

_WORDS = {
    Outcome.COMPLETED: "Thank you. Your answers have arrived, and Prolific is told so. Please go back there now.",
    Outcome.FAILED_CHECKS: "Too many answers to questions with a known answer were wrong, so this ends here. "
    "The researcher will look at it.",
    Outcome.NO_CONSENT: "You did not agree to take part, so nothing more is asked of you. Please return your place.",
    Outcome.QUOTA_FULL: "Thank you for coming. There are enough answers already. Please return your place.",
    Outcome.SCREENED_OUT: "Thank you for your interest. This study looks for other people. Please return your place.",
    Outcome.TIMED_OUT: "The time for this task is over. Thank you for your effort. Please return your place.",
    Outcome.RETURNED: "You have given this task back. Please return your place on Prolific, too.",
}
_PAID_SCREEN_OUT = "Thank you for your interest. This study looks for other people. You are paid for having come."
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
                    raise CrowdError(
                        f"{error} There it is {status!r}. It is told again later.", error.status
                    ) from error
            if self._approves and end.outcome is Outcome.COMPLETED and status == "AWAITING REVIEW":
                await api.submissions.approve(end.registration_id)
