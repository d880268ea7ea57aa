"""A page that a crowd's address opens: who comes is told by its parameters, which are seen by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from mephisto_nb.blueprints.mock import MockBlueprint, MockBlueprintArgs
from mephisto_nb.kernel.launching.crowd_script import CROWD_SCRIPT, read_crowd_script
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.providers.external import ExternalProvider
from tests.blueprints.fake_router import FakeRouter
from tests.providers.crowds import GIVEN

pytestmark = pytest.mark.browser

PROVIDER = ExternalProvider(GIVEN["prolific_by_link"])
IDS = "PROLIFIC_PID=p%2D1&STUDY_ID=s1&SESSION_ID=v1"
HTML = "<p>${text}</p><p id=who>${provider_worker_id}</p><label>X <input name=x></label>"


def put_wrapper(router: FakeRouter) -> None:
    (router.site / CROWD_SCRIPT).write_text(read_crowd_script(PROVIDER))


@pytest.fixture
def mock(tmp_path: Path):
    blueprint = MockBlueprint(MockBlueprintArgs(), SharedTaskState())
    blueprint.build_site(tmp_path / "site")
    with FakeRouter(tmp_path / "site", blueprint.get_content_security_policy(), {}) as router:
        put_wrapper(router)
        router.offer({"index": 0})
        yield router


@pytest.fixture
def html(serve: Any) -> FakeRouter:
    router = serve(HTML, {"text": "Rain."})
    put_wrapper(router)
    return router


def test_the_ids_of_the_address_are_who_comes(page, html) -> None:
    page.goto(f"{html.url}?{IDS}")
    expect(page.get_by_label("X")).to_be_visible()
    [came] = html.registrations
    assert came["parameters"] == {"PROLIFIC_PID": "p-1", "STUDY_ID": "s1", "SESSION_ID": "v1"}
    assert came["query"] == IDS
    identity = PROVIDER.identify(came)
    assert (identity.worker_name, identity.registration_id) == ("p-1", "v1")


def test_no_id_is_seen_reported_or_written_into_the_task(page, html) -> None:
    page.goto(f"{html.url}?{IDS}")
    expect(page.get_by_label("X")).to_be_visible()
    assert urlsplit(page.url).query == ""
    assert page.locator("#who").inner_text().startswith("visit-")
    assert "p-1" not in page.content()
    assert page.evaluate("document.referrer + location.href").count("v1") == 0


def test_a_reload_finds_the_same_visit_again(page, mock) -> None:
    page.goto(f"{mock.url}?{IDS}")
    expect(page.get_by_label("Answer")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Answer")).to_be_visible()
    page.goto(mock.url)  # a form's own way of sending, say, loses what stood behind the question mark
    expect(page.get_by_label("Answer")).to_be_visible()
    first, again, bare = mock.registrations
    assert first == again == bare


def test_whoever_comes_next_in_the_same_tab_is_somebody_else(page, mock) -> None:
    for query in (IDS, IDS.replace("p%2D1", "p2")):
        page.goto(f"{mock.url}?{query}")
        expect(page.get_by_label("Answer")).to_be_visible()
    one, other = mock.registrations
    assert (one["parameters"]["PROLIFIC_PID"], other["parameters"]["PROLIFIC_PID"]) == ("p-1", "p2")
    assert one["agent_registration_id"] != other["agent_registration_id"]


def test_a_token_that_passes_makes_no_other_visit(page, mock) -> None:
    for token in ("one", "two"):
        page.goto(f"{mock.url}?{IDS}&prolific_token={token}")
        expect(page.get_by_label("Answer")).to_be_visible()
    one, other = mock.registrations
    assert one["agent_registration_id"] == other["agent_registration_id"]
    assert one["parameters"] != other["parameters"]


def test_who_opens_the_link_by_hand_sees_a_preview_and_why(page, html) -> None:
    page.goto(PROVIDER.get_entry_url(html.url))
    said = page.get_by_role("dialog", name="A look at the task")
    expect(said).to_contain_text("the crowd puts each person's id where {{%PROLIFIC_PID%}} stands")
    expect(said).to_contain_text("nobody was registered")
    expect(page.get_by_role("heading", name="This is a preview")).to_be_visible()
    said.get_by_role("button", name="Close this message").press("Enter")
    expect(said).to_be_hidden()
    assert html.registrations == []


@pytest.mark.parametrize(
    "macro", ["%SURVEY_CODE%", "[ID]", "[%RID%]", "${rid}", "{{MW_ID}}", "{{%CAMP_ID%}}", "%ADID%"]
)
def test_a_macro_of_any_crowd_registers_nobody(page, mock, macro: str) -> None:
    page.goto(f"{mock.url}?rid={macro}")
    expect(page.get_by_text("This is a preview.")).to_be_visible()
    assert page.evaluate("[getWorkerName(), getAssignmentId()]") == [None, None]
    assert mock.registrations == []


def test_a_bare_address_is_a_preview(page, mock) -> None:
    page.goto(mock.url)
    expect(page.get_by_text("This is a preview.")).to_be_visible()
    assert mock.registrations == []


def test_who_comes_without_an_id_is_told_where_to_find_it(page, mock) -> None:
    page.goto(mock.url)
    expect(page.get_by_text("Please open the task by the link that you were given")).to_be_visible()


def test_a_macro_beside_an_id_keeps_nobody_out(page, mock) -> None:
    page.goto(f"{mock.url}?rid=4711&age={{{{age}}}}")
    expect(page.get_by_label("Answer")).to_be_visible()
    assert mock.registrations[0]["parameters"] == {"rid": "4711", "age": "{{age}}"}


def test_a_link_of_ours_gives_its_key_and_hides_it(page, mock) -> None:
    crowd = ExternalProvider(GIVEN["link_list"])
    link = crowd.get_worker_url(mock.url, "P-001")
    page.goto(link)
    expect(page.get_by_label("Answer")).to_be_visible()
    assert page.url == mock.url
    [came] = mock.registrations
    assert came["parameters"] == dict(parse_qsl(urlsplit(link).query)) | dict(parse_qsl(urlsplit(link).fragment))
    assert crowd.identify(came).worker_name == "P-001"
    page.goto(crowd.get_worker_url(mock.url, "P-002"))
    expect(page.get_by_label("Answer")).to_be_visible()
    assert crowd.identify(mock.registrations[-1]).worker_name == "P-002"


def test_a_whole_link_where_an_incomplete_one_was_counts(page, mock) -> None:
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    link = ExternalProvider(GIVEN["link_list"]).get_worker_url(mock.url, "P-001")
    page.goto(link.partition("#")[0])
    expect(page.get_by_label("Answer")).to_be_visible()
    with page.expect_request("**/request_agent"):
        page.evaluate("(link) => { location.href = link }", link)
    expect(page.get_by_label("Answer")).to_be_visible()
    assert ["key" in one["parameters"] for one in mock.registrations] == [False, True]


def test_where_nothing_can_be_kept_the_address_stays(page, mock) -> None:
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    page.goto(f"{mock.url}?{IDS}")
    expect(page.get_by_label("Answer")).to_be_visible()
    assert urlsplit(page.url).query == IDS
    page.get_by_label("Answer").fill("42")
    # As a page of one's own may lead to a part of itself. If it were loaded again, this would be cut off.
    page.evaluate(
        """async () => {
          const changed = new Promise((resolve) => window.addEventListener("hashchange", resolve));
          location.hash = "#section";
          await changed;
          for (let times = 0; times < 20; times += 1) await fetch("status");
        }"""
    )
    expect(page.get_by_label("Answer")).to_have_value("42")
    assert len(mock.registrations) == 1


def test_an_address_of_any_length_is_read_as_far_as_it_can_be(page, mock) -> None:
    page.goto(f"{mock.url}?rid=4711&" + "&".join(f"p{number}={'x' * 90}" for number in range(200)))
    expect(page.get_by_label("Answer")).to_be_visible()
    [came] = mock.registrations
    assert came["parameters"]["rid"] == "4711"
    assert len(came["parameters"]) <= 60
    assert len(came["query"]) < 8000


def test_the_mock_task_is_done_and_its_worker_thanked_once(page, mock) -> None:
    page.goto(f"{mock.url}?{IDS}")
    page.get_by_label("Answer").fill("42")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("dialog", name="Thank you")).to_be_visible()
    assert page.get_by_role("button", name="Next task").count() == 0
    assert page.evaluate("typeof renewRegistration") == "undefined"
