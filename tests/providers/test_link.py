"""A crowd that comes by link; it is believed if the link holds the run's key for the name, or if links need none."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.ports.crowd_provider import Identity
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.utils.proofs import Secret

URL = "http://127.0.0.1:3000"
provider = LinkProvider(LinkProviderArgs(signed_links=False))


def signing(secret: str = "s" * 64) -> LinkProvider:
    """Return a provider of a run with this secret."""
    made = LinkProvider(LinkProviderArgs())
    made.take_run_secret(Secret(secret))
    return made


def come_by(link: str, **changes: Any) -> dict[str, Any]:
    """Return the registration of a page that was opened by this link."""
    parts = urlsplit(link)
    [name] = parse_qs(parts.query)["worker_id"]
    data = {"worker_name": name, "agent_registration_id": f"token-{name}"}
    if parts.fragment:
        data["worker_key"] = parts.fragment.removeprefix("key=")
    return data | changes


def test_a_registration_names_its_worker() -> None:
    data = {"worker_name": " Ann Lee ", "agent_registration_id": "token-Ann Lee", "provider_type": "link"}
    assert provider.identify(data) == Identity("Ann Lee", "token-Ann Lee")


@pytest.mark.parametrize("name", [None, "", "   ", "x" * 129, "a\nb", "a\x00", 7, ["ann"], "\u202eann"])
def test_an_unprintable_name_is_refused_in_words_for_the_worker(name: Any) -> None:
    with pytest.raises(ValueError, match="ask whoever sent you the link"):
        provider.identify({"worker_name": name, "agent_registration_id": "r"})


@pytest.mark.parametrize("registration", [None, "", "x" * 513, "a\nb", {}])
def test_a_registration_that_cannot_be_read_is_refused(registration: Any) -> None:
    with pytest.raises(ValueError, match="open the link that you were given again"):
        provider.identify({"worker_name": "ann", "agent_registration_id": registration})


NAMES = ["Ann Lee", "ann&worker_id=bob", "Zoë/#?", "名前"]


@pytest.mark.parametrize("name", NAMES)
def test_a_workers_link_brings_exactly_that_name(name: str) -> None:
    url = provider.get_worker_url(URL, name)
    assert urlsplit(url).path == "/"
    assert parse_qs(urlsplit(url).query) == {"worker_id": [name]}


def test_a_workers_link_keeps_what_the_address_already_asks() -> None:
    for address in ("https://lab.org/p/?x=1", "https://lab.org/p?x=1"):
        assert provider.get_worker_url(address, "ann") == "https://lab.org/p/?x=1&worker_id=ann"


def test_the_wrapper_is_there() -> None:
    assert "getAgentRegistration" in provider.get_wrapper_js_path().read_text()


def test_a_name_is_asked_for_only_where_it_is_believed() -> None:
    assert provider.name_parameter == "worker_id"
    assert signing().name_parameter is None


#: As people have them, or as they are copied out of spreadsheets and telephones; and what they are known by.
COPIED = {
    "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627": None,  # Persian, spelt with a non-joiner
    "\u0915\u094d\u200d\u0937": None,  # Hindi, spelt with a joiner
    "\U0001f469\u200d\U0001f4bb": None,  # one emoji of two
    "\U0001fae9": None,  # an emoji that this Python may not know yet
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f": None,  # the flag of England
    "Ann\u00a0Lee": "Ann Lee",
    "\u540d\u3000\u524d": "\u540d \u524d",
    "bob\u200b": "bob",
    "\u200fdana\u200e": "dana",
    "Zoe\u0308": "Zo\u00eb",
    "x" * 128: None,
}


@pytest.mark.parametrize(("name", "known"), COPIED.items())
@pytest.mark.parametrize("is_typed", [False, True])
def test_a_name_as_people_have_it_gets_a_link_that_works(name: str, known: str | None, is_typed: bool) -> None:
    crowd = signing()
    data = come_by(crowd.get_worker_url(URL, name))
    if is_typed:
        data |= {"worker_name": f" {name} ", "agent_registration_id": f"token-{name}"}
    assert crowd.identify(data).worker_name == (known or name)


@pytest.mark.parametrize("name", ["x" * 129, "a\nb", "\u202eann", " ", "\u200b"])
def test_a_name_whose_link_would_not_work_gets_none(name: str) -> None:
    with pytest.raises(ConfigError, match="no link of it would work"):
        signing().get_worker_url(URL, name)


# Signed links


@pytest.mark.parametrize("name", [*NAMES, " ann "])
def test_who_comes_by_their_own_link_is_believed(name: str) -> None:
    crowd = signing()
    assert crowd.identify(come_by(crowd.get_worker_url(URL, name))).worker_name == name.strip()


def test_a_link_works_in_the_run_that_it_was_made_for_and_in_no_other() -> None:
    link = signing().get_worker_url(URL, "ann")
    assert signing().identify(come_by(link)) == Identity("ann", "token-ann")
    with pytest.raises(ValueError, match="This link is not complete"):
        signing("t" * 64).identify(come_by(link))


WRONG = [None, "", "x", "A" * 22, 7, True, [], {}, ["A" * 22], "\ud800", "é" * 22, "A" * 100_000]


@pytest.mark.parametrize("key", WRONG, ids=lambda key: repr(key)[:12])
def test_a_name_without_its_key_is_refused_in_words_for_the_worker(key: Any) -> None:
    with pytest.raises(ValueError, match="open the whole link that you were sent, or ask whoever sent it"):
        signing().identify(come_by(signing().get_worker_url(URL, "ann"), worker_key=key))


@pytest.mark.parametrize("name", ["bob", "Ann", "ann2", "an", "ann\u0301", "\uff41nn"])
def test_a_key_fits_one_name_alone(name: str) -> None:
    with pytest.raises(ValueError, match="This link is not complete"):
        signing().identify(come_by(signing().get_worker_url(URL, "ann"), worker_name=name))


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: key + "A", str.swapcase, lambda key: key + "="])
def test_what_is_almost_the_key_is_not_the_key(change: Any) -> None:
    data = come_by(signing().get_worker_url(URL, "ann"))
    with pytest.raises(ValueError, match="This link is not complete"):
        signing().identify(data | {"worker_key": change(data["worker_key"])})


def test_a_provider_that_no_run_has_given_its_secret_believes_nobody() -> None:
    link = LinkProvider(LinkProviderArgs()).get_worker_url(URL, "ann")
    with pytest.raises(ValueError, match="This link is not complete"):
        LinkProvider(LinkProviderArgs()).identify(come_by(link))


def test_a_key_has_128_bits_in_the_part_that_browsers_never_send() -> None:
    parts = urlsplit(signing().get_worker_url(f"{URL}/#top", "ann"))
    key = parts.fragment.removeprefix("key=")
    assert len(key) * 6 >= 128
    assert key.replace("-", "").replace("_", "").isalnum()
    assert key not in parts.query


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, compared = signing(), []
    data = come_by(crowd.get_worker_url(URL, "ann"))
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or True)
    crowd.identify(data)
    assert compared == [(data["worker_key"].encode(),) * 2]


def test_the_secret_shows_nowhere() -> None:
    crowd = signing()
    assert "s" * 64 not in f"{crowd!r} {vars(crowd)} {crowd.args}"
