"""How a person's visit ends, and how they go back to the crowd that sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mephisto_nb._typing import JSONObject


class Outcome(StrEnum):
    """What became of a visit, in the words that crowds have for it."""

    #: All that was asked for was sent.
    COMPLETED = "completed"
    #: They are not among those who are looked for, as a qualification, the introduction or a screening shows.
    SCREENED_OUT = "screened_out"
    #: There was nothing left for them to do when they came.
    QUOTA_FULL = "quota_full"
    #: Their answers to attention checks or to questions with known answers were wrong too often.
    FAILED_CHECKS = "failed_checks"
    #: They did not agree to take part.
    NO_CONSENT = "no_consent"
    #: Their time was over before they had sent what was asked for.
    TIMED_OUT = "timed_out"
    #: They gave back what they had begun.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class VisitEnd:
    """A visit that has come to its end, as the crowd is told of it.

    `visit_id` is ours. `registration_id` is what the crowd calls the visit, and `captured` what else it gave along
    when the person came, by name. Of `asked` units `done` were sent. Where that is fewer, `short` says why
    ("stopped_early", "fewer_units"), and `outcome` is what the run's rules make of it: COMPLETED where it is paid for,
    whole or by unit, and RETURNED where it is to be given back.
    """

    visit_id: str
    worker_name: str
    registration_id: str
    outcome: Outcome
    done: int = 0
    asked: int = 1
    captured: JSONObject = field(default_factory=dict)
    short: str | None = None


@dataclass(frozen=True, slots=True)
class ExitLink:
    """How somebody goes back: where to, with which code, and what they are told.

    `url` is where a button and, where it is `automatic`, the page itself leads; `code` is shown as text beside it, or
    alone. `text` is said above both.
    """

    outcome: Outcome
    url: str | None = None
    code: str | None = None
    text: str = ""
    automatic: bool = True

    def to_dict(self) -> JSONObject:
        """Return it as it travels to the page."""
        return {
            "outcome": self.outcome.value,
            "url": self.url,
            "code": self.code,
            "text": self.text,
            "automatic": self.automatic,
        }


@dataclass(frozen=True, slots=True)
class LateExit:
    """How people go back who come when their run is over, and nobody knows who they are.

    In the address of `link` stands ``{name}`` where a value of theirs goes, behind its host; `parameters` says which
    parameter of the address that they came by holds it. Who came without one of them has no such address.
    """

    link: ExitLink
    parameters: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> JSONObject:
        """Return it as it travels to the router."""
        return {**self.link.to_dict(), "automatic": False, "parameters": dict(self.parameters)}
