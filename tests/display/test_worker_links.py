"""The action that copies the workers' links, with a stand-in for the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mephisto_nb.display.actions import act, preview
from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.steering import RunSteering
from mephisto_nb.utils.run_sync import HomeLoop


class LinkedRun:
    """A run that makes links as `TaskRun` does."""

    url = "http://127.0.0.1:3000/"

    def __init__(self, has_own_links: bool = True, entry: str | None = None) -> None:
        self.has_own_links = has_own_links
        provider = SimpleNamespace(get_entry_url=lambda url: entry)
        self.parts = SimpleNamespace(writer=SimpleNamespace(home=HomeLoop()), provider=provider)

    def get_worker_url(self, name: str) -> str:
        return f"{self.url}?w={name}"


def driven(has_own_links: bool = True, entry: str | None = None) -> DrivenRun:
    live: Any = LinkedRun(has_own_links, entry)
    return DrivenRun(live, RunSteering("run", live), frames=live)


@pytest.fixture
def run() -> DrivenRun:
    return driven()


@pytest.mark.parametrize("names", ["ann\nbob", "ann, bob", " ann ,\n\n bob,\n", "ann\tbob", ["ann", "bob"]])
async def test_each_name_gets_a_line_with_its_link(run: Any, names: Any) -> None:
    result = await act(run, "worker_links", {"names": names})
    assert result.text == "ann\thttp://127.0.0.1:3000/?w=ann\nbob\thttp://127.0.0.1:3000/?w=bob"
    assert result.words.startswith("2 links are copied, each behind its name.")


async def test_where_one_link_does_for_all_it_is_copied() -> None:
    run = driven(has_own_links=False)
    result = await act(run, "worker_links", {})
    assert (result.text, preview(run, "worker_links", {})) == (
        LinkedRun.url,
        f"All workers come by one link: {LinkedRun.url}",
    )


async def test_the_address_for_a_crowds_form_is_copied_as_it_is() -> None:
    entry = "http://127.0.0.1:3000/?id=%SURVEY_CODE%"
    assert (await act(driven(entry=entry), "worker_links", {})).text == entry


def test_a_preview_names_the_first_of_many(run: Any) -> None:
    assert preview(run, "worker_links", {"names": "ann"}) == "1 link, for one person alone: ann."
    many = ", ".join(f"w{number}" for number in range(30))
    said = "30 links, each for one person alone: w0, w1, w2, w3, w4 and 25 more."
    assert preview(run, "worker_links", {"names": many}) == said


@pytest.mark.parametrize(
    ("names", "said"), [("ann\nAnn", "too much alike"), (" ,\n", "No name was given"), (None, "No name was given")]
)
def test_names_that_would_be_mixed_up_are_refused(run: Any, names: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        preview(run, "worker_links", {"names": names})


def test_nothing_but_names_is_asked_for(run: Any) -> None:
    with pytest.raises(ConfigError, match="takes no argument colour"):
        preview(run, "worker_links", {"colour": "red"})
