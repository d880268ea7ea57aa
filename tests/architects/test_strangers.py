"""Another user of the machine, at the ports that a kernel and its router use: nothing that they say is believed."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from mephisto_nb.architects import local, websocket_channel
from mephisto_nb.architects.local import LocalArchitect, LocalArchitectArgs
from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import LaunchError, LinkRefusedError, RouterError
from mephisto_nb.ports.architect import RouterPlan
from mephisto_nb.utils.proofs import Secret
from tests.kernel.runs import kill

pytestmark = pytest.mark.slow

TOKEN = "c0ffee" * 8
#: What a stranger says who wants to be taken for the router, at a port of theirs; or who wants to do harm.
WORDS = {
    "ready": b'{"ready": true, "port": 9, "pid": 1}\n',
    "failed": b'{"ready": false, "error": "port_in_use", "message": "go away"}\n',
    "nothing": b"",
    "no line": b'{"ready": true',
    "no JSON": b"\xff\x00\n",
    "another shape": b"[1]\n",
    "deep": b"[" * 100_000 + b"\n",
    "much": b"a" * 5_000_000,
}


@pytest.fixture
async def architect(tmp_path: Path) -> AsyncIterator[LocalArchitect]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    architect = LocalArchitect(LocalArchitectArgs(), tmp_path)
    yield architect
    await architect.shutdown()


def come_before(monkeypatch: pytest.MonkeyPatch, stranger: Any) -> None:
    """Let a stranger see the command of each router, and act before it is started."""
    spawn = local.spawn

    def spawn_later(command: list[str], log: IO[bytes]) -> local.RouterProcess:
        stranger(int(command[command.index("--notify") + 1].rpartition(":")[2]))
        return spawn(command, log)

    monkeypatch.setattr(local, "spawn", spawn_later)


def say(port: int, words: bytes) -> socket.socket:
    """Connect and speak, as far as anybody listens; the connection stays open."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(0.05)
    with contextlib.suppress(OSError):
        connection.sendall(words)
    return connection


def true_port(architect: LocalArchitect) -> int:
    return int(json.loads((architect.directory / "router.json").read_text())["port"])


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
async def test_who_speaks_before_the_router_is_not_the_router(
    words: bytes, architect: LocalArchitect, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers: list[socket.socket] = []
    come_before(monkeypatch, lambda port: strangers.extend(say(port, words) for _ in range(3)))
    url = await architect.deploy(RouterPlan("run", architect.directory))
    assert url == f"http://127.0.0.1:{true_port(architect)}"
    for stranger in strangers:
        stranger.close()


async def test_the_router_is_heard_in_a_flood(architect: LocalArchitect, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def flood(port: int) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                say(port, WORDS["ready"]).close()

    threads: list[threading.Thread] = []

    def begin(port: int) -> None:
        threads.extend(threading.Thread(target=flood, args=(port,)) for _ in range(4))
        for thread in threads:
            thread.start()

    come_before(monkeypatch, begin)
    try:
        url = await architect.deploy(RouterPlan("run", architect.directory))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert url == f"http://127.0.0.1:{true_port(architect)}"


class Crowded(local._Report):
    """A report; as it is looked for, the next one is at the door."""

    def look(self) -> None:
        say(self.port, b"").close()
        super().look()

    port = 0


async def test_who_comes_as_the_door_is_shut_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: left.append(str(one.exc_value)))
    report = Crowded(tmp_path / "report.json")
    report.path.write_text('{"ready": true}')
    async with local._listening(report) as report.port:
        say(report.port, b"").close()
        assert await report.wait(60) == {"ready": True}
    gc.collect()
    assert left == []


class Silent:
    """A router's process that lives and says nothing."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def wait(self) -> int:
        """Return once it was killed."""
        self._over.wait()
        return -9

    def kill(self) -> None:
        """End it."""
        self._over.set()


async def test_a_strangers_word_alone_starts_no_run(architect: LocalArchitect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "spawn", lambda command, log: Silent())
    come_before(monkeypatch, lambda port: say(port, WORDS["ready"]).close())
    monkeypatch.setattr(local, "START_TIMEOUT", 0.2)
    with pytest.raises(LaunchError, match=r"did not answer in 0\.2 s"):
        await architect.deploy(RouterPlan("run", architect.directory))


async def test_a_report_counts_though_nobody_knocks(architect: LocalArchitect, monkeypatch: pytest.MonkeyPatch) -> None:
    def report(command: list[str], log: IO[bytes]) -> Silent:
        Path(command[command.index("--report") + 1]).write_text('{"ready": true, "port": 4242, "pid": 1}')
        return Silent()

    monkeypatch.setattr(local, "spawn", report)
    monkeypatch.setattr(local, "START_TIMEOUT", 0.01)
    assert await architect.deploy(RouterPlan("run", architect.directory)) == "http://127.0.0.1:4242"


async def test_no_report_is_left_behind(architect: LocalArchitect) -> None:
    await architect.deploy(RouterPlan("run", architect.directory))
    assert [path.name for path in architect.directory.iterdir() if "report" in path.name] == []


async def test_who_takes_the_port_of_a_dead_router_is_not_it(architect: LocalArchitect) -> None:
    await architect.deploy(RouterPlan("run", architect.directory))
    port = true_port(architect)
    await kill(int(json.loads((architect.directory / "router.json").read_text())["pid"]))
    with socket.create_server(("127.0.0.1", port)):
        assert await architect.revive() == f"http://127.0.0.1:{true_port(architect)}"
        assert true_port(architect) != port
        channel = architect.get_channel()
        await channel.connect(0)
        await channel.close()


# The link

#: What a stranger answers at a router's address.
ANSWERS = {
    "no JSON": "hello",
    "a welcome": '{"type": "welcome", "last_n": 0, "presence": {}}',
    "no proof": json.dumps({"type": "challenge", "challenge": "0" * 64}),
    "a wrong proof": json.dumps({"type": "challenge", "challenge": "0" * 64, "proof": "0" * 64}),
    "a proof that is no text": json.dumps({"type": "challenge", "challenge": "0" * 64, "proof": [1]}),
}


@contextlib.asynccontextmanager
async def impostor(answer: str | None) -> AsyncIterator[tuple[str, list[str | bytes]]]:
    """Listen where a router might, answer the first frame, and keep what was heard."""
    heard: list[str | bytes] = []

    async def hear(socket: ServerConnection) -> None:
        async for frame in socket:
            heard.append(frame)
            if answer is not None:
                await socket.send(answer)

    async with serve(hear, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"http://{host}:{port}", heard


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_who_cannot_prove_to_be_the_router_learns_nothing(answer: str) -> None:
    async with impostor(answer) as (url, heard):
        with pytest.raises(RouterError):
            await WebSocketChannel(url, "run", Secret(TOKEN)).connect(0)
    assert [json.loads(frame)["type"] for frame in heard] == ["hello"]
    assert TOKEN not in str(heard)


async def test_who_says_nothing_does_not_hold_the_kernel_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_channel, "_OPEN_TIMEOUT", 0.5)
    async with impostor(None) as (url, _):
        with pytest.raises(RouterError, match=r"did not prove in 0\.5 s"):
            await WebSocketChannel(url, "run", Secret(TOKEN)).connect(0)


async def test_an_operators_own_words_do_not_prove_a_router() -> None:
    async def echo(socket: ServerConnection) -> None:
        async for frame in socket:
            challenge = json.loads(frame)["challenge"]
            await socket.send(json.dumps({"type": "challenge", "challenge": challenge, "proof": challenge}))

    async with serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(LinkRefusedError, match="is not the router of run"):
            await WebSocketChannel(f"http://127.0.0.1:{port}", "run", Secret(TOKEN)).connect(0)
