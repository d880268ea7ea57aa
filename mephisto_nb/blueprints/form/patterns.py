"""Reads JavaScript's regular expressions, which forms are checked with in browsers, as Python's."""

from __future__ import annotations

import re
from functools import lru_cache

from mephisto_nb.blueprints.form.searching import search

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
    r"""Tell whether a browser's expression finds something in a text.

    Examples
    --------
    >>> finds(r"^\w+$", "", "straße"), finds("^[a-z]+$", "i", "ABC")
    (False, True)
    """
    return len(text) <= LONGEST and search(_compiled(pattern, flags), text if "u" in flags else _units(text))


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
    """Give a text as JavaScript sees it without the flag ``u``: rare characters, such as emoji, count as two."""
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
