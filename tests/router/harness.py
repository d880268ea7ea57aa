"""A real router process, and small clients for its two sides."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, ClassVar

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from mephisto_nb.utils import proofs
from tests.router_forks import ForkedRouter, RouterForks

TOKEN = "t" * 43
#: What JSON that is not made by the client says of itself.
AS_JSON = {"Content-Type": "application/json"}
RUN_ID = "run1"
PATIENCE = 10.0


#: MEPHISTO_TEST_HTTP=h11: let routers do without httptools, as on platforms that have none.
WITHOUT_HTTPTOOLS = Path(__file__).with_name("without_httptools")


def environment(http: str = os.environ.get("MEPHISTO_TEST_HTTP", "")) -> dict[str, str]:
    """Return a router's environment."""
    if http != "h11":
        return dict(os.environ)
    paths = [str(WITHOUT_HTTPTOOLS), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def write_config(directory: Path, **changes: Any) -> None:
    config = {"run_id": RUN_ID, "token": TOKEN, "operator_absence_in_seconds": 60, **changes}
    site = directory / "site"
    site.mkdir(exist_ok=True)
    (site / "index.html").write_text("<div id=app></div>")
    (site / "bundle.js").write_text("let a = 1")
    (directory / "router_config.json").write_text(json.dumps(config))


class RouterProcess:
    """One router process; only this one is ever stopped."""

    #: Where it is forked, if anything is; else it is started by its command.
    forks: ClassVar[RouterForks | None] = None

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        with socket.create_server(("127.0.0.1", 0)) as server, (directory / "router.log").open("ab") as log:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            self.process = self._start([str(directory), "--notify", address], log, environment(**settings))
            server.settimeout(PATIENCE)
            self.line = self._first_line(server)

    @staticmethod
    def _first_line(server: socket.socket) -> Any:
        while True:
            with server.accept()[0] as connection, connection.makefile("rb") as lines, contextlib.suppress(ValueError):
                return json.loads(lines.readline())  # else somebody looks for who had this port before

    @classmethod
    def _start(
        cls, arguments: list[str], log: IO[bytes], environment: dict[str, str]
    ) -> subprocess.Popen[bytes] | ForkedRouter:
        if cls.forks is not None and environment == os.environ:
            return cls.forks.start(arguments, log)
        return subprocess.Popen(
            [sys.executable, "-m", "mephisto_nb.router", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=os.name == "posix",
            env=environment,
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.line['port']}"

    @property
    def log(self) -> str:
        return (self.directory / "router.log").read_text()

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    async def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()


class Operator:
    """The operator's side of a link, after the handshake."""

    def __init__(self, socket: ClientConnection, welcome: dict[str, Any]) -> None:
        self.socket, self.welcome = socket, welcome
        self._n = welcome.get("last_n", 0)
        self._frames: list[dict[str, Any]] = []
        self.messages: list[list[Any]] = []

    async def receive(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))

    async def next_of(self, kind: str) -> dict[str, Any]:
        """Return the next frame of this type; keep the messages that come before."""
        while (frame := await self.receive())["type"] != kind:
            if frame["type"] == "messages":
                self.messages += frame["messages"]
        return frame

    async def message(self, packet_type: str | None = None) -> tuple[int, dict[str, Any]]:
        """Return the next message (of this type): its number and packet. It is acknowledged."""
        while True:
            while not self.messages:
                self.messages += (await self.next_of("messages"))["messages"]
            seq, _, packet = self.messages.pop(0)
            await self.ack(seq)
            if packet_type in (None, packet["packet_type"]):
                return seq, packet

    async def send(self, frame: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))

    async def ack(self, seq: int) -> None:
        await self.send({"type": "ack", "seq": seq})

    async def forget_the_past(self) -> None:
        """Acknowledge all that other tests have left in the inbox."""
        await self.send({"type": "sync"})
        await self.ack((await self.next_of("synced"))["last_seq"])
        # The acknowledgement has been applied once the next frame has been.
        await self.send({"type": "sync"})
        await self.next_of("synced")
        self.messages.clear()

    async def tell(self, packet_type: str, subject_id: str, data: dict[str, Any]) -> None:
        """Send one effect."""
        self._n += 1
        packet = {"packet_type": packet_type, "subject_id": subject_id, "data": data}
        await self.send({"type": "effects", "effects": [[self._n, packet]]})

    async def effect(self, packet_type: str, subject_id: str, data: dict[str, Any]) -> None:
        """Send one effect, and wait until it is applied."""
        await self.tell(packet_type, subject_id, data)
        assert (await self.next_of("ack"))["n"] == self._n

    async def give_agent(self, agent_id: str | None = None, status: str = "in task", **data: Any) -> str:
        """Make an agent known to the router; its id is made up where none is given."""
        agent_id = agent_id or f"agent_{secrets.token_hex(4)}"
        details = {"request_id": "r", "worker_id": "w", "agent_id": agent_id, "status": status, **data}
        await self.effect("agent_details", details["request_id"], details)
        return agent_id


@contextlib.asynccontextmanager
async def shake_hands(address: str, last_seq: int = 0, token: str = TOKEN) -> AsyncIterator[Operator]:
    """Connect as an operator."""
    async with connect(f"ws://{address}/operator", max_size=None) as socket:
        challenge = proofs.new_challenge()
        await socket.send(json.dumps({"type": "hello", "protocol": 1, "challenge": challenge}))
        answer = json.loads(await socket.recv())
        assert answer["proof"] == proofs.router_proof(TOKEN, RUN_ID, challenge)
        proof = proofs.operator_proof(token, answer["run_id"], answer["challenge"])
        await socket.send(json.dumps({"type": "proof", "proof": proof, "last_seq": last_seq}))
        yield Operator(socket, json.loads(await socket.recv()))


class Browser:
    """A worker's browser."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address, self.session = address, session

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> tuple[int, Any]:
        """Post JSON (or whatever `kwargs` say); give the status and the answer's JSON."""
        kwargs = kwargs or {"json": body}
        async with self.session.post(f"http://{self.address}{path}", **kwargs) as response:
            return response.status, await response.json()

    async def get(self, path: str, **kwargs: Any) -> aiohttp.ClientResponse:
        """Get a page, read completely."""
        async with self.session.get(f"http://{self.address}{path}", **kwargs) as response:
            await response.read()
            return response

    async def submit(self, agent_id: Any, **data: Any) -> tuple[int, Any]:
        return await self.post("/submit_task", {"USED_AGENT_ID": agent_id, "final_data": data})

    def request_agent(self, name: str = "ann") -> "asyncio.Task[tuple[int, Any]]":
        return asyncio.create_task(self.post("/request_agent", {"provider_data": {"worker_name": name}}))

    @contextlib.asynccontextmanager
    async def socket(self, agent_id: str | None = None) -> AsyncIterator["Page"]:
        """Open a socket; say ``alive`` and take the status and the ping that answer it if `agent_id` is given."""
        async with connect(f"ws://{self.address}/") as socket:
            page = Page(socket)
            if agent_id is not None:
                await page.send("alive", agent_id, {})
                assert [(await page.receive())["packet_type"] for _ in range(2)] == ["update_status", "heartbeat"]
            yield page


class Page:
    """A worker's socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, packet_type: Any, subject_id: Any, data: Any = None) -> None:
        packet = {"packet_type": packet_type, "subject_id": subject_id, "client_timestamp": 1.5}
        await self.socket.send(json.dumps(packet if data is None else {**packet, "data": data}))

    async def receive(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))


async def close_code(socket: ClientConnection) -> int | None:
    """Wait until the router closes a socket; give its reason."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE):
            while True:
                await socket.recv()
    return socket.close_code
