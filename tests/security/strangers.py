"""Those who do not keep to the protocol: raw connections, and what they cost."""

import asyncio
import base64
import contextlib
import os
from pathlib import Path

PATIENCE = 15.0
JSON = "Content-Type: application/json"


def resident_bytes(pid):
    """Return how much memory a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def request(method, path, *headers, body=b""):
    """Write a request head, and the body as it is given."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def upgrade(path="/"):
    """Write the handshake of a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade"]
    return request("GET", path, *headers)


def frame(opcode, payload=b"", *, last=True):
    """Write a WebSocket frame of a client whose mask changes nothing."""
    assert len(payload) < 126
    return bytes([opcode | (0x80 if last else 0), 0x80 | len(payload)]) + bytes(4) + payload


async def hang_up(writer):
    """Close a connection at once, whatever it had still to send."""
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


class Stranger:
    """One raw connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def come(cls, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            await hang_up(writer)

    async def send(self, data):
        """Send, until it is sent or the router has gone."""
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def send_while_taken(self, data, limit):
        """Send the same again and again, until the router hangs up; give how much it took, `limit` at most."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < limit and not self.reader.at_eof():
                await self.send(data)
                sent += len(data)
        return sent

    async def send_for_ever(self, data):
        """Send the same again and again; raise `ConnectionError` once the router has hung up."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.send(data)

    async def rest(self):
        """Return all that the router says until it hangs up."""
        answer = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while piece := await self.reader.read(65536):
                    answer += piece
        return answer

    async def status(self):
        """Return the status of the next answer; 0 where the router hung up without one."""
        with contextlib.suppress(ConnectionError):
            line = await asyncio.wait_for(self.reader.readline(), PATIENCE)
            return int(line.split()[1]) if line else 0
        return 0
