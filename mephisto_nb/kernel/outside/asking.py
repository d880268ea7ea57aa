"""Asking an address from outside, as a browser would: for its place, a certificate, an answer, and a socket.

Everything goes by the public name, and nothing is believed of what answers. No wait is bounded here: whoever asks says
for how long.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Origin

from mephisto_nb._typing import JSON
from mephisto_nb.utils.addresses import Place, read_address

#: Some tunnels show browsers alone what comes before a page.
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
#: So much of an answer is read (bytes).
_MOST = 32 * 1024 * 1024
_PIECE = 64 * 1024
#: Of so many messages that name no agent, a router passes over all but the last, for which it closes the socket.
_NONSENSE = 17
_NONSENSE_TEXT = json.dumps({"packet_type": "alive", "subject_id": "address check", "data": {}})
#: How it is closed then.
_CLOSED_FOR_NONSENSE = (1008, "no agent")
#: How long a second way to an address waits for the first, and a socket for its goodbye (seconds).
_SECOND_WAY, _GOODBYE = 0.3, 0.5


class Unanswered(Exception):
    """An address was asked, and did not answer as servers do.

    The text says how, in words that follow its name; `remedy` is what to do about it, where that is special.
    """

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class NotBelieved(Unanswered):
    """An address has shown a certificate that is not believed; `error` says why."""

    def __init__(self, error: ssl.SSLCertVerificationError) -> None:
        super().__init__(f"shows a certificate that is not believed ({error.verify_message})")
        self.error = error


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: when it was asked for (epoch seconds), how long it took, and what it holds; names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked_at: float
    seconds: float

    @property
    def kind(self) -> str:
        """The type of what it holds, as ``text/html``."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def json(self) -> JSON:
        """What it holds, where that is JSON; else None."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def error_code(self) -> str:
        """The code by which a router says that it refuses; '' where it does not, or is none."""
        told = self.json
        error = told.get("error") if isinstance(told, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) else ""


class PublicSite:
    """What is served at an address.

    Parameters
    ----------
    url
        The address; a folder of it ends with a slash.
    tls
        Whose certificates are believed.
    now
        What time it is (epoch seconds).

    Raises
    ------
    ValueError
        It is no address.
    """

    def __init__(self, url: str, tls: ssl.SSLContext, now: Callable[[], float]) -> None:
        self.place: Place = read_address(url)
        parts = urlsplit(url)
        if not self.place.scheme or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("it begins with http:// or https://, and has neither a password, nor a question, nor a #")
        self.folder = f"{parts.path.rstrip('/')}/"
        self.tls: ssl.SSLContext | None = tls if self.place.scheme == "https" else None
        #: What was shown by whom was believed; None: nothing yet.
        self.certificate: Mapping[str, object] | None = None
        self._now = now

    @property
    def origin(self) -> str:
        """What browsers call the site of this address."""
        host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        port = "" if self.place.full_port == Place("", None, self.place.scheme).full_port else f":{self.place.port}"
        return f"{self.place.scheme}://{host}{port}"

    async def find(self) -> list[str]:
        """Return where the name leads: addresses, each once.

        Raises
        ------
        Unanswered
            It leads nowhere.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.place.host, self.place.full_port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why, remedy = getattr(error, "strerror", None) or error, "Look at its spelling, and at what DNS says of it."
            raise Unanswered(f"leads nowhere ({why})", remedy) from error
        return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))

    async def ask(
        self, path: str, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answered:
        """Ask for something in the folder of the address, or at another place if `path` begins with a slash.

        Raises
        ------
        Unanswered
            What is there does not answer, or not in HTTP (`NotBelieved`: its certificate is not believed).
        """
        loop, asked_at = asyncio.get_running_loop(), self._now()
        begun = loop.time()
        target = path if path.startswith("/") else self.folder + path
        sent = {
            "Host": self.origin.partition("://")[2],
            "User-Agent": _BROWSER,
            "Accept": "*/*",
            "Connection": "close",
            **({"Content-Length": str(len(body))} if method == "POST" else {}),
            **(headers or {}),
        }
        reader, writer = await self._connect()
        try:
            client = h11.Connection(h11.CLIENT)
            asking = [h11.Request(method=method, target=target, headers=list(sent.items())), h11.EndOfMessage()]
            if body:
                asking.insert(1, h11.Data(data=body))
            writer.write(b"".join(client.send(event) or b"" for event in asking))
            status, told, content = await _read(client, reader)
        except h11.ProtocolError as error:
            raise Unanswered("does not answer in HTTP") from error
        except OSError as error:
            raise Unanswered(f"breaks off ({error.strerror or error})") from error
        finally:
            writer.transport.abort()
        return Answered(status, told, content, asked_at, loop.time() - begun)

    def trust_everybody(self) -> None:
        """Believe any certificate from now on, to find what else may be wrong; nothing secret is sent."""
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = self.place
        named = {"ssl": self.tls, "server_hostname": place.host} if self.tls else {}
        is_name = not _is_ip(place.host)
        try:
            reader, writer = await asyncio.open_connection(
                place.host,
                place.full_port,
                happy_eyeballs_delay=_SECOND_WAY if is_name else None,
                **named,  # type: ignore[arg-type]
            )
        except ssl.SSLCertVerificationError as error:
            raise NotBelieved(error) from error
        except ssl.SSLError as error:
            remedy = "Have the proxy or tunnel speak TLS at that port, or give the port at which it does."
            raise Unanswered(f"does not speak TLS at port {place.full_port} ({error.reason})", remedy) from error
        except ConnectionRefusedError as error:
            raise Unanswered(f"has nobody who listens at port {place.full_port}") from error
        except OSError as error:
            raise Unanswered(f"cannot be reached at port {place.full_port} ({error.strerror or error})") from error
        if self.tls is not None:
            self.certificate = writer.get_extra_info("ssl_object").getpeercert()
        return reader, writer

    async def talk(self) -> None:
        """Open a socket as a page does, say something, and hear what a router says to it.

        Raises
        ------
        Unanswered
            No socket can be opened, or nothing of what goes in comes out again.
        """
        url = self.origin.replace("http", "ws", 1) + self.folder
        try:
            async with connect(
                url,
                ssl=self.tls,
                origin=Origin(self.origin),
                user_agent_header=_BROWSER,
                proxy=None,
                open_timeout=None,
                close_timeout=_GOODBYE,
            ) as opened:
                for _ in range(_NONSENSE):
                    await opened.send(_NONSENSE_TEXT)
                await opened.recv()
        except InvalidStatus as error:
            raise Unanswered(f"is refused with {error.response.status_code}") from error
        except ConnectionClosed as closed:
            frame = closed.rcvd
            if frame is None or (frame.code, frame.reason) != _CLOSED_FOR_NONSENSE:
                raise Unanswered("is opened, and what is sent on it does not reach the router") from closed
        except (InvalidHandshake, InvalidURI, OSError, EOFError) as error:
            raise Unanswered("is not opened: what answers does not know WebSockets") from error
        else:
            raise Unanswered("is opened by something that is no router")


async def _read(client: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer, as far as it is not too long."""
    status, headers, body = 0, dict[str, str](), bytearray()
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(await reader.read(_PIECE))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or len(body) > _MOST:
            return status, headers, bytes(body)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
