"""What every `Architect` has to do.

To test an architect, subclass `ArchitectContract`, and give it the fixtures `make_architect` and `make_refused`; and
say what its secrets are::

    class TestMyArchitect(ArchitectContract):
        @pytest.fixture
        def make_architect(self, directory):
            return lambda: MyArchitect(MyArchitectArgs(), directory)

        @pytest.fixture
        def make_refused(self, directory):
            return lambda: MyArchitect(MyArchitectArgs(port=-1), directory)

        def secrets_of(self, directory):
            return [json.loads((directory / "config.json").read_text())["token"]]
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.errors import ConfigError, NotFoundError, RouterError
from mephisto_nb.ports.architect import Architect, RouterPlan

MakeArchitect: TypeAlias = Callable[[], Architect[Any]]

_PAGE = "<!doctype html><title>A page of this run</title>"


class ArchitectContract:
    """All that is asked of an `Architect`; its tests start routers."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """The run's own directory, with its page."""
        directory = tmp_path / "run"
        (directory / "site").mkdir(parents=True)
        (directory / "site" / "index.html").write_text(_PAGE, encoding="utf-8")
        return directory

    @pytest.fixture
    def make_architect(self, directory: Path) -> MakeArchitect:
        """Supplied by the subclass: a function that makes the architect of the run in `directory`, as each kernel does.

        Its router may be reached from here.
        """
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'make_architect'.")

    @pytest.fixture
    def make_refused(self, directory: Path) -> MakeArchitect:
        """Supplied by the subclass: a function that makes an architect whose settings cannot work."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'make_refused'.")

    def secrets_of(self, directory: Path) -> Sequence[str]:
        """Supplied by the subclass: the secrets of the router that was deployed last, one at least."""
        raise NotImplementedError(f"{type(self).__name__} has to say what is secret: secrets_of(directory).")

    @pytest.fixture
    async def architect(self, make_architect: MakeArchitect) -> AsyncIterator[Architect[Any]]:
        """The architect under test; its router is ended afterwards."""
        architect = make_architect()
        yield architect
        await architect.shutdown()

    def test_its_settings_are_a_dataclass_that_names_it(self, make_architect: MakeArchitect) -> None:
        architect = make_architect()
        settings = {field.name: field.default for field in dataclasses.fields(architect.ArgsClass)}
        assert settings.get("_architect_type") == architect.ARCHITECT_TYPE
        assert isinstance(architect.args, architect.ArgsClass)

    def test_it_can_be_registered_by_its_name_and_aliases(self, make_architect: MakeArchitect) -> None:
        kind = type(make_architect())
        shelf = PluginShelf("architect", "no such group", Architect, "ARCHITECT_TYPE")
        shelf.register(kind)
        assert {shelf.get(name) for name in (kind.ARCHITECT_TYPE, *kind.ALIASES)} == {kind}

    def test_settings_are_checked_before_anything_is_written(
        self, make_architect: MakeArchitect, make_refused: MakeArchitect, directory: Path
    ) -> None:
        before = sorted(directory.rglob("*"))
        make_architect().assert_task_args()
        with pytest.raises(ConfigError, match=r"\w"):
            make_refused().assert_task_args()
        assert sorted(directory.rglob("*")) == before

    async def test_a_router_that_was_deployed_answers(self, architect: Architect[Any], directory: Path) -> None:
        url = await architect.deploy(RouterPlan("run", directory))
        assert url == architect.url
        assert await fetch(url) == _PAGE

    async def test_another_kernel_finds_the_router_again(
        self, architect: Architect[Any], make_architect: MakeArchitect, directory: Path
    ) -> None:
        url = await architect.deploy(RouterPlan("run", directory))
        other = make_architect()
        assert (await other.revive(), other.url) == (url, url)
        assert await fetch(url) == _PAGE

    async def test_a_router_that_ended_is_started_at_its_old_address(
        self, architect: Architect[Any], make_architect: MakeArchitect, directory: Path
    ) -> None:
        url = await architect.deploy(RouterPlan("run", directory))
        await architect.shutdown()
        assert await make_architect().revive() == url
        assert await fetch(url) == _PAGE

    async def test_a_crowd_posts_events_by_the_key_of_the_plan(
        self, architect: Architect[Any], directory: Path
    ) -> None:
        plan = RouterPlan("run", directory, crowd_events_key="k" * 22)
        url = plan.get_events_url(await architect.deploy(plan))
        assert "Received" in await fetch(url, b"{}")
        with pytest.raises(HTTPError) as refused:
            await fetch(f"{url}k", b"{}")
        refused.value.close()

    async def test_what_was_never_deployed_cannot_be_found_again(self, architect: Architect[Any]) -> None:
        with pytest.raises(RouterError, match=r"\w"):
            await architect.revive()

    async def test_its_channel_reaches_the_router_and_closes_twice(
        self, architect: Architect[Any], directory: Path
    ) -> None:
        await architect.deploy(RouterPlan("run", directory))
        for _ in range(2):
            channel = architect.get_channel()
            assert await channel.connect(0) == 0
            await channel.close()
            await channel.close()

    async def test_a_router_is_ended_twice_without_harm(self, architect: Architect[Any], directory: Path) -> None:
        await architect.shutdown()  # there is none yet
        url = await architect.deploy(RouterPlan("run", directory))
        await architect.shutdown()
        await architect.shutdown()
        with pytest.raises(URLError):
            await fetch(url)

    async def test_no_secret_is_shown_or_logged(
        self, architect: Architect[Any], directory: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        await architect.deploy(RouterPlan("run", directory))
        channel = architect.get_channel()
        await channel.connect(0)
        shown = "\n".join([caplog.text, architect.url, *(repr(one) for one in (architect, vars(architect), channel))])
        await channel.close()
        secrets = self.secrets_of(directory)
        assert secrets
        assert [secret for secret in secrets if not secret or secret in shown] == []

    @pytest.mark.skipif(os.name == "nt", reason="Windows keeps files from others by other means")
    async def test_a_file_that_holds_a_secret_is_its_owners_alone(
        self, architect: Architect[Any], directory: Path
    ) -> None:
        await architect.deploy(RouterPlan("run", directory))
        secrets = [secret.encode() for secret in self.secrets_of(directory)]
        assert secrets
        files = [path for path in directory.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
        assert [path.name for path in files if any(secret in path.read_bytes() for secret in secrets)] == []

    async def test_only_uploaded_files_are_fetched(self, architect: Architect[Any], directory: Path) -> None:
        await architect.deploy(RouterPlan("run", directory))
        for name in ("missing", "../site/index.html", str(directory / "site" / "index.html")):
            with pytest.raises(NotFoundError):
                await architect.fetch_file(name)


async def fetch(url: str, posted: bytes | None = None) -> str:
    """Return the page at an address, or the answer to what is posted there; no proxy stands before it."""

    def read() -> str:
        with build_opener(ProxyHandler({})).open(url, posted, timeout=30) as response:
            return str(response.read().decode())

    return await asyncio.to_thread(read)
