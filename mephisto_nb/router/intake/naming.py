"""Whose request it is, seen in its raw bytes: who names no agent of ours is refused before anything is read.

What is seen here decides about nothing but that. The agent of a request is the one that is found when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from mephisto_nb.router import codec
from mephisto_nb.router.http.answers import Refused, bad_request
from mephisto_nb.router.rules import KnownAgent

_IN_JSON, _SUBJECT, _FIELD = b'"USED_AGENT_ID"', '"subject_id"', b"USED_AGENT_ID"
#: What follows these, with whom they name.
_JSON_VALUE = re.compile(rb'\s{0,8}:\s{0,8}"([^"\\]{0,200})"')
_SUBJECT_VALUE = re.compile(r'\s{0,8}:\s{0,8}"([^"\\]{1,200})"')
_FIELD_VALUE = re.compile(rb'"?[^\r\n]{0,200}\r\n(?:[^\r\n]{1,200}\r\n){0,4}\r\n([^\r\n]{0,200})\r\n--')
_BEFORE_FIELD = (b"name=", b'name="')
_FIRST_IN_JSON = re.compile(rb'\s{0,8}\{\s{0,8}"USED_AGENT_ID"\s{0,8}:\s{0,8}"([^"\\]{0,200})"')
#: So many places in one text are looked at where a name may be: a page sends one, two at most.
_LOOKED_AT = 8
#: So much of a form is held until it has said whose it is; then it is read on in any case.
_HELD = 256 * 1024
#: How much of the last piece is looked at again with the next one.
_OVERLAP = 2048
#: A form of so few parts that names nobody is read nevertheless, to say what is wrong with it.
_FEW_PARTS = 16


def unknown_agent() -> Refused:
    """Make the error for an agent that this router does not know."""
    return Refused(404, "unknown_agent", "This task does not know you. Please reload the page.")


def nobody() -> Refused:
    """Make the error for a request that does not say whose it is."""
    return bad_request("'USED_AGENT_ID' must be a string.")


class Roll:
    """Who is known here. The database that a router takes over may have been emptied, or be an older copy.

    So whom it does not know then is asked to wait, until the operator has sent all that it has to say.

    Parameters
    ----------
    find
        Returns an agent, or None where there is none of this id.
    is_complete
        Whether nobody can be missing: no router was here before.
    """

    def __init__(self, find: Callable[[str], KnownAgent | None], *, is_complete: bool = True) -> None:
        self.find = find
        self._is_complete = is_complete
        #: The number of the effect with which all is said; None: the operator has not named it yet.
        self._complete_with: int | None = None

    def is_told(self, last_n: int, newest_n: int | None = None) -> None:
        """Note that the operator's effects up to `last_n` are applied, of `newest_n` that it has, if it says so."""
        if newest_n is not None:
            self._complete_with = newest_n
        if self._complete_with is not None and last_n >= self._complete_with:
            self._is_complete = True

    def knows(self, agent_id: str) -> bool:
        """Return whether there is an agent of this id."""
        return codec.is_id(agent_id) and self.find(agent_id) is not None

    def unknown(self) -> Refused:
        """Make the error for an agent that is not found here."""
        if self._is_complete:
            return unknown_agent()
        text = "This task is just starting again. Please try again in a moment."
        return Refused(503, "starting", text, retry_after=2)


class Doorkeeper:
    """Looks whether a text names an agent of ours.

    Parameters
    ----------
    roll
        Who is known.
    """

    def __init__(self, roll: Roll) -> None:
        self._roll, self._is_known = roll, roll.knows

    def check_beginning(self, text: bytes | bytearray) -> None:
        """Refuse a JSON text that begins with the name of somebody whom nobody knows."""
        found = _FIRST_IN_JSON.match(text)
        if found is not None and not self._is_known(_decoded(found[1])):
            raise self._roll.unknown()

    def check_json(self, text: bytes | bytearray) -> str:
        """Return the agent of ours that a JSON text names; raise `Refused` where it names none anywhere."""
        names = [_decoded(found[1]) for _, found in _behind(_IN_JSON, text, _JSON_VALUE)]
        known = next(filter(self._is_known, names), None)
        if known is None:
            raise self._roll.unknown() if names else nobody()
        return known

    def knows_subject(self, packet: str) -> bool:
        """Return whether a packet of a socket, as JSON text, is about an agent of ours."""
        return any(self._is_known(found[1]) for _, found in _behind(_SUBJECT, packet, _SUBJECT_VALUE))

    def check_field(self, value: bytes) -> None:
        """Refuse a field of a form that does not name an agent of ours."""
        if not self._is_known(_decoded(value)):
            raise self._roll.unknown()


class Threshold:
    """Holds the beginning of a form until it has named an agent of ours, or is so long that it has to be read.

    Parameters
    ----------
    doorkeeper
        Knows the agents.
    delimiter
        What stands between the parts of the form.
    """

    def __init__(self, doorkeeper: Doorkeeper, delimiter: bytes) -> None:
        self._doorkeeper, self._delimiter = doorkeeper, delimiter
        self._held = bytearray()
        self._is_open = False

    @property
    def held(self) -> int:
        """How many bytes are held."""
        return len(self._held)

    def take(self, piece: bytes) -> bytes:
        """Take the next piece; return what may be read now. Raise `Refused` if the form names nobody whom we know."""
        if self._is_open:
            return piece
        before = max(0, len(self._held) - _OVERLAP)
        self._held += piece
        for value in self._names(before):
            self._doorkeeper.check_field(value)
            self._is_open = True
        self._is_open |= len(self._held) > _HELD
        return self._release() if self._is_open else b""

    def end(self) -> bytes:
        """Return what is left to be read at the end of the form; raise `Refused` if it names nobody."""
        if not self._is_open and self._held.count(self._delimiter) > _FEW_PARTS:
            raise nobody()
        self._is_open = True
        return self._release()

    def _release(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held

    def _names(self, start: int) -> Iterator[bytes]:
        """Yield whom the heads of parts name: not the same words within a part, which may be anything."""
        for at, found in _behind(_FIELD, self._held, _FIELD_VALUE, start):
            head = self._held.rfind(self._delimiter, 0, at)
            is_name = self._held.endswith(_BEFORE_FIELD, 0, at)
            if is_name and head >= 0 and self._held.find(b"\r\n\r\n", head, at) < 0:
                yield found[1]
                return


def _behind(mark: Any, text: Any, value: re.Pattern[Any], start: int = 0) -> Iterator[tuple[int, re.Match[Any]]]:
    """Yield where a mark stands in a text, and what follows it, in few places: what is looked at costs whoever reads.

    The places count whether anything follows or not: a text may be made of what nearly does.
    """
    for _ in range(_LOOKED_AT):
        at = text.find(mark, start)
        if at < 0:
            return
        if found := value.match(text, at + len(mark)):
            yield at, found
        start = at + 1


def _decoded(name: bytes | bytearray) -> str:
    return bytes(name).decode("latin-1")
