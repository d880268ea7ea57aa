"""A token is tried, kept where its owner alone can read it, and found again by the requester's name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml

import mephisto_nb as mnb
from mephisto_nb.config import registry
from mephisto_nb.config.config_handler import add_config_arg, get_config_path
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import ConfigError, CrowdRefusedError
from mephisto_nb.providers.prolific import ProlificProvider
from mephisto_nb.testing.prolific import ProlificStandIn
from tests.providers.prolific.offers import offer, provider_of


@pytest.fixture(autouse=True)
def own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty configuration file, and no token in the environment."""
    monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "home" / "config.yml"))
    monkeypatch.delenv("PROLIFIC_TOKEN", raising=False)


async def test_a_token_is_kept_and_what_it_sees_is_told(prolific: ProlificStandIn) -> None:
    token = prolific.token.reveal()
    found = await mnb.register_prolific(f" {token}\n", name="lab", base_url=prolific.url)
    assert repr(found) == (
        "The token of Researcher is kept as 'lab'. It sees these workspaces:\n"
        f"  'My workspace' ({prolific.workspace_id}): £1,000.00 available; projects: 'Project'"
    )
    assert yaml.safe_load(get_config_path().read_text()) == {"prolific": {"lab": {"token": token}}}
    if os.name == "posix":
        assert stat.S_IMODE(get_config_path().stat().st_mode) == 0o600
    assert (await provider_of(prolific, requester_name="lab").recruiter.quote(offer())).troubles == ()
    with pytest.raises(ConfigError, match="no token of Prolific's for the requester 'lab_b'"):
        provider_of(prolific, requester_name="lab_b")._account.token()


async def test_a_token_that_is_not_taken_is_not_kept(prolific: ProlificStandIn) -> None:
    with pytest.raises(CrowdRefusedError, match="does not take this token") as raised:
        await mnb.register_prolific("another", base_url=prolific.url)
    assert "another" not in str(raised.value)
    assert not get_config_path().exists()


@pytest.mark.parametrize("token", ["", " ", "two words", "ключ", "x" * 501, "a\nb"])
async def test_what_is_no_token_is_not_sent(prolific: ProlificStandIn, token: str) -> None:
    with pytest.raises(ConfigError, match="letters and digits, in one line"):
        await mnb.register_prolific(token, base_url=prolific.url)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines"])
async def test_what_is_no_name_keeps_no_token(prolific: ProlificStandIn, name: str) -> None:
    with pytest.raises(ConfigError, match="1 to 100 ordinary characters"):
        await mnb.register_prolific(prolific.token, name=name, base_url=prolific.url)
    assert not get_config_path().exists()


async def test_a_name_that_is_registered_counts_before_the_environment(
    prolific: ProlificStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROLIFIC_TOKEN", "of-somebody-else")
    account = provider_of(prolific)._account
    assert account.token().reveal() == "of-somebody-else"
    add_config_arg("prolific", "prolific", {"token": "of-the-lab"})
    assert account.token().reveal() == "of-the-lab"


def test_a_file_that_cannot_be_read_shows_none_of_it(prolific: ProlificStandIn) -> None:
    get_config_path().parent.mkdir()
    get_config_path().write_text("prolific: {lab: {token: 5ecret")
    with pytest.raises(ConfigError) as raised:
        provider_of(prolific)._account.token()
    assert "5ecret" not in str(raised.value)


def test_settings_are_composed_as_those_of_any_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(ProlificProvider, replace=True)
    task = {"task_name": "t", "task_title": "T", "task_description": "D", "task_reward": 1, "task_tags": "x"}
    own = {"filters": {"Age": [18, 40]}, "participant_groups": {"block": ["Lab"]}, "screen_out": {"reward": 0.2}}
    provider = compose("mock", provider="prolific", provider_args=own, task=task).mephisto.provider
    assert (provider.filters, provider.participant_groups.block) == ({"Age": [18, 40]}, ["Lab"])
    assert provider.screen_out.reward == 0.2
    assert not [key for key in provider if "token" in str(key)]
