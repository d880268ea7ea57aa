"""A page that Prolific's address opens: who comes is told by its ids, which are seen by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from mephisto_nb.blueprints.mock import MockBlueprint, MockBlueprintArgs
from mephisto_nb.kernel.launching.crowd_script import CROWD_SCRIPT, read_crowd_script
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.providers.prolific import ProlificProvider, ProlificProviderArgs
from tests.blueprints.fake_router import FakeRouter

pytestmark = pytest.mark.browser

PROVIDER = ProlificProvider(ProlificProviderArgs())
GIVEN = {
    "PROLIFIC_PID": "5f0123456789abcdef012345",
    "STUDY_ID": "6f0123456789abcdef012345",
    "SESSION_ID": "7f0123456789abcdef012345",
    "prolific_token": "x.y.z",
}
IDS = "&".join(f"{name}={value}" for name, value in GIVEN.items())
HTML = "<p>${text}</p><p id=who>${provider_worker_id}</p><label>X <input name=x></label>"


@pytest.fixture
def mock(tmp_path: Path):
    blueprint = MockBlueprint(MockBlueprintArgs(), SharedTaskState())
    blueprint.build_site(tmp_path / "site")
    with FakeRouter(tmp_path / "site", blueprint.get_content_security_policy(), {}) as router:
        (router.site / CROWD_SCRIPT).write_text(read_crowd_script(PROVIDER))
        router.offer({"index": 0})
        yield router


@pytest.fixture
def html(serve: Any) -> FakeRouter:
    router = serve(HTML, {"text": "Rain."})
    (router.site / CROWD_SCRIPT).write_text(read_crowd_script(PROVIDER))
    return router


def test_the_ids_of_the_address_are_who_comes(page, html) -> None:
    page.goto(f"{html.url}?{IDS}&other=1")
    expect(page.get_by_label("X")).to_be_visible()
    [came] = html.registrations
    assert (came["parameters"], came["provider_type"]) == (GIVEN, "prolific")
    assert PROVIDER.identify(came).registration_id == GIVEN["SESSION_ID"]


def test_no_id_is_seen_or_written_into_the_task(page, html) -> None:
    page.goto(f"{html.url}?{IDS}&other=1")
    expect(page.get_by_label("X")).to_be_visible()
    assert urlsplit(page.url).query == "other=1"
    assert page.locator("#who").inner_text().startswith("visit-")
    assert not [value for value in GIVEN.values() if value in page.content() + page.url]


def test_a_reload_finds_the_same_visit_again(page, mock) -> None:
    page.goto(f"{mock.url}?{IDS}")
    expect(page.get_by_label("Answer")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Answer")).to_be_visible()
    first, second = mock.registrations
    assert first == second


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PROLIFIC_PID": "{{%PROLIFIC_PID%}}", "SESSION_ID": "{{%SESSION_ID%}}"}, "opened this link by hand"),
        ({"SESSION_ID": "035orbpf1pk3"}, "Prolific's preview"),
    ],
)
def test_a_look_at_the_page_registers_nobody(page, mock, changes: dict[str, str], words: str) -> None:
    page.goto(f"{mock.url}?" + "&".join(f"{name}={value}" for name, value in (GIVEN | changes).items()))
    expect(page.get_by_text(words)).to_be_visible()
    assert mock.registrations == []


def test_who_comes_without_ids_is_told_where_to_find_them(page, mock) -> None:
    page.goto(mock.url)
    expect(page.get_by_text("open the study on Prolific again, by its own button")).to_be_visible()
    assert mock.registrations == []
    page.goto(f"{mock.url}?{IDS}")
    expect(page.get_by_label("Answer")).to_be_visible()
    expect(page.get_by_text("by its own button")).to_be_hidden()
