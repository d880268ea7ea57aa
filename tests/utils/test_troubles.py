"""What the researcher is told of: the latest, and not only what one page can make up."""

from __future__ import annotations

from mephisto_nb.kernel.live_run import RunTally
from mephisto_nb.model.records import Event
from mephisto_nb.ports.progress import Troubles


def test_many_troubles_of_one_page_hide_no_later_one() -> None:
    troubles = Troubles()
    for number in range(100):
        troubles.note(f"the page says {number}")
    troubles.note("the code failed. Mend it.", of="code")
    assert (len(troubles.texts()), troubles.texts()[-1]) == (20, "the code failed. Mend it.")


def test_what_goes_on_happening_is_not_the_one_that_makes_room() -> None:
    troubles = Troubles()
    for number in range(100):
        troubles.note("the code failed. Mend it.", of="code")
        troubles.note(f"the page says {number}")
    assert troubles.texts()[0] == "the code failed (100 times). Mend it."


def test_what_pages_report_pushes_nothing_else_out_and_forges_no_line() -> None:
    tally = RunTally(0.0, explain=lambda report: str(report["text"]))
    tally.noted.note("The disk is full.")
    tally.recall(Event(0.0, "agent", "a", None, None, "", "worker", {"text": f"\x1b[2J\nfile {n}"}) for n in range(60))
    assert tally.troubles[0] == "The disk is full."
    assert len(tally.troubles) < 20
    assert not any(mark in text for text in tally.troubles for mark in "\x1b\n")
