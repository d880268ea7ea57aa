"""How a run looks where nothing can be live: in a saved notebook, without styles, in a terminal."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from mephisto_nb.display.notebook import draw_operator, draw_run
from mephisto_nb.display.summary import RunSummary

HALFWAY: dict[str, Any] = {
    "task_name": "moods",
    "task_run_id": "01run",
    "status": "live",
    "url": "http://127.0.0.1:3000",
    "has_own_links": True,
    "answered": 1,
    "total": 2,
    "working": 1,
    "counts": [("at work", 1), ("answered", 1)],
    "attention": [],
    "taken_at": "2026-01-01 00:00:00 UTC",
}


class Words(HTMLParser):
    """What is left of a page where styles are stripped."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.feed(re.sub("<style>.*?</style>", "", page, flags=re.DOTALL))

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


def both(**changes: Any) -> tuple[str, str]:
    """Give the words of the HTML, and the plain text."""
    drawn = draw_run(RunSummary(**{**HALFWAY, **changes}))
    return Words(drawn["text/html"]).text, drawn["text/plain"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "1 of 2 units answered (50 %), 1 worker at work"),
        (
            {"answered": 9_999, "total": 10_000, "working": 1_200},
            "9,999 of 10,000 units answered (99 %), 1,200 workers",
        ),
        ({"counts": [("to come", 10_000)]}, "to come: 10,000"),
        ({}, 'Send each worker the link that run.get_worker_url("NAME") gives, with their name'),
        ({"attention": ["the data failed"]}, "Needs attention: the data failed"),
        (
            {"absence": "The kernel was away for 43 s; 12 answers and 3 arrivals were caught up."},
            "away for 43 s; 12 answers",
        ),
    ],
)
def test_the_page_without_styles_and_the_text_say_it(changes: dict[str, Any], expected: str) -> None:
    page, text = both(**changes)
    assert expected in page
    assert expected in text


@pytest.mark.parametrize(("counts", "words"), [([], "there are no units yet"), ([("expired", 3)], "no unit is left")])
def test_a_run_without_units_counts_none(counts: list[tuple[str, int]], words: str) -> None:
    page, text = both(answered=0, total=0, working=0, counts=counts)
    assert words in page.lower()
    assert words in text
    assert "%" not in page + text


def test_an_ended_run_offers_no_links() -> None:
    assert not any("http" in drawn for drawn in both(status="ended"))


def test_where_all_come_by_one_address_no_other_is_spoken_of() -> None:
    assert not any("get_worker_url" in drawn for drawn in both(has_own_links=False))


def test_no_text_of_others_becomes_markup() -> None:
    page = draw_run(RunSummary(**{**HALFWAY, "task_name": "<b>x", "attention": ["<script>1</script>"]}))["text/html"]
    assert "<b>" not in page
    assert "<script>" not in page


def test_names_keep_their_own_direction() -> None:
    assert "<bdi>وصف</bdi>" in draw_run(RunSummary(**{**HALFWAY, "task_name": "وصف"}))["text/html"]


def test_an_operator_lists_its_runs() -> None:
    assert "moods live 1 of 2 01run" in Words(draw_operator([RunSummary(**HALFWAY)], [], closed=False)).text


def test_an_operator_with_nothing_to_do_says_what_to_do() -> None:
    assert "launch_task_run" in Words(draw_operator([], [], closed=False)).text
    assert "Operator()" in Words(draw_operator([], [], closed=True)).text
