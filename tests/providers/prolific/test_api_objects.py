"""What Prolific answers becomes values, whatever it is called and whatever else is there."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.errors import CrowdError
from mephisto_nb.providers.prolific.objects import (
    BonusSetUp,
    ProlificBalance,
    ProlificMessage,
    ProlificStudy,
    ProlificSubmission,
    ProlificUser,
    ProlificWorkspace,
)
from mephisto_nb.providers.prolific.transport import ApiTransport, words_of
from mephisto_nb.utils.proofs import Secret

BONUS = {"id": "b", "study": "s", "amount": 170, "fees": 57, "vat": 11, "total_amount": 238}


@pytest.mark.parametrize(
    "body",
    [
        {"participant": "p", "entered_code": "C", "study_id": "s"},
        {"participant_id": "p", "study_code": "C", "study": "s"},
        {"participant_id": None, "participant": {"id": "p"}, "study_code": "C", "study": {"id": "s"}},
    ],
)
def test_both_names_of_one_thing_are_read(body: dict[str, Any]) -> None:
    one = ProlificSubmission.read({"id": "x", "status": "TIME-OUT", **body})
    assert (one.participant_id, one.entered_code, one.study_id, one.status) == ("p", "C", "s", "TIME-OUT")


def test_a_row_of_a_list_is_of_the_study_that_was_asked_for() -> None:
    assert ProlificSubmission.read({"id": "x"}, "s").study_id == "s"


@pytest.mark.parametrize("names", [("sender", "datetime_created"), ("sender_id", "sent_at")])
def test_messages_are_read_by_either_name(names: tuple[str, str]) -> None:
    body = {"id": "m", names[0]: "p", "body": "Hi", names[1]: "2026-05-20T11:03:00Z", "data": {"study_id": "s"}}
    one = ProlificMessage.read(body)
    assert (one.sender_id, one.sent_at, one.study_id) == ("p", "2026-05-20T11:03:00Z", "s")


@pytest.mark.parametrize("name", ["amount", "fees", "vat", "total_amount"])
@pytest.mark.parametrize("value", [None, "", "much", 1.5, True, [1]])
def test_an_amount_that_is_none_is_not_taken_for_nothing(name: str, value: Any) -> None:
    with pytest.raises(CrowdError, match=name):
        BonusSetUp.read({**BONUS, name: value}, "GBP")


@pytest.mark.parametrize("value", [238, 238.0, "238"])
def test_an_amount_may_be_written_in_any_way(value: Any) -> None:
    assert BonusSetUp.read({**BONUS, "total_amount": value}, "GBP").total == 238


def test_what_is_missing_or_odd_does_no_harm() -> None:
    study = ProlificStudy.read({"id": "s", "reward": None, "completion_codes": [None, {"code": "A"}], "new": 1})
    assert (study.reward, study.is_underpaying, study.fees_percentage) == (0, None, None)
    assert study.completion_codes == ({"code": "A"},)
    assert ProlificStudy.read({"id": "s", "fees_percentage": "42.8"}).fees_percentage is not None
    odd = ProlificSubmission.read({"id": "x", "bonus_payments": [20, "30", None, True], "time_taken": "12"})
    assert (odd.bonus_payments, odd.seconds) == ((20, 30), 12)
    assert ProlificWorkspace.read({"id": "w", "projects": ["a", {"id": "b"}, None]}).project_ids == ("a", "b")


@pytest.mark.parametrize("kind", [ProlificUser, ProlificStudy, ProlificSubmission, ProlificWorkspace])
def test_what_has_no_id_is_no_object(kind: Any) -> None:
    with pytest.raises(CrowdError, match="without id"):
        kind.read({"name": "x"})


def test_a_balance_has_a_currency() -> None:
    with pytest.raises(CrowdError, match="currency_code"):
        ProlificBalance.read({"total_balance": 1, "available_balance": 1})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("7", 7),
        ("Wed, 21 Oct 2015 07:28:05 GMT", 5),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Thu, 22 Oct 2015 07:28:00 GMT", 300),
        ("soon", 0),
        ("-1", 0),
    ],
)
def test_a_wait_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    transport = ApiTransport(Secret("token"), now=lambda: 1_445_412_480.0)
    assert transport._retry_after(header) == seconds


def test_words_are_on_one_line_without_control_characters() -> None:
    transport = ApiTransport(Secret("token"))
    assert "\x1b" not in transport._plain("a\n\x1b[31mb")
    deep: Any = "end"
    for _ in range(900):
        deep = [deep]
    assert words_of({"detail": deep}) == "…"
