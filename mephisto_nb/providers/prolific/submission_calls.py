"""Submissions: shown, decided on and completed; and bonuses, set up and paid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.providers.prolific.calls import ApiCalls, part
from mephisto_nb.providers.prolific.objects import BonusSetUp, ProlificSubmission
from mephisto_nb.providers.prolific.transport import ApiEffect, Paging

#: How many characters the reason of a rejection has at least.
SHORTEST_REASON = 100
#: How many submissions are asked for at once.
_PAGE = 500


class SubmissionCalls(ApiCalls):
    """Submissions. Deciding twice changes nothing, so all of it may be asked again."""

    async def of_study(self, study_id: str) -> AsyncIterator[ProlificSubmission]:
        """Yield all submissions of a study, page after page."""
        path = f"/studies/{part(study_id)}/submissions/"
        async for row in self._transport.pages(path, by=Paging.OFFSET, size=_PAGE):
            yield ProlificSubmission.read(row, study_id)

    async def counts(self, study_id: str) -> dict[str, int]:
        """Return how many submissions of a study are in each state, and in ``TOTAL``."""
        found = await self._get(f"/studies/{part(study_id)}/submissions/counts/")
        return {state: count for state, count in found.items() if isinstance(count, int)}

    async def get(self, submission_id: str) -> ProlificSubmission:
        """Return a submission."""
        return ProlificSubmission.read(await self._get(f"/submissions/{part(submission_id)}/"))

    async def approve(self, submission_id: str) -> ProlificSubmission:
        """Approve a submission, which pays its reward; one that was approved stays so.

        Refused as long as Prolific has not noticed that it was handed in.
        """
        return await self._transition(submission_id, {"action": "APPROVE"})

    async def reject(self, submission_id: str, message: str, category: str) -> ProlificSubmission:
        """Reject a submission: it is not paid, and its place is given to somebody else.

        Raises
        ------
        ConfigError
            The message, which the participant reads, is too short.
        """
        if len(message) < SHORTEST_REASON:
            raise ConfigError(
                f"The reason for a rejection has {len(message)} characters. Prolific wants {SHORTEST_REASON} at least: "
                "say what was wrong, and where."
            )
        body = {"action": "REJECT", "message": message, "rejection_category": category}
        return await self._transition(submission_id, body)

    async def complete(
        self, submission_id: str, code: str, *, percentage: int | None = None, message: str | None = None
    ) -> ProlificSubmission:
        """Hand in for a participant, by a completion code of the study whose actor is the researcher.

        `percentage` of the reward, and a message to the participant, belong to a code that pays in part.
        """
        body: JSONObject = {"action": "COMPLETE", "completion_code": code}
        if percentage is not None:
            body["completion_code_data"] = {"percentage_of_reward": percentage}
            if message is not None:
                body["completion_code_data"]["message_to_participant"] = message
        return await self._transition(submission_id, body)

    async def request_return(self, submission_id: str, reasons: Iterable[str]) -> ProlificSubmission:
        """Ask a participant to return a submission. They may not care."""
        answer = await self._transport.send(
            "POST",
            f"/submissions/{part(submission_id)}/request-return/",
            effect=ApiEffect.REPEATABLE,
            body={"request_return_reasons": list(reasons)},
            wants_object=True,
        )
        return ProlificSubmission.read(answer.object)

    async def approve_many(self, submission_ids: Iterable[str]) -> None:
        """Ask to have many submissions approved. Prolific does so later; look at their states to know."""
        ids = [part(one) for one in submission_ids]
        if ids:
            path = "/submissions/bulk-approve/"
            await self._transport.send("POST", path, effect=ApiEffect.REPEATABLE, body={"submission_ids": ids})

    async def _transition(self, submission_id: str, body: JSONObject) -> ProlificSubmission:
        path = f"/submissions/{part(submission_id)}/transition/"
        answer = await self._transport.send("POST", path, effect=ApiEffect.REPEATABLE, body=body, wants_object=True)
        return ProlificSubmission.read(answer.object)


class BonusCalls(ApiCalls):
    """Bonuses, in two steps. Neither is ever asked for a second time: whoever pays twice has paid twice."""

    async def set_up(self, study_id: str, bonuses: Iterable[tuple[str, int]], *, currency: str) -> BonusSetUp:
        """Set up bonuses, which costs nothing yet, and return what they will cost.

        Parameters
        ----------
        study_id
            The study in which everybody has a submission.
        bonuses
            To whom how much: a participant's or a submission's id, and an amount in the smallest unit.
        currency
            That of the study, GBP or USD.

        Raises
        ------
        ConfigError
            An amount is not a whole number above 0, or there is none.
        CrowdRefusedError
            Somebody has no submission in the study.
        """
        lines = [f"{part(one)},{_major(amount)}" for one, amount in bonuses]
        if not lines:
            raise ConfigError("There are no bonuses to set up. Give whom to pay, and how much.")
        body = {"study_id": part(study_id), "csv_bonuses": "\n".join(lines)}
        path = "/submissions/bonus-payments/"
        return await self._once("POST", path, body, lambda answer: BonusSetUp.read(answer, currency))

    async def pay(self, set_up_id: str) -> None:
        """Pay bonuses that were set up; they arrive some minutes later. Called twice, it pays twice."""
        await self._transport.send("POST", f"/bulk-bonus-payments/{part(set_up_id)}/pay/", effect=ApiEffect.ONCE)


def _major(amount: int) -> str:
    """Return an amount as the list of bonuses wants it: in the currency's own unit, with two decimals."""
    if isinstance(amount, bool) or not isinstance(amount, int) or amount <= 0:
        raise ConfigError(f"A bonus cannot be {amount!r}. Give a whole number of the smallest unit, such as 150.")
    return f"{amount // 100}.{amount % 100:02d}"
