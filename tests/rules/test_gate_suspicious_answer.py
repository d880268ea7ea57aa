"""Suspicious answers: what is called late, what is called copied, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.rules.gates._base import GateSetup, SentAnswer
from mephisto_nb.rules.gates.suspicious_answer import (
    _MOST_GIVEN,
    SuspiciousAnswerCheck,
    SuspiciousAnswerSettings,
    _smoothed,
)

POEM = "Tiger, tiger, burning bright\nIn the forests of the night"
BOTH = {"copied_from": ["row", "others"]}


def look(settings: dict[str, Any], answer: dict[str, Any], **sent: Any) -> Any:
    """Look at an answer that took 60 seconds."""
    check = SuspiciousAnswerCheck(SuspiciousAnswerSettings(**settings), SharedTaskState())
    return check.look(SentAnswer(answer, answer=answer, **{"seconds": 60.0} | sent))


def test_an_answer_that_took_longer_than_the_limit_fails() -> None:
    found = look({"maximum_seconds": 59.5}, {"label": "cat"})
    assert (found.passed, found.detail) == (False, {"seconds": 60.0, "maximum_seconds": 59.5})
    assert look({"maximum_seconds": 60.0}, {"label": "cat"}).passed is True


@pytest.mark.parametrize("given", [POEM, f"  {POEM.upper()} ", "tiger, TIGER, burning bright in the  forests"])
def test_a_copy_is_found_whatever_its_blanks_and_case(given: str) -> None:
    found = look(BOTH, {"summary": given}, row={"poem": POEM})
    assert (found.passed, found.detail) == (False, {"copied": {"summary": "row"}})


def test_what_another_worker_wrote_before_is_found() -> None:
    others = [{"summary": "It is about a cat."}, {"summary": POEM}]
    assert look(BOTH, {"why": POEM}, others=others).detail == {"copied": {"why": "others"}}
    assert look({"copied_from": ["row"]}, {"why": POEM}, others=others).passed is True


@pytest.mark.parametrize(
    "given", [POEM + "!", "burning bright", "", "A poem about a tiger that burns in the dark woods"]
)
def test_more_words_fewer_characters_and_own_words_are_no_copy(given: str) -> None:
    assert look(BOTH, {"summary": given}, row={"poem": POEM}).passed is True


def test_only_the_fields_that_are_named_are_looked_at() -> None:
    answer = {"quote": POEM, "parts": ["mine", POEM]}
    row = {"poem": {"text": POEM}}
    assert look(BOTH, answer, row=row).detail == {"copied": {"quote": "row", "parts": "row"}}
    assert look({**BOTH, "copied_fields": ["other"]}, answer, row=row).passed is True


def test_the_length_from_which_a_text_counts_can_be_set() -> None:
    assert look({**BOTH, "copied_characters": 14}, {"summary": "burning bright"}, row={"poem": POEM}).passed is False


@pytest.mark.parametrize(
    ("settings", "mend"), [({"copied_from": ["web"]}, "'others'"), ({"copied_fields": ["why"]}, "Set copied_from")]
)
def test_settings_that_would_look_at_nothing_are_refused(settings: dict[str, Any], mend: str) -> None:
    setup = GateSetup(SuspiciousAnswerSettings(**settings), SharedTaskState())
    with pytest.raises(ConfigError, match=mend):
        SuspiciousAnswerCheck.check_setup(setup)


def test_of_an_endless_answer_the_beginning_is_looked_at() -> None:
    endless = {"words": [f"{POEM} {n}" for n in range(10_000)], "more": "x" * 10**7}
    assert look(BOTH, {"quote": POEM, **endless}, row={"poem": POEM}).detail == {"copied": {"quote": "row"}}
    assert sum(map(len, _smoothed(endless, _MOST_GIVEN))) <= _MOST_GIVEN


def test_no_text_is_found_that_spans_two_others() -> None:
    assert look(BOTH, {"why": "x" * 40 + " " + "y" * 40}, row={"a": "x" * 40, "b": "y" * 40}).passed is True
