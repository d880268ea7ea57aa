"""The shape of a JSON text, seen without reading it: how deep it nests, and how many values and names it holds.

Reading JSON costs up to a hundred times as much as looking over it, in time and in memory. So what may come from
anybody is looked over first. What stands in strings does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

#: So much is looked at in one go.
_SLICE = 256 * 1024
_TELLING = 2048
_STRUCTURE, _BRACKETS, _SPACE = b"[]{},:", b"[]{}", b" \t\r\n"
_NO_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))
#: How each bracket changes the depth, as a signed byte.
_STEPS = bytes.maketrans(_BRACKETS, bytes([1, 255, 1, 255]))
_APART = bytes.maketrans(_STRUCTURE, b" " * len(_STRUCTURE))


class Intricate(ValueError):
    """JSON text that would take far more time or memory once it is read, or hold what nobody can use."""


class Unreadable(ValueError):
    """JSON text that no reader takes: it nests too deeply, or holds too long a number."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How intricate a JSON text may be.

    Attributes
    ----------
    depth
        How deep objects and lists may nest.
    containers
        Objects and lists.
    values
        Values of every kind, and names.
    names
        Names in objects.
    name_length
        Bytes of one name.
    number_length
        Characters of one number, or of another word outside of strings.
    """

    depth: float = float("inf")
    containers: float = float("inf")
    values: float = float("inf")
    names: float = float("inf")
    name_length: float = float("inf")
    number_length: float = 4000


class Shape:
    """What is known of the shape of a text, while it comes in; pure bookkeeping.

    Parameters
    ----------
    bounds
        What it may be.

    Attributes
    ----------
    plain
        How many bytes of numbers and other words there are: they take longest to read and to write.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._depth = self._containers = self._values = self._names = 0
        self.plain = 0
        #: Within a string: its length so far; and what is left of the last piece.
        self._string: int | None = None
        self._is_long = False
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Look over the next piece of a text.

        Raises
        ------
        Intricate
            There is more of something than there may be.
        Unreadable
            It nests too deeply, or holds too long a number.
        """
        for start in range(0, len(piece), _SLICE):
            self._look(piece[start : start + _SLICE])

    def _look(self, piece: bytes) -> None:
        piece = self._rest + piece
        self._rest = b""
        if b"\\" in piece:
            tail = len(piece) - len(piece.rstrip(b"\\"))
            if tail % 2:
                piece, self._rest = piece[:-1], b"\\"
            # What is escaped is of no meaning here. Each pair is taken out from the left, as it would be read.
            piece = piece.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        parts = piece.split(b'"')
        inside = int(self._string is not None)
        outside = parts[inside::2]
        self._count(b'"'.join(outside))
        self._measure(parts, inside)

    def _count(self, outside: bytes) -> None:
        bounds, structure = self._bounds, outside.translate(None, _NO_STRUCTURE)
        self._names += structure.count(b":")
        opened = structure.count(b"[") + structure.count(b"{")
        self._containers += opened
        self._values += structure.count(b",") + structure.count(b":") + opened
        is_too_much = self._containers > bounds.containers or self._values > bounds.values or self._names > bounds.names
        # Of what is too much in any case only the beginning is looked at, to say what is wrong with it.
        self._descend((structure[:_TELLING] if is_too_much else structure).translate(_STEPS, b",:"))
        if is_too_much:
            raise Intricate("the JSON text holds too many values")
        plain = len(outside) - len(structure)
        self.plain += plain
        if plain > bounds.number_length:
            words = outside.translate(_APART).replace(b'"', b" ").split()
            if max(map(len, words), default=0) > bounds.number_length:
                raise Unreadable("the JSON text holds too long a number")

    def _descend(self, steps: bytes) -> None:
        if steps:
            depths = list(accumulate(memoryview(steps).cast("b"), initial=self._depth))
            if max(depths) > self._bounds.depth:
                raise Unreadable("the JSON text nests too deeply")
            self._depth = depths[-1]

    def _measure(self, parts: list[bytes], inside: int) -> None:
        """Follow the lengths of strings, as far as they may be names."""
        limit = self._bounds.name_length
        if self._is_long and not inside and parts[0].lstrip(_SPACE):
            self._end_of_long(parts[0])
        longest = max(map(len, parts[1 - inside :: 2]), default=0) + (self._string or 0)
        if longest > limit:
            for after in _long_strings(parts, inside, self._string or 0, limit):
                self._end_of_long(after)
        is_open = (len(parts) + inside) % 2 == 0
        if not is_open:
            self._string = None
        elif len(parts) == 1 and inside:
            self._string = (self._string or 0) + len(parts[0])
        else:
            self._string = len(parts[-1])

    def _end_of_long(self, after: bytes) -> None:
        rest = after.lstrip(_SPACE)
        self._is_long = not rest
        if rest.startswith(b":"):
            raise Intricate("the JSON text holds too long a name")


def _long_strings(parts: list[bytes], inside: int, begun: int, limit: float) -> Iterator[bytes]:
    """Yield what follows each string that is longer than a name may be, as far as it has come to its end."""
    for index in range(1 - inside, len(parts) - 1, 2):
        if len(parts[index]) + (begun if index == 0 else 0) > limit:
            yield parts[index + 1]
