"""The contract, on the crowd that ships, with and without keys in its links."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.testing.contracts.provider import MakeProvider, ProviderContract, SignedLinksContract


def come_by(link: str) -> JSONObject:
    """Return what ``wrap_crowd_source.js`` sends."""
    parts = urlsplit(link)
    [name] = parse_qs(parts.query)["worker_id"]
    key = {"worker_key": parts.fragment.removeprefix("key=")} if parts.fragment else {}
    return {"worker_name": name, "agent_registration_id": f"token-{name}", **key}


class TestSignedLinks(SignedLinksContract):
    names = ("worker-one", "Zoë/#?", "ann&worker_id=bob")

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        return lambda: LinkProvider(LinkProviderArgs())

    def register(self, link: str) -> JSONObject:
        return come_by(link)


class TestBareLinks(ProviderContract):
    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        return lambda: LinkProvider(LinkProviderArgs(signed_links=False))

    def register(self, link: str) -> JSONObject:
        return come_by(link)
