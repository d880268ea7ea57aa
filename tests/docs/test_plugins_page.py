"""The plugins that the page on plugins shows pass the contracts that it names."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import Money
from mephisto_nb.ports.crowd_desk import CrowdWork
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.testing.contracts.provider import ExitsContract, MakeProvider, ProviderContract
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


def cell_of(name: str) -> str:
    """Return the block of the page that defines a class."""
    [page] = [page for page in pages() if page.name == "docs/plugins.md"]
    [block] = [block for block in page.blocks("python") if f"class {name}(" in block]
    return block


class TestSeminarProvider(ProviderContract, ExitsContract):
    names: ClassVar = ("worker-one", "worker two & <co>")

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        provider, args = (names_of_page()[name] for name in ("SeminarProvider", "SeminarArgs"))
        return lambda: provider(args())

    def register(self, link: str) -> JSONObject:
        return {"parameters": dict(parse_qsl(urlsplit(link).query))}


class TestSeminarProviderOfACell(TestSeminarProvider):
    """As it stands in a notebook, whose cell is run again and again."""

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        names: dict[str, Any] = {"__name__": "__main__", **names_of_cells()}
        for _ in range(2):
            exec(compile(cell_of("SeminarProvider"), "a cell", "exec", dont_inherit=True), names)
        return lambda: names["SeminarProvider"](names["SeminarArgs"]())


def names_of_cells() -> dict[str, Any]:
    """Return what cells above that one have imported."""
    return {name: names_of_page()[name] for name in ("mnb", "dataclass", "Path", "urlencode", "Identity")}


def test_a_crowd_that_takes_its_people_back_is_forty_lines() -> None:
    lines = [line for line in cell_of("SeminarProvider").splitlines() if line.strip()]
    assert len(lines) <= 40


def test_what_the_page_writes_into_html_is_escaped(tmp_path: Any) -> None:
    names = names_of_page()
    names["Countdown"](names["CountdownArgs"](words="<b>"), names["mnb"].SharedTaskState()).build_site(tmp_path)
    assert "<button>&lt;b&gt;</button>" in (tmp_path / "index.html").read_text(encoding="utf-8")


class TestCreditedProvider(TestSeminarProvider):
    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        provider, args = (names_of_page()[name] for name in ("CreditedProvider", "SeminarArgs"))
        return lambda: provider(args())

    async def test_a_credit_is_given_once(self, provider: CrowdProvider[Any]) -> None:
        desk: Any = provider.make_desk()
        work = CrowdWork("key", "unit", "agent", "ann", "visit of ann", Money(0))
        receipts = {(await desk.approve_work(work)).reference for _ in range(2)}
        assert (receipts, desk.credits) == ({"key"}, {"key": "ann"})
