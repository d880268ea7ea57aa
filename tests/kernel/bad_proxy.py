"""A proxy in front of a router that misbehaves as those of the world do: one connection, one request."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

END = b"\r\n\r\n"
#: What is answered where nothing ever is.
HANG = b"nothing"


def answer(status: str, body: bytes = b"", kind: str = "text/html", *more: str) -> bytes:
    """Write an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


class BadProxy:
    """What stands between an address and a router.

    `instead` says what is answered to a request without asking the router (None: it is asked), `before` changes what it
    is asked, and `after` what it answers. The method of a WebSocket is "UPGRADE".
    """

    def __init__(
        self,
        router: str,
        instead: Callable[[str, str], bytes | None] = lambda method, path: None,
        before: Callable[[bytes], bytes] = bytes,
        after: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._host, _, self._port = router.partition(":")
        self._instead, self._before, self._after = instead, before, after

        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[BadProxy]:
        """Listen."""
        async with await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=tls) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(END)
            method, path, _ = head.decode().split(" ", 2)
            method = "UPGRADE" if b"upgrade: websocket" in head.lower() else method
            own = self._instead(method, path)
            if own is HANG:
                await reader.read()
            elif own is not None:
                writer.write(own)
                await writer.drain()
            elif method == "UPGRADE":
                await self._join(self._before(head), reader, writer)
            else:
                await self._hand_on(head, reader, writer)

    async def _hand_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        asking, telling = await asyncio.open_connection(self._host, int(self._port))
        with contextlib.closing(telling):
            telling.write(self._before(head + body))
            writer.write(self._after(await asking.read()))
            await writer.drain()

    async def _join(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asking, telling = await asyncio.open_connection(self._host, int(self._port))
        with contextlib.closing(telling):
            telling.write(head)
            await asyncio.gather(_pipe(reader, telling), _pipe(asking, writer))


async def _pipe(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(65536):
            to.write(piece)
            await to.drain()
    to.close()


def make_certificate(folder: Path, host: str, days: float = 90, began: float = 0) -> Path:
    """Make a certificate that vouches for itself, for so many days from `began` days ago; return its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=began)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    try:
        known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        known = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([known]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def serving(certificate: Path) -> ssl.SSLContext:
    """Return what a server needs to speak TLS with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def believing(certificate: Path) -> ssl.SSLContext:
    """Return what a client needs to believe a certificate."""
    return ssl.create_default_context(cafile=certificate)
