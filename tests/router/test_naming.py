"""Whose request it is, seen in its raw bytes: what is looked at is bounded, whatever the text is made of."""

from __future__ import annotations

import pytest

from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router.http.answers import Refused
from mephisto_nb.router.intake.naming import Doorkeeper, Roll, Threshold
from mephisto_nb.router.rules import KnownAgent

DOORKEEPER = Doorkeeper(Roll({"a1": KnownAgent("a1", AgentStatus.IN_TASK)}.get))
NAMED = b'"USED_AGENT_ID": "a1"'
#: What is no name, and takes long to be seen as none.
NEARLY = b'"USED_AGENT_ID":"' + 201 * b"a"


@pytest.mark.parametrize("before", [b"", NEARLY, b'{"USED_AGENT_ID": "nobody"}', 7 * NEARLY])
def test_the_agent_is_found_among_the_first_places(before: bytes) -> None:
    assert DOORKEEPER.check_json(before + NAMED) == "a1"


@pytest.mark.parametrize("before", [8, 40_000])
def test_behind_many_places_nobody_is_looked_for(before: int) -> None:
    with pytest.raises(Refused):
        DOORKEEPER.check_json(before * NEARLY + NAMED)


@pytest.mark.parametrize("quote", [b'"', b""])
def test_a_form_is_read_on_once_it_has_named_an_agent(quote: bytes) -> None:
    head = b"--b\r\nContent-Disposition: form-data; name=" + quote + b"USED_AGENT_ID" + quote
    threshold = Threshold(DOORKEEPER, b"--b")
    assert threshold.take(head) == b""
    assert threshold.take(b"\r\n\r\na1\r\n--b").endswith(b"a1\r\n--b")


def test_a_field_that_is_only_called_like_it_names_nobody() -> None:
    threshold = Threshold(DOORKEEPER, b"--b")
    assert threshold.take(b"--b\r\nContent-Disposition: form-data; name=NOT_USED_AGENT_ID\r\n\r\na1\r\n--b") == b""
