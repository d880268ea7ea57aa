"""Reads JavaScript's regular expressions, which forms are checked with in browsers, as Python's."""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
import threading
from functools import lru_cache
from typing import IO

from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: JavaScript's flags, and Python's for those that change what is found.
FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "g": re.NOFLAG, "u": re.NOFLAG, "d": re.NOFLAG}
#: What JavaScript calls white space, and leaves out at both ends of a text.
BLANKS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
#: What is written differently: an escape, a class that holds nothing or everything, a group's name, an end, and in a
#: class a dash before an escape, which is a dash.
_TOKEN = re.compile(
    r"\\(?:u\{(?P<code>[0-9a-fA-F]{1,6})\}|k<(?P<again>\w+)>|.)|\[\^?\]|\[|\]|\(\?<(?P<name>\w+)>|\$|-(?=\\[dDwWsS])",
    re.DOTALL,
)
#: JavaScript's classes, as what stands in brackets; none ends so that a dash behind it would make a range.
_CLASSES = {
    "d": "0-9",
    "D": r"\x00-/:-\U0010ffff",
    "w": "A-Z_a-z0-9",
    "W": r"\x00-/:-@\[-^`{-\U0010ffff",
    "s": r"\t-\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\u2000-\u200a",
    "S": r"\x00-\x08\x0e-\x1f!-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff"
    r"\u3001-\ufefe\uff00-\U0010ffff",
}
_LETTER = f"[{_CLASSES['w']}]"
_BOUNDARY = f"(?:(?<={_LETTER})(?!{_LETTER})|(?<!{_LETTER})(?={_LETTER}))"
_OTHERS = {"b": _BOUNDARY, "B": f"(?!{_BOUNDARY})"}
#: What Python's regular expressions have, and a browser's do not.
_PYTHON_ONLY = re.compile(r"\(\?P|\(\?[aiLmsux#(>-]|\\[AZ]|\{,\d+\}")
_POSSESSIVE = re.compile(r"[*+?}]\+")
_ESCAPES_AND_CLASSES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_NOT_IN_PYTHON = re.compile(r"\\[pP]\{[^}]*\}?")
#: A longer text is not searched: an expression may take its time with one that was made to keep it busy.
LONGEST = 10_000
#: How long one search may take (seconds), until nothing is taken to be found. No browser would have ended either.
PATIENCE = 1.0
#: Texts up to this length are searched here, by whatever expression.
_SHORT = 12
#: What may repeat, or be read in two ways; one alone cannot take long.
_CHOICES = re.compile(r"[*+?{|]")
_NO_CHOICES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?", re.DOTALL)
_SERVE = """
import json, re, sys
print(flush=True)
for line in sys.stdin:
    pattern, flags, text = json.loads(line)
    print(int(re.search(pattern, text, flags) is not None), flush=True)
"""


def refuse_pattern(pattern: str, flags: str) -> str:
    """Say why an expression cannot be used, in words that follow the expression; '' where it can."""
    if found := _PYTHON_ONLY.search(pattern):
        return f"of which browsers do not know {found[0]!r}. Write it without."
    if found := _POSSESSIVE.search(_ESCAPES_AND_CLASSES.sub("x", pattern)):
        return f"of which browsers do not know {found[0]!r}. Write it without."
    if found := _NOT_IN_PYTHON.search(pattern):
        return f"of which Python does not know {found[0]!r}. Write the letters out, as in [A-Za-zÀ-ÿ]."
    try:
        _compiled(pattern, flags)
    except (re.error, ValueError, OverflowError) as error:
        return f"which is no regular expression that Python can read: {error}."
    return ""


def finds(pattern: str, flags: str, text: str) -> bool:
    r"""Return whether a browser's expression finds something in a text.

    Examples
    --------
    >>> finds(r"^\w+$", "", "straße"), finds("^[a-z]+$", "i", "ABC")
    (False, True)
    """
    return len(text) <= LONGEST and _search(_compiled(pattern, flags), text if "u" in flags else _units(text))


@lru_cache(maxsize=512)
def _compiled(pattern: str, flags: str) -> re.Pattern[str]:
    read = re.NOFLAG
    for flag in flags:
        read |= FLAGS[flag]
    in_class = False

    def rewrite(token: re.Match[str]) -> str:
        nonlocal in_class
        if token["code"]:
            return re.escape(chr(int(token["code"], 16)))
        if in_class:
            in_class = token[0].startswith("\\") or not token[0].endswith("]")
            return _inside(token[0])
        in_class = token[0] == "["
        return _outside(token, is_multiline="m" in flags)

    rewritten = _TOKEN.sub(rewrite, pattern)
    return re.compile(rewritten if "u" in flags else _units(rewritten), read)


def _units(text: str) -> str:
    """Return a text as JavaScript sees it without the flag ``u``: rare characters, such as emoji, count as two."""
    if all(char <= "\uffff" for char in text):
        return text
    units = memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    return "".join(map(chr, units))


def _inside(text: str) -> str:
    if text.startswith("[") or text == "-":
        return f"\\{text}"
    return _CLASSES.get(text[1:], text) if text.startswith("\\") else text


def _outside(token: re.Match[str], *, is_multiline: bool) -> str:
    text = token[0]
    if token["again"] or token["name"]:
        return f"(?P={token['again']})" if token["again"] else f"(?P<{token['name']}>"
    if text == "$":
        return text if is_multiline else r"\Z"
    if text in ("[]", "[^]"):
        return r"(?!)" if text == "[]" else r"[\s\S]"
    if text.startswith("\\"):
        return f"[{_CLASSES[text[1:]]}]" if text[1:] in _CLASSES else _OTHERS.get(text[1:], text)
    return text


def _search(compiled: re.Pattern[str], text: str) -> bool:
    """Return whether an expression finds something in a text; False where it does not come to an end.

    Python's own search holds the whole kernel until it is done, and a short text can keep some expressions busy for
    years; so one that may take long is made in a process that can be stopped.
    """
    if len(text) <= _SHORT or len(_CHOICES.findall(_NO_CHOICES.sub("", compiled.pattern))) <= 1:
        return compiled.search(text) is not None
    return _search_apart(compiled.pattern, compiled.flags & ~re.UNICODE, text)


@lru_cache(maxsize=10_000)
def _search_apart(pattern: str, flags: int, text: str) -> bool:
    return _SEARCHER.search(pattern, flags, text)


class _Searcher:
    """A process that searches, started when it is needed first, and again after one that had to be stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        atexit.register(self.stop)

    def search(self, pattern: str, flags: int, text: str) -> bool:
        """Search, for a while."""
        with self._lock:
            trouble: Exception | None = None
            for _ in range(2):  # it may have died since
                try:
                    return self._ask(json.dumps([pattern, flags, text]))
                except (OSError, ValueError) as error:
                    self.stop()
                    trouble = error
        logger.error("no process could search, so %r counts as not found in an answer: %r", pattern, trouble)
        return False

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _ask(self, question: str) -> bool:
        process = self._process = self._process or _started()
        said, told = _pipes_of(process)
        said.write(f"{question}\n")
        said.flush()
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(PATIENCE, stop)
        timer.start()
        line = told.readline()
        timer.cancel()
        if is_late.is_set():
            self.stop()
            return False
        return bool(int(line))


def _started() -> subprocess.Popen[str]:
    """Start a process and wait until it is there: a busy machine's time is not the search's."""
    command, pipe = [sys.executable, "-I", "-c", _SERVE], subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    _pipes_of(process)[1].readline()
    return process


def _pipes_of(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no pipes")
    return process.stdin, process.stdout


_SEARCHER = _Searcher()
