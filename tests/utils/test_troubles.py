"""What the researcher is told of: the latest, and not only what one page can make up."""

from __future__ import annotations

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
