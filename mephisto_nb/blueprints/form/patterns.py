"""Reads JavaScript's regular expressions, which forms are checked with in browsers, as Python's."""

from __future__ import annotations

import re
from functools import lru_cache

#: JavaScript's flags, and Python's for those that change what is found.
FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "g": re.NOFLAG, "u": re.NOFLAG, "d": re.NOFLAG}
#: What JavaScript calls white space, and leaves out at both ends of a text.
BLANKS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
#: What is written differently: an escape, a class that holds nothing or everything, a group's name, an end.
_TOKEN = re.compile(
    r"\\(?:u\{(?P<code>[0-9a-fA-F]{1,6})\}|k<(?P<again>\w+)>|.)|\[\^?\]|\[|\]|\(\?<(?P<name>\w+)>|\$", re.DOTALL
)
_ASCII = {"d": "0-9", "w": "A-Za-z0-9_"}
#: What Python's regular expressions have, and a browser's do not.
_PYTHON_ONLY = re.compile(r"\(\?P|\(\?[aiLmsux#(]|\\[AZ]")
_NOT_IN_PYTHON = re.compile(r"\\[pP]\{[^}]*\}?")
#: A longer text is not searched: an expression may take its time with one that was made to keep it busy.
LONGEST = 10_000


def refuse_pattern(pattern: str, flags: str) -> str:
    """Say why an expression cannot be used, in words that follow the expression; '' where it can."""
    if found := _PYTHON_ONLY.search(pattern):
        return f"of which browsers do not know {found[0]!r}. Write it without."
    if found := _NOT_IN_PYTHON.search(pattern):
        return f"of which Python does not know {found[0]!r}. Write the letters out, as in [A-Za-zÀ-ÿ]."
    try:
        _compiled(pattern, flags)
    except (re.error, ValueError, OverflowError) as error:
        return f"which is no regular expression that Python can read: {error}."
    return ""


def finds(pattern: str, flags: str, text: str) -> bool:
    r"""Tell whether a browser's expression finds something in a text.

    Examples
    --------
    >>> finds(r"^\w+$", "", "straße"), finds("^[a-z]+$", "i", "ABC")
    (False, True)
    """
    return len(text) <= LONGEST and _compiled(pattern, flags).search(text) is not None


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

    return re.compile(_TOKEN.sub(rewrite, pattern), read)


def _inside(text: str) -> str:
    if text.startswith("["):
        return f"\\{text}"
    return _ASCII.get(text[1:], text) if text.startswith("\\") else text


def _outside(token: re.Match[str], *, is_multiline: bool) -> str:
    text = token[0]
    if token["again"] or token["name"]:
        return f"(?P={token['again']})" if token["again"] else f"(?P<{token['name']}>"
    if text == "$":
        return text if is_multiline else r"\Z"
    if text in ("[]", "[^]"):
        return r"(?!)" if text == "[]" else r"[\s\S]"
    if text.startswith("\\") and text[1:].lower() in _ASCII:
        return f"[{'^' if text[1].isupper() else ''}{_ASCII[text[1].lower()]}]"
    return text
