"""The contracts, on the provider `external`: every preset, and a crowd that is none of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.providers.external import (
    ExitArgs,
    ExternalProvider,
    ExternalProviderArgs,
    SignedArrivalArgs,
    SignedExitArgs,
)
from mephisto_nb.providers.external.presets import TABLE
from mephisto_nb.testing.contracts.provider import ExitsContract, MakeProvider, ProviderContract, SignedLinksContract
from tests.providers.crowds import GIVEN

PLAIN = {name: args for name, args in GIVEN.items() if name != "link_list"}


def come_by(link: str) -> JSONObject:
    """Return what ``wrap_crowd_source.js`` sends."""
    parts = urlsplit(link)
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(parse_qsl(parts.fragment))
    return {"parameters": parameters, "query": parts.query, "provider_type": "external"}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEPHISTO_SECRET_SONA", "c0ffee")
    monkeypatch.setenv("MEPHISTO_SECRET_PANEL", "between us")


class OfAnExternal(ProviderContract, ExitsContract):
    """What all of them share."""

    def register(self, link: str) -> JSONObject:
        return come_by(link)

    def refusing_providers(self) -> list[CrowdProvider[Any]]:
        return [ExternalProvider(ExternalProviderArgs(participant_parameter="id", code_secret="nobody_kept_it"))]


@pytest.mark.parametrize("preset", PLAIN)
class TestPresets(OfAnExternal):
    names = ("12345", "67890")

    @pytest.fixture
    def make_provider(self, preset: str) -> MakeProvider:
        return lambda: ExternalProvider(PLAIN[preset])


def test_every_preset_is_tested() -> None:
    assert set(GIVEN) == set(TABLE)


class TestLinkList(SignedLinksContract, ExitsContract):
    def register(self, link: str) -> JSONObject:
        return come_by(link)

    def refusing_providers(self) -> list[CrowdProvider[Any]]:
        return [ExternalProvider(ExternalProviderArgs(participant_parameter="id", code_secret="nobody_kept_it"))]

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        return lambda: ExternalProvider(GIVEN["link_list"])

    def test_the_key_of_one_is_not_the_key_of_another(self, provider: CrowdProvider[Any]) -> None:
        data = come_by(provider.get_worker_url("http://127.0.0.1:3000", self.names[0]))
        with pytest.raises(ValueError, match="not complete"):
            provider.identify({"parameters": data["parameters"] | {"person": self.names[1]}})


class TestOwnTemplates(OfAnExternal):
    """A crowd without a preset: signatures both ways, a fragment, a path, captured parameters, a call."""

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        args = ExternalProviderArgs(
            participant_parameter="rid",
            study_parameter="study",
            captured=["country"],
            signed=SignedArrivalArgs("hash", "panel"),
            signed_exit=SignedExitArgs("panel"),
            completed=ExitArgs(redirect="https://panel.example.org/#/f?rid={participant}&c={country}&h={signature}"),
            screened_out=ExitArgs(redirect="https://panel.example.org/{study}/{participant}/out?o={outcome}"),
            failed_checks=ExitArgs(code="{country}-FAILED", call="https://panel.example.org/x?r={participant}"),
        )
        return lambda: ExternalProvider(args)
