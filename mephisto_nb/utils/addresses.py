"""Addresses as browsers write them: the host that a request is meant for, and the page that it comes from.

Pure functions; who may be asked, and by whom, is decided in `mephisto_nb.router.http.addresses`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)
#: Letters which an older rule for names in other alphabets, the one that Python knows, replaces or leaves out.
_READ_OTHERWISE = frozenset("ß\u1e9eς\u200c\u200d")
_SCHEMES = {"http": 80, "https": 443}
#: What may show a page in a frame, as the header Content-Security-Policy spells it.
_FRAMING = re.compile(
    r"\*|'self'|https?:|(https?://)?(\*\.)?[A-Za-z0-9_.-]+(:(\d{1,5}|\*))?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A host in its one spelling, a port if one is named, and a scheme (``http`` or ``https``) if one is."""

    host: str
    port: int | None = None
    scheme: str = ""

    @property
    def full_port(self) -> int | None:
        """The port, also where it goes without saying."""
        return self.port if self.port is not None else _SCHEMES.get(self.scheme)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this very computer."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_host(text: str) -> Place:
    """Read ``host``, ``host:port`` or ``[address]:port``.

    Upper case, a dot at the end, and the ways to write an IPv6 address make no difference.

    Raises
    ------
    ValueError
        It is none of these.
    """
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise ValueError("an address in brackets has no end")
        return Place(ipaddress.IPv6Address(inner).compressed, _read_port(rest))
    name, colon, port = text.partition(":")
    name = name.lower().removesuffix(".")
    if not _NAME.fullmatch(name) or ".." in name:
        raise ValueError("this is no name of a host")
    return Place(name, _read_port(colon + port))


def read_address(text: str) -> Place:
    """Read a host, or a whole address such as ``https://lab.example/study/``, of which the path makes no difference.

    It may be written in any alphabet.

    Raises
    ------
    ValueError
        It is neither.
    """
    scheme, mark, rest = text.strip().partition("://")
    if not mark:
        return read_host(_as_sent(text.strip()))
    if scheme.lower() not in _SCHEMES:
        raise ValueError("an address begins with http:// or https://")
    place = read_host(_as_sent(re.split(r"[/?#]", rest, maxsplit=1)[0]))
    return Place(place.host, place.port, scheme.lower())


def _as_sent(host: str) -> str:
    """Return a host as browsers send it: in ASCII."""
    if host.isascii():
        return host
    if not _READ_OTHERWISE.isdisjoint(host):
        raise ValueError("write this name as your browser sends it, which begins with xn--")
    try:
        name, colon, port = host.partition(":")
        return name.encode("idna").decode() + colon + port
    except UnicodeError:
        raise ValueError("this is no name of a host") from None


def read_origin(text: str) -> Place:
    """Read what a browser says of the page that sends a request, such as ``https://lab.example``.

    Raises
    ------
    ValueError
        It names no page: ``null``, say, as of a page in a sandbox.
    """
    if "://" not in text or text.count("/") > 2 or not text.isascii():
        raise ValueError("this is no origin")
    return read_address(text)


def is_frame_source(text: str) -> bool:
    """Return whether the header that says who may show a page in a frame can hold this."""
    return _FRAMING.fullmatch(text) is not None


def _read_port(text: str) -> int | None:
    if not text:
        return None
    digits = text[1:]
    if (
        text[0] != ":"
        or not (digits.isascii() and digits.isdecimal())
        or len(digits) > 5
        or not 0 < int(digits) < 65536
    ):
        raise ValueError("a port is a number from 1 to 65535")
    return int(text[1:])
