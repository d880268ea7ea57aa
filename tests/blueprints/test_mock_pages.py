"""The mock provider's script and the mock blueprint's page, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from mephisto_nb.blueprints.mock import MockBlueprint, MockBlueprintArgs
from mephisto_nb.kernel.launching.crowd_script import CROWD_SCRIPT, read_crowd_script
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from tests.blueprints.fake_router import FakeRouter

pytestmark = pytest.mark.browser


@pytest.fixture
def router(tmp_path: Path):
    blueprint = MockBlueprint(MockBlueprintArgs(), SharedTaskState())
    blueprint.build_site(tmp_path / "site")
    (tmp_path / "site" / CROWD_SCRIPT).write_text(read_crowd_script(LinkProvider(LinkProviderArgs())))
    with FakeRouter(tmp_path / "site", blueprint.get_content_security_policy(), {}) as router:
        router.offer({"index": 0})
        yield router


def test_the_mock_task_is_done_and_its_worker_thanked(page, router) -> None:
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Answer").fill("42")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("dialog", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {"answer": "42"}


def test_a_visitor_without_a_name_registers_nothing(page, router) -> None:
    page.goto(router.url)
    expect(page.get_by_text("This is a preview.")).to_be_visible()
    assert page.evaluate("[getWorkerName(), getAssignmentId()]") == [None, None]
    assert router.registrations == []


def test_a_registration_survives_reloads_and_differs_by_worker(page, router) -> None:
    for query in ("?worker_id=ann", "?worker_id=ann", "?worker_id=bob", "?worker_id=ann&assignment_id=7"):
        page.goto(router.url + query)
        expect(page.get_by_label("Answer")).to_be_visible()
    first, again, bob, given = router.registrations
    assert first == again
    assert first["assignment_id"] != bob["assignment_id"]
    assert given == {
        "worker_name": "ann",
        "agent_registration_id": "7-ann",
        "assignment_id": "7",
        "provider_type": "link",
    }


def test_a_renewed_registration_differs_even_if_the_link_names_one(page, router) -> None:
    page.goto(router.url + "?worker_id=ann&assignment_id=7")
    assert page.evaluate("renewRegistration()") is True
    assert page.evaluate("getAssignmentId()") != "7"
    assert "assignment_id" not in page.url


def test_a_key_in_the_address_is_in_each_registration_of_the_tab(page, router) -> None:
    for query in ("?worker_id=ann&x=1#key=abc", "?worker_id=ann&x=1", "?worker_id=bob"):
        page.goto(router.url + query)
        expect(page.get_by_label("Answer")).to_be_visible()
        assert page.url == router.url + query.partition("#")[0]
    assert [one.get("worker_key") for one in router.registrations] == ["abc", "abc", None]


def test_who_comes_back_by_a_bookmark_is_still_who_they_are(page, router) -> None:
    page.goto(router.url + "?worker_id=ann#key=abc")
    expect(page.get_by_label("Answer")).to_be_visible()
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    expect(other_tab.get_by_label("Answer")).to_be_visible()
    other_tab.goto(router.url + "?worker_id=bob")
    expect(other_tab.get_by_label("Answer")).to_be_visible()
    assert [one.get("worker_key") for one in router.registrations] == ["abc", "abc", None]


def test_a_key_that_the_browser_keeps_nowhere_stays_in_the_address(page, router) -> None:
    page.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('blocked') } })")
    page.goto(router.url + "?worker_id=ann#key=abc")
    page.reload()
    expect(page.get_by_label("Answer")).to_be_visible()
    assert [one["worker_key"] for one in router.registrations] == ["abc", "abc"]


def test_the_configuration_object_is_mephistos(page, router) -> None:
    page.goto(router.url)
    heard = page.evaluate(
        """() => { const heard = [], config = window._MEPHISTO_CONFIG_;
        config.EVENT_EMITTER.on("colour", (value) => heard.push(value)); config.set("colour", "blue");
        try { config.get("absent"); } catch { heard.push("threw"); }
        return [...heard, config.get("colour"), config.get("AUTO_SUBMIT_ERRORS")]; }"""
    )
    assert heard == ["blue", "threw", "blue", False]
