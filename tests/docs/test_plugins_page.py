"""The plugins that the page on plugins shows pass the contracts that it names."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.testing.contracts.provider import MakeProvider, ProviderContract
from tests.docs.pages import pages


@cache
def names_of_page() -> dict[str, Any]:
    """Return what the page's blocks of Python define."""
    [page] = [page for page in pages() if page.name == "docs/plugins.md"]
    names: dict[str, Any] = {}
    for block in page.blocks("python"):
        exec(compile(block, page.name, "exec", dont_inherit=True), names)
    return names


class TestCourseProvider(ProviderContract):
    names: ClassVar = ("worker-one", "worker two & <co>")

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        provider, args = (names_of_page()[name] for name in ("CourseProvider", "CourseArgs"))
        return lambda: provider(args())

    def register(self, link: str) -> JSONObject:
        [name] = parse_qs(urlsplit(link).query)["worker_id"]
        return {"worker_name": name, "agent_registration_id": f"token-{name}"}

    def test_a_name_that_is_too_long_is_refused(self, provider: CrowdProvider[Any]) -> None:
        with pytest.raises(ValueError, match="names nobody"):
            provider.identify({"worker_name": "x" * 41, "agent_registration_id": "token"})


def test_what_the_page_writes_into_html_is_escaped(tmp_path: Any) -> None:
    names = names_of_page()
    names["Countdown"](names["CountdownArgs"](words="<b>"), names["mnb"].SharedTaskState()).build_site(tmp_path)
    assert "<button>&lt;b&gt;</button>" in (tmp_path / "index.html").read_text(encoding="utf-8")
