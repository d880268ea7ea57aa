"""A crowd that comes by link and is believed."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mephisto_nb.abstractions.crowd_provider import Identity
from mephisto_nb.providers.mock import MockProvider, MockProviderArgs

provider = MockProvider(MockProviderArgs())


def test_a_registration_names_its_worker() -> None:
    data = {"worker_name": " Ann Lee ", "agent_registration_id": "token-Ann Lee", "provider_type": "mock"}
    assert provider.identify(data) == Identity("Ann Lee", "token-Ann Lee")


@pytest.mark.parametrize("name", [None, "", "   ", "x" * 129, "a\nb", "a\x00", 7, ["ann"], "\u202eann"])
def test_a_name_that_cannot_be_shown_is_refused_in_words_for_the_worker(name: Any) -> None:
    with pytest.raises(ValueError, match="ask whoever sent you the link"):
        provider.identify({"worker_name": name, "agent_registration_id": "r"})


@pytest.mark.parametrize("registration", [None, "", "x" * 513, "a\nb", {}])
def test_a_registration_that_cannot_be_read_is_refused(registration: Any) -> None:
    with pytest.raises(ValueError, match="open the link that you were given again"):
        provider.identify({"worker_name": "ann", "agent_registration_id": registration})


@pytest.mark.parametrize("name", ["Ann Lee", "ann&worker_id=bob", "Zoë/#?", "名前"])
def test_a_workers_link_brings_exactly_that_name(name: str) -> None:
    url = provider.get_worker_url("http://127.0.0.1:3000", name)
    assert urlsplit(url).path == "/"
    assert parse_qs(urlsplit(url).query) == {"worker_id": [name]}


def test_a_workers_link_keeps_what_the_address_already_asks() -> None:
    assert provider.get_worker_url("https://lab.org/p/?x=1", "ann") == "https://lab.org/p/?x=1&worker_id=ann"


def test_the_wrapper_is_there() -> None:
    assert "getAgentRegistration" in provider.get_wrapper_js_path().read_text()
