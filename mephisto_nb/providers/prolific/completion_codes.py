"""Completion codes: by them Prolific knows how a visit has ended. Each run has its own, which nobody can guess."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.utils.proofs import Secret

#: Letters and digits that nobody takes for each other.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 10


class CodeKind(StrEnum):
    """The codes of a study, as Prolific shows them; what ends in ``BY_SERVER`` is used by us, never by a person."""

    COMPLETED = "COMPLETED"
    COMPLETED_BY_SERVER = "COMPLETED_BY_SERVER"
    FAILED_CHECKS = "FAILED_ATTENTION_CHECK"
    FAILED_CHECKS_BY_SERVER = "FAILED_CHECKS_BY_SERVER"
    NO_CONSENT = "NO_CONSENT"
    QUOTA_FULL = "QUOTA_FULL"
    SCREENED_OUT = "SCREENED_OUT"
    SCREENED_OUT_BY_SERVER = "FIXED_SCREENOUT"


#: Which code a person takes along; who is not listed takes none.
_OF_PEOPLE = {
    Outcome.COMPLETED: CodeKind.COMPLETED,
    Outcome.FAILED_CHECKS: CodeKind.FAILED_CHECKS,
    Outcome.NO_CONSENT: CodeKind.NO_CONSENT,
    Outcome.QUOTA_FULL: CodeKind.QUOTA_FULL,
    Outcome.SCREENED_OUT: CodeKind.SCREENED_OUT,
}
#: With which code we hand in for somebody.
_OF_SERVER = {
    Outcome.COMPLETED: CodeKind.COMPLETED_BY_SERVER,
    Outcome.FAILED_CHECKS: CodeKind.FAILED_CHECKS_BY_SERVER,
    Outcome.SCREENED_OUT: CodeKind.SCREENED_OUT_BY_SERVER,
}
#: Why somebody is asked to return their place.
_RETURNS = {
    CodeKind.NO_CONSENT: "You did not agree to take part.",
    CodeKind.QUOTA_FULL: "There were enough answers already when you came.",
    CodeKind.SCREENED_OUT: "This study looks for other people.",
}


@dataclass(frozen=True, slots=True)
class ScreenOutPay:
    """What people get who are screened out, in the smallest unit, and how many of them."""

    reward: int
    slots: int


class ProlificCodes:
    """The codes of one run.

    Parameters
    ----------
    secret
        The run's: it makes the same codes whenever the run is taken up again.
    pays_screen_out
        Whether people are paid for being screened out, so that they need no code.
    """

    def __init__(self, secret: Secret, *, pays_screen_out: bool = False) -> None:
        left_out = CodeKind.SCREENED_OUT if pays_screen_out else CodeKind.SCREENED_OUT_BY_SERVER
        self._codes = {kind: "" for kind in CodeKind if kind is not left_out}
        self.make(secret)

    def __repr__(self) -> str:
        return f"<ProlificCodes: {len(self._codes)}>"

    def make(self, secret: Secret) -> None:
        """Make the codes of this secret; those that were there are gone."""
        self._codes = {kind: _code(secret, kind) for kind in self._codes}

    def adopt(self, codes: Iterable[JSONObject]) -> None:
        """Take the codes that a study has, should they be others: the run's secret may have been lost."""
        found = {str(one.get("code_type")): one.get("code") for one in codes}
        for kind in self._codes:
            code = found.get(kind.value)
            if isinstance(code, str) and code:
                self._codes[kind] = code

    def for_person(self, outcome: Outcome) -> str | None:
        """Return the code that a person takes along; None: they take none."""
        kind = _OF_PEOPLE.get(outcome)
        return None if kind is None else self._codes.get(kind)

    def for_server(self, outcome: Outcome) -> str | None:
        """Return the code with which we hand in for a person; None: we do not."""
        kind = _OF_SERVER.get(outcome)
        return None if kind is None else self._codes.get(kind)

    def compose(self, *, auto_approve: bool, screen_out: ScreenOutPay | None) -> list[JSONObject]:
        """Return the codes as a study is made with them."""
        return [self._composed(kind, code, auto_approve, screen_out) for kind, code in self._codes.items()]

    def _composed(self, kind: CodeKind, code: str, auto_approve: bool, screen_out: ScreenOutPay | None) -> JSONObject:
        is_ours = kind in _OF_SERVER.values()
        if kind in _RETURNS:
            action: JSONObject = {"action": "REQUEST_RETURN", "return_reason": _RETURNS[kind]}
        elif kind is CodeKind.SCREENED_OUT_BY_SERVER and screen_out is not None:
            pay = {"fixed_screen_out_reward": screen_out.reward, "slots": screen_out.slots}
            action = {"action": "FIXED_SCREEN_OUT_PAYMENT", **pay}
        elif auto_approve and kind is CodeKind.COMPLETED_BY_SERVER:
            # Never by the code that people take along: one of them may tell it to others, who have done nothing.
            action = {"action": "AUTOMATICALLY_APPROVE"}
        else:
            action = {"action": "MANUALLY_REVIEW"}
        return {
            "code": code,
            "code_type": kind.value,
            "actor": "researcher" if is_ours else "participant",
            "actions": [action],
        }


def _code(secret: Secret, kind: CodeKind) -> str:
    digest = hmac.digest(secret.reveal().encode(), f"prolific-code:{kind.value}".encode(), hashlib.sha256)
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_LENGTH])
