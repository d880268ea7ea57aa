"""How a router starts, and the ways in which it ends."""

import asyncio
import errno
import json
import os
import socket
import stat

import pytest
from filelock import FileLock

from mephisto_nb.errors import ConfigError
from mephisto_nb.router import server
from mephisto_nb.router.__main__ import main
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.server import Notifier, listen
from mephisto_nb.utils.machine import birth_of
from tests.router.harness import RUN_ID, TOKEN, Browser, RouterProcess, shake_hands, write_config

pytestmark = pytest.mark.usefixtures("routers_by_command")


def test_it_tells_when_and_where_it_listens(router):
    state = json.loads((router.directory / "router.json").read_text())
    port = router.line["port"]
    assert router.line == {"ready": True, "port": port, "pid": router.process.pid}
    who = {"pid": router.process.pid, "born": birth_of(router.process.pid)}
    assert state == {"run_id": RUN_ID, **who, "port": port, "url": f"http://127.0.0.1:{port}"}


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_what_it_writes_is_for_its_owner_alone(router):
    for name in ("router.json", "inbox.db", "router.lock"):
        assert stat.S_IMODE((router.directory / name).stat().st_mode) == 0o600


async def test_a_port_in_use_is_told(start_router):
    with socket.create_server(("127.0.0.1", 0)) as other:
        router = start_router(port=other.getsockname()[1])
    assert (router.line["ready"], router.line["error"]) == (False, "port_in_use")
    assert await router.ended() == 3


async def test_a_directory_has_one_router(router):
    second = RouterProcess(router.directory)
    assert second.line["error"] == "locked"
    assert await second.ended() == 4


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a lock that is held cannot be taken away")
async def test_a_router_that_has_lost_its_lock_is_still_the_one(start_router, tmp_path):
    start_router()
    (tmp_path / "router.lock").unlink()
    second = RouterProcess(tmp_path)
    assert second.line["error"] == "locked"
    assert await second.ended() == 4


def test_a_router_that_starts_again_names_itself_before_it_listens(tmp_path):
    state = tmp_path / "router.json"
    state.write_text(json.dumps({"run_id": RUN_ID, "pid": 1, "port": 8080, "url": "http://127.0.0.1:8080"}))
    server.claim(state)
    claimed = json.loads(state.read_text())
    assert (claimed["pid"], claimed["port"]) == (os.getpid(), 8080)


async def test_a_wrong_configuration_is_told(start_router):
    router = start_router(prot=8080)
    assert router.line["error"] == "config"
    assert "Known keys" in router.line["message"]
    assert await router.ended() == 2


@pytest.mark.parametrize("wrong", [{"token": "short"}, {"port": "x"}, {"host": "256.0.0.1"}])
def test_nothing_is_served_with_a_wrong_configuration(tmp_path, wrong):
    write_config(tmp_path, **wrong)
    with pytest.raises(ConfigError):
        server.run(tmp_path, Notifier(None))


def test_a_router_that_cannot_start_gives_its_lock_back(tmp_path):
    write_config(tmp_path, host="256.0.0.1")
    with pytest.raises(ConfigError) as told:
        server.run(tmp_path, Notifier(None))
    assert told.tb  # which keeps the lock's own end from giving it back
    with FileLock(tmp_path / "router.lock", timeout=0) as lock:
        assert lock.is_locked


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path, monkeypatch):
    def replace(*paths):
        raise OSError(errno.EIO, "the disk is broken")

    state = tmp_path / "router.json"
    state.write_text(json.dumps({"pid": 1}))
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "rename", replace)
    with pytest.raises(ConfigError, match=r"cannot write.*the disk is broken"):
        server.claim(state)
    assert list(tmp_path.iterdir()) == [state]


def test_a_database_of_another_run_is_refused(tmp_path):
    Store.open(tmp_path / "inbox.db", "another")._db.close()
    write_config(tmp_path)
    with pytest.raises(ConfigError, match="belongs to run 'another'"):
        server.run(tmp_path, Notifier(None))


async def test_finishing_refuses_new_workers_kindly(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        asking = Browser(router.address, session).request_agent()
        await operator.message("register_agent")
        await operator.send({"type": "finish", "linger": 60})
        await operator.next_of("finishing")
        for _, answer in (await asking, await Browser(router.address, session).request_agent()):
            assert answer["data"]["agent_id"] is None
            assert answer["data"]["failure_code"] == "run_over"


async def test_a_finished_router_ends_after_its_linger(start_router):
    router = start_router()
    async with shake_hands(router.address) as operator:
        await operator.send({"type": "finish", "linger": 0})
        assert await router.ended() == 0


async def test_it_ends_when_the_operator_stays_away(start_router):
    router = start_router(operator_absence_in_seconds=0.2)
    assert await router.ended() == 5


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
async def test_sigterm_sends_those_who_wait_away_and_ends(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        asking = Browser(router.address, session).request_agent()
        await operator.message("register_agent")
        assert await router.terminate() == 0
    status, answer = await asking
    assert (status, answer["error"]["code"]) == (503, "router_stopping")
    assert "Traceback" not in router.log
    assert TOKEN not in router.log


async def test_after_a_restart_it_has_the_same_port_and_no_stale_requests(start_router, session):
    router = start_router()
    async with shake_hands(router.address) as operator:
        asking = Browser(router.address, session).request_agent()
        await operator.next_of("messages")
    router.kill()
    await asyncio.gather(asking, return_exceptions=True)
    again = start_router()
    assert again.address == router.address
    async with shake_hands(again.address) as operator:
        await operator.give_agent("a1")
        await Browser(again.address, session).submit("a1")
        assert (await operator.message())[1]["packet_type"] == "submit_unit"


def test_help_tells_everything(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for word in ("--notify", "router_config.json", "inbox.db", "port_in_use", "SIGTERM", "exit codes"):
        assert word in text


def test_our_ports_are_outside_the_range_of_outgoing_connections():
    with listen("127.0.0.1", 0) as first, listen("127.0.0.1", 0) as second:
        ports = {first.getsockname()[1], second.getsockname()[1]}
        assert len(ports) == 2
        assert max(ports) < 32_768  # where Linux begins
    with listen("127.0.0.1", 0, preferred=min(ports)) as again:
        assert again.getsockname()[1] == min(ports)
