"""How a run looks where nothing can be live: in a saved notebook, without styles, in a terminal."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from mephisto_nb.display.notebook import draw_operator, draw_run
from tests.display.states import BUSY, EMPTY, FINISHED, HOSTILE_TEXT, HUGE, RIGHT_TO_LEFT, RUNS, TROUBLE, units
from tests.display.states import with_changes as change


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


def both(state: dict[str, Any]) -> tuple[str, str]:
    """Return the words of the HTML, and the plain text."""
    drawn = draw_run(state)
    return Words(drawn["text/html"]).text, drawn["text/plain"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (BUSY, "126 of 200 units answered (63 %; 3 expired), 8 workers at work"),
        (HUGE, "5,567 of 10,012 units answered (55 %; 340 expired), 873 workers at work"),
        (EMPTY, "open: 200"),
        (EMPTY, 'Send each worker the link that run.get_worker_url("NAME") gives'),
        (
            BUSY,
            "$22.68 so far of $36.00 if all units are answered, fees of $6.00 in it, partly an estimate; $1.44",
        ),
        (BUSY, "24 min, likely 19 min to 31 min"),
        (BUSY, "184 units an hour; 42 s a unit (median)"),
        (BUSY, "41 people came so far; at work: ann, maria"),
        (BUSY, "to review: 104"),
        (BUSY, "launched 42 min ago"),
        (TROUBLE, "(37 %; 31 expired), 3 workers at work, as of 20 min ago"),
        (TROUBLE, "paused; 1 min 24 s a unit (median)"),
        (TROUBLE, "9 rejected and 31 expired units cost nothing; soft-rejected ones are paid"),
        (FINISHED, "$13.50 paid, $13.50 owed, $1.80 to be decided on; 8 rejected and 5 expired units cost nothing"),
        (
            change(FINISHED, money={"spent": 1.105, "beside": 1.0, "undecided": 0.0, "owed": 0.535, "paid": 0.57}),
            "$1.1050 in all, fees of $5.76 in it, partly an estimate; without fees $0.57 paid, $0.5350 owed; "
            "$1.00 of it are bonuses and the like",
        ),
        (BUSY, "task email-tone: $100.00 (USD), $31.98 spent, $34.02 committed, $34.00 free; month 2026-11: $400.00"),
        (TROUBLE, "month 2026-11: $40.00 (USD), $4.50 spent, $37.82 committed, nothing free, $2.32 too much"),
        (TROUBLE, "$6.40 an hour (median), BELOW the minimum of $12.00; 74 of 74 answers earned less"),
        (TROUBLE, "Needs attention: The task's server (router) has not been reached for 20 min. It is tried again"),
        (TROUBLE, "Note: The run is paused: 120 units will not be handed out"),
        (FINISHED, "run.results() gives the answers"),
        (FINISHED, "ran for 1 h 13 min"),
        (change(FINISHED, people={"seen": 63}), "63 people came"),
        (FINISHED, "on 2026-11-30 00:53:20 UTC"),
        (change(EMPTY, run={"absence": "The kernel was away for 43 s."}), "away for 43 s."),
    ],
)
def test_the_page_without_styles_and_the_text_say_it(state: dict[str, Any], expected: str) -> None:
    page, text = both(state)
    assert expected in page
    assert expected in text


@pytest.mark.parametrize(("counts", "words"), [({}, "there are no units yet"), ({"expired": 3}, "no unit is left")])
def test_a_run_without_units_counts_none(counts: dict[str, int], words: str) -> None:
    page, text = both(change(EMPTY, units=units(**counts)))
    assert words in page.lower()
    assert words in text
    assert "%" not in page + text


def test_an_ended_run_offers_no_links() -> None:
    assert not any("http" in drawn for drawn in both(FINISHED))


def test_a_run_whose_units_are_done_says_so_and_offers_no_links() -> None:
    for drawn in both(change(FINISHED, run={"status": "done", "ended_at": None})):
        assert "done" in drawn
        assert "ran for" in drawn
        assert "http" not in drawn


def test_where_all_come_by_one_address_no_other_is_spoken_of() -> None:
    one = change(EMPTY, run={"has_own_links": False, "worker_url": EMPTY["run"]["url"]})
    assert not any("get_worker_url" in drawn for drawn in both(one))


def test_the_address_for_a_crowds_form_is_shown_as_it_is() -> None:
    entry = "http://127.0.0.1:3000/?id=%SURVEY_CODE%&x={{%A%}}"
    one = change(
        EMPTY,
        run={"has_own_links": False, "worker_url": entry, "entry_words": "Paste it at Sona"},
    )
    assert all(f"Paste it at Sona: {entry}" in drawn for drawn in both(one))


def test_no_text_of_others_becomes_markup_or_moves_the_cursor() -> None:
    drawn = draw_run(HOSTILE_TEXT)
    assert not re.search("<script|<img|href=.javascript", drawn["text/html"])
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", drawn["text/html"] + drawn["text/plain"])


def test_names_keep_their_own_direction() -> None:
    assert "<bdi>وصف الصور</bdi>" in draw_run(RIGHT_TO_LEFT)["text/html"]


def test_an_operator_lists_its_runs() -> None:
    words = Words(draw_operator(RUNS)).text
    assert "email-tone live 126 of 200" in words
    assert "email-tone paused 3 need attention 74 of 197" in words
    assert "74 of 197 $11.70 of $33.84 b" in words
    assert "All runs $148.86 of $210.96" in words
    assert "it is alive, but not connected to this notebook" in words
    assert 'await operator.reconnect("d")' in words


def test_no_sum_is_told_of_runs_whose_costs_were_not_read() -> None:
    runs = [{**run, "spent": None, "whole_cost": None} for run in RUNS["runs"]]
    assert "$" not in Words(draw_operator({**RUNS, "runs": runs, "sums": []})).text


def test_an_operator_with_nothing_to_do_says_what_to_do() -> None:
    assert "launch_task_run" in Words(draw_operator({**RUNS, "runs": []})).text
    assert "Operator()" in Words(draw_operator({**RUNS, "runs": [], "closed": True})).text


def test_no_text_of_a_still_is_typeset_as_a_formula() -> None:
    page = draw_run(change(FINISHED, run={"name": "$x^2$"}))["text/html"]
    assert page.lstrip().startswith('<div class="mephisto mathjax_ignore tex2jax_ignore">')
    assert "$x^2$" in page
