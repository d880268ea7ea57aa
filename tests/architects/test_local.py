"""A router on this machine: started, found again, revived, and ended."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.architects import local
from mephisto_nb.architects.local import LocalArchitect, LocalArchitectArgs
from mephisto_nb.errors import ConfigError, LaunchError, LinkRefusedError, NotFoundError, PortInUseError, RouterError
from mephisto_nb.ports.architect import Presence, RouterPlan
from tests.kernel.runs import has_ended, kill, routers_in

pytestmark = pytest.mark.usefixtures("routers_by_command")


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Path]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    yield tmp_path
    await LocalArchitect(LocalArchitectArgs(), tmp_path).shutdown()


def architect(directory: Path, **args: Any) -> LocalArchitect:
    return LocalArchitect(LocalArchitectArgs(**args), directory)


def pid_in(directory: Path) -> int:
    return int(json.loads((directory / "router.json").read_text())["pid"])


async def test_a_router_runs_until_ended_and_may_be_ended_twice(directory: Path) -> None:
    one = architect(directory)
    assert await one.deploy(RouterPlan("run", directory)) == one.url
    pid = pid_in(directory)
    assert (directory / "router_config.json").stat().st_mode & 0o077 == 0
    await one.shutdown()
    await one.shutdown()
    await has_ended(pid)
    assert routers_in(directory) == []


@pytest.mark.parametrize("name", ["sqlite3", "random", "sitecustomize", "uvicorn", "mephisto_nb"])
async def test_nothing_in_the_folder_one_is_in_is_run(
    directory: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    here = tmp_path_factory.mktemp("here")
    (here / f"{name}.py").write_text(f"open({str(here / 'was run')!r}, 'w').close()")
    monkeypatch.chdir(here)
    await architect(directory).deploy(RouterPlan("run", directory))
    assert not (here / "was run").exists()


async def test_a_router_is_found_again_and_revived_at_its_old_address(directory: Path) -> None:
    url = await architect(directory).deploy(RouterPlan("run", directory))
    pid = pid_in(directory)
    gc.collect()  # what is left of the architect that started it must not warn of a process that lives on
    other = architect(directory)
    assert (await other.revive(), pid_in(directory)) == (url, pid)
    await kill(pid)
    assert await other.revive() == url
    assert pid_in(directory) != pid
    (directory / "router.json").rename(directory / "hidden")
    assert other.url == url
    (directory / "hidden").rename(directory / "router.json")


async def test_the_link_is_refused_without_the_runs_token(directory: Path) -> None:
    one = architect(directory)
    await one.deploy(RouterPlan("run", directory))
    channel = one.get_channel()
    assert await channel.connect(0) == 0
    assert await anext(aiter(channel.incoming())) == Presence({})
    await channel.close()
    await channel.close()
    config = directory / "router_config.json"
    config.write_text(config.read_text().replace('"token": "', '"token": "0'))
    with pytest.raises(LinkRefusedError, match="is not the router of run"):
        await one.get_channel().connect(0)


async def test_a_port_that_was_taken_in_the_meantime_is_told_of(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        one = architect(directory, port=other.getsockname()[1])
        with pytest.raises(PortInUseError):
            one.assert_task_args()
        with pytest.raises(PortInUseError, match="did not start"):
            await one.deploy(RouterPlan("run", directory))
    assert routers_in(directory) == []


async def test_a_run_without_anything_to_start_from_cannot_be_revived(tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="resume_incomplete_run=true"):
        await architect(tmp_path).revive()
    with pytest.raises(RouterError, match="did not say where it is"):
        _ = architect(tmp_path).url


async def test_workers_may_reach_the_router_by_another_address(directory: Path) -> None:
    one = architect(directory, hostname="localhost", url="https://tasks.example.org/")
    assert await one.deploy(RouterPlan("run", directory)) == "https://tasks.example.org"
    channel = one.get_channel()
    await channel.connect(0)
    await channel.close()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"server_source_path": "/old"}, "Remove the key"),
        ({"operator_absence_in_seconds": 0}, "must be more than 0 seconds"),
        ({"port": -1}, "mephisto.architect.port is -1"),
        ({"addresses": ["a b"]}, "mephisto.architect.addresses holds 'a b'"),
        ({"url": "https://:80/"}, "mephisto.architect.url holds"),
        ({"frame_ancestors": ["a; script-src *"]}, "mephisto.architect.frame_ancestors holds"),
    ],
)
def test_settings_that_cannot_work_are_refused(args: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        architect(tmp_path, **args).assert_task_args()


async def test_an_uploaded_file_is_found_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "abc").write_text("x")
    (tmp_path / "secret").write_text("y")
    assert await architect(tmp_path).fetch_file("abc") == tmp_path / "files" / "abc"
    for name in ("../secret", "missing", "/etc/passwd"):
        with pytest.raises(NotFoundError):
            await architect(tmp_path).fetch_file(name)


async def test_two_architects_never_start_two_routers_of_one_run(directory: Path) -> None:
    await architect(directory).deploy(RouterPlan("run", directory))
    urls = await asyncio.gather(*(architect(directory).revive() for _ in range(3)))
    assert len(set(urls)) == 1
    assert len(routers_in(directory)) == 1


async def test_the_routers_limits_can_be_changed_and_a_wrong_one_is_named(directory: Path) -> None:
    await architect(directory, limits={"agent_stored": 7}).deploy(RouterPlan("run", directory))
    assert json.loads((directory / "router_config.json").read_text())["limits"] == {"agent_stored": 7}
    with pytest.raises(LaunchError, match=r"unknown key 'agents_stored'\. Known keys: agent_stored, "):
        await architect(directory, limits={"agents_stored": 7}).deploy(RouterPlan("run", directory))


async def test_the_router_knows_by_which_addresses_browsers_come(directory: Path) -> None:
    one = architect(directory, url="https://lab.example/study", addresses=["a.example"], frame_ancestors=["*"])
    await one.deploy(RouterPlan("run", directory))
    written = json.loads((directory / "router_config.json").read_text())
    assert written["addresses"] == ["https://lab.example/study", "a.example"]
    assert written["frame_ancestors"] == ["*"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process is known by its number alone")
async def test_a_stranger_named_in_an_old_state_is_left_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = architect(directory)
    await one.deploy(RouterPlan("run", directory))
    ours = one._state()
    asked: list[int] = []

    def terminate(pid: int, real: Callable[[int], None] = local._terminate) -> None:
        asked.append(pid)
        if pid == ours["pid"]:
            real(pid)

    monkeypatch.setattr(local, "_terminate", terminate)
    (directory / "router.json").write_text(json.dumps({**ours, "pid": os.getpid()}))
    await one.shutdown()  # the router says soon who it is
    assert asked == [ours["pid"]]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a lock that is held cannot be taken away")
async def test_a_router_that_has_lost_its_lock_is_found_again(directory: Path) -> None:
    url = await architect(directory).deploy(RouterPlan("run", directory))
    pid = pid_in(directory)
    (directory / "router.lock").unlink()
    assert (await architect(directory).revive(), pid_in(directory)) == (url, pid)
    assert len(routers_in(directory)) == 1


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a lock that is held cannot be taken away")
async def test_a_router_that_has_lost_its_lock_is_waited_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await architect(directory).deploy(RouterPlan("run", directory))
    pid, ends = pid_in(directory), iter([lambda pid: None, local._terminate])
    (directory / "router.lock").unlink()
    monkeypatch.setattr(local, "_terminate", lambda pid: next(ends)(pid))
    monkeypatch.setattr(local, "_END_TIMEOUT", 0.1)
    with pytest.raises(RouterError, match="does not end"):
        await architect(directory).shutdown()
    monkeypatch.setattr(local, "_END_TIMEOUT", 10.0)
    await architect(directory).shutdown()
    await has_ended(pid)


# What links say to those on other computers


def links_of(directory: Path, own: str | None, monkeypatch: pytest.MonkeyPatch, **args: Any) -> LocalArchitect:
    monkeypatch.setattr("mephisto_nb.architects.local.find_own_address", lambda: own)
    (directory / "router.json").write_text('{"port": 3000, "pid": 0}')
    return architect(directory, **args)


@pytest.mark.parametrize(
    ("args", "url"),
    [
        ({}, "http://127.0.0.1:3000"),
        ({"hostname": "0.0.0.0"}, "http://192.168.1.7:3000"),
        ({"hostname": "0.0.0.0", "url": "https://lab.example/"}, "https://lab.example"),
        ({"url": "https://lab.example/study/"}, "https://lab.example/study/"),
        ({"url": "https://hub.example/user/ann/proxy/8000"}, "https://hub.example/user/ann/proxy/8000/"),
        ({"url": "https://lab.example?lang=de"}, "https://lab.example/?lang=de"),
        ({"url": "https://lab.example/study?lang=de"}, "https://lab.example/study/?lang=de"),
    ],
)
def test_links_name_this_machine_where_it_lets_others_in(tmp_path: Path, monkeypatch: Any, args: Any, url: str) -> None:
    assert links_of(tmp_path, "192.168.1.7", monkeypatch, **args).url == url


@pytest.mark.parametrize("url", ["lab.example/study", "/study/", "ftp://lab.example"])
def test_an_address_that_no_browser_could_open_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="which is no whole address"):
        architect(tmp_path, url=url).assert_task_args()


@pytest.mark.parametrize("hostname", ["::", "::1", "[::]", "0.0.0.0:3000"])
def test_an_address_that_no_router_listens_on_is_refused(tmp_path: Path, hostname: str) -> None:
    with pytest.raises(ConfigError, match=r"listens on IPv4 addresses alone.*Use 0\.0\.0\.0"):
        architect(tmp_path, hostname=hostname).assert_task_args()


def test_a_machine_that_does_not_know_its_address_says_what_to_set(
    tmp_path: Path, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr("mephisto_nb.architects.local.check_port", lambda *_: None)
    links_of(tmp_path, None, monkeypatch).assert_task_args()
    links_of(tmp_path, None, monkeypatch, hostname="0.0.0.0", url="http://a").assert_task_args()
    assert not caplog.text
    one = links_of(tmp_path, None, monkeypatch, hostname="0.0.0.0")
    one.assert_task_args()
    assert one.url == "http://127.0.0.1:3000"
    assert (
        "links will say 127.0.0.1 and work on this computer alone. Set mephisto.architect.port and url" in caplog.text
    )
