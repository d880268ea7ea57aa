"""One link a person, for a list of people."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mephisto_nb.display.actions import act
from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.errors import ConfigError
from mephisto_nb.operator import Operator
from mephisto_nb.people.acts import read_names
from tests.inside import frames_of, live_of
from tests.kernel.runs import launch, rows


async def test_a_list_of_names_gives_a_frame_of_links(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    links = run.get_worker_urls(pd.Series([" ann ", "Bob Lee"]))
    assert list(links.columns) == ["worker_name", "url"]
    assert links.worker_name.tolist() == ["ann", "Bob Lee"]
    assert links.url.tolist() == [run.get_worker_url("ann"), run.get_worker_url("Bob Lee")]
    assert run.get_worker_url("ann ") == run.get_worker_url("ann")
    assert run.get_worker_urls([]).empty
    assert run.get_worker_url() == run.url  # whose page asks for a name
    with pytest.raises(ConfigError, match="5 is no name"):
        run.get_worker_url(5)  # type: ignore[arg-type]
    driven = DrivenRun(live_of(run), run.steering, frames_of(run))
    copied = (await act(driven, "worker_links", {"names": "ann, Bob Lee"})).text
    assert [line.split("\t") for line in copied.splitlines()] == links.values.tolist()
    assert run.preview("worker_links", names=["ann"]) == "1 link, for one person alone: ann."
    await run.force_shutdown()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ann", "Ann"], "'ann' and 'Ann' are too much alike"),
        (["ann", "ann "], "'ann' and 'ann ' are too much alike"),
        (["Ann Lee", "ann  lee", "bob"], "too much alike"),
        (["ann", "ann"], "one person needs one link"),
        (["ann", None], "None is no name"),
        (["ann", " "], "' ' is no name"),
        ([7], "7 is no name"),
        (["ann", float("nan")], r"nan is no name, .*number 2 of those given"),
        (["bob", "bo\u200db"], "too much alike"),
        (["x" * 129], "has 129 characters, and may have 128"),
        (["a\x00b"], r"holds the character '\\x00'"),
        (["\u202eann"], "which nobody can read"),
        (5, "The names are a int, not a list"),
        ({"ann": 1}, r"are a dict, not a list of names. Write get_worker_urls\(list"),
        (pd.DataFrame({"name": ["ann"], "mail": ["a@b"]}), r"has: 'name', 'mail'\. Choose one"),
        (pd.DataFrame(), "it has: none"),
        ("ann", r"one name, not a list of names. Write get_worker_urls\(\['ann'\]\)"),
    ],
)
def test_names_that_would_be_mixed_up_or_are_none_are_refused(names: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_names(names)


@pytest.mark.parametrize(
    "names",
    [
        pd.DataFrame({"anything": ["ann", "bob"]}),
        pd.DataFrame({"worker_name": ["ann", "bob"], "url": ["u", "v"]}),
        pd.Series(["ann", "bob"], index=["x", "y"]),
        pd.Index(["ann", "bob"]),
        pd.Series(["ann", "bob"]).to_numpy(),
        (name for name in ("ann", "bob")),
        {"ann": 1, "bob": 2}.keys(),
        ["\u2068ann\u2069", "\ufeffbob\u200b"],
    ],
)
def test_names_are_read_however_they_are_held(names: Any) -> None:
    assert read_names(names) == ["ann", "bob"]


async def test_a_table_of_links_shows_each_link_whole(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    links = run.get_worker_urls([f"worker {n}" for n in range(80)])
    for link in links["url"]:
        assert link in repr(links)
        assert link.replace("&", "&amp;") in links._repr_html_()  # type: ignore[operator]
        assert link in repr(links[links["worker_name"] != "worker 0"].head(79)) or link == links["url"][0]
    await run.force_shutdown()
