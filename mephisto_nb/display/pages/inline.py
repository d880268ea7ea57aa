"""Makes one document of a site: what its page loads is written into it, or kept beside it for `harness.js`."""

from __future__ import annotations

import base64
import json
import mimetypes
import posixpath
import re
from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser
from importlib.resources import files as package_files
from typing import Any
from urllib.parse import unquote, urlsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.preview import inline_policy

#: An address that leads nowhere: what the page asks of it, `harness.js` answers.
BASE = "https://preview.invalid/"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json"}
#: ``import ... from "./x.js"``, ``export ... from "./x.js"`` and ``import("./x.js")``.
_IMPORT = re.compile(r"""(\b(?:im|ex)port\b[\s\w$*{},]*?(?:\bfrom\s*|\(\s*|\s*))(["'])(\.{1,2}/[^"'\n]+)\2""")


def make_document(
    files: Mapping[str, bytes], policy: str, told: Mapping[str, Any], nonce: str, filled: JSONObject | None = None
) -> str:
    """Give a document that shows the site's ``index.html`` without asking anybody for anything.

    Parameters
    ----------
    files
        What the site holds, by path.
    policy
        The Content-Security-Policy that it is served with.
    told
        What a router would tell the page: ``task_config`` and ``init_task_data``.
    nonce
        What marks the scripts and styles that are the site's own.
    filled
        What stands in the fields of the page, by their names; nothing in it can be changed or sent then.
    """
    mine = {**files, "wrap_crowd_source.js": _read("wrap_crowd_source.js").encode()}
    texts = {name: _text(name, content) for name, content in mine.items()}
    site = {name: [_kind(name), text, content is None] for name, (text, content) in texts.items()}
    page = files["index.html"].decode()
    data = _as_code({"base": BASE, "site": site, "nonce": nonce, "is_filled": filled is not None, **told})
    fill = "" if filled is None else f"{_read('fill.js')}({_as_code(filled)}, {_as_code(nonce)});"
    head = (
        f'<base href="{BASE}"><meta http-equiv="Content-Security-Policy" '
        f'content="{escape(inline_policy(policy, nonce))}">'
        f'<script nonce="{nonce}">{_read("harness.js")}({data});{fill}document.currentScript.remove();</script>'
    )
    return _Inliner(page, {name: text for name, (text, content) in texts.items() if content is None}, nonce).put(head)


def _as_code(value: JSON) -> str:
    """Write a value so that it can stand in a script: no text in it ends the script."""
    return json.dumps(value).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (package_files("mephisto_nb.display.pages") / name).read_text(encoding="utf-8").rstrip().rstrip(";")


def _kind(name: str) -> str:
    suffix = posixpath.splitext(name)[1].lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _text(name: str, content: bytes) -> tuple[str, bytes | None]:
    """Give a file as text; or, with its bytes, as base64."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), content
    return (_with_whole_imports(name, text) if _kind(name) == "text/javascript" else text), None


def _with_whole_imports(name: str, script: str) -> str:
    # Nothing can be said relative to a script that has no address.
    def whole(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[3]))
        return f"{found[1]}{found[2]}{BASE}{path}{found[2]}"

    return _IMPORT.sub(whole, script)


class _Inliner(HTMLParser):
    """Writes style sheets and scripts of the site into its page."""

    def __init__(self, page: str, texts: Mapping[str, str], nonce: str) -> None:
        super().__init__(convert_charrefs=False)
        self._page, self._texts, self._nonce = page, texts, nonce
        self._starts = [0, *(match.end() for match in re.finditer("\n", page))]
        self._cuts: list[tuple[int, int, str]] = []
        self._late: list[str] = []
        self._script: tuple[int, dict[str, str | None]] | None = None
        self._head = self._end = -1
        self.feed(page)
        self.close()

    def put(self, head: str) -> str:
        """Give the page with `head` before all that it has in its own."""
        end = self._end if self._end >= 0 else len(self._page)
        cuts = sorted([*self._cuts, (max(self._head, 0), max(self._head, 0), head), (end, end, "".join(self._late))])
        pieces, at = [], 0
        for start, stop, text in cuts:
            pieces += [self._page[at:start], text]
            at = stop
        return "".join([*pieces, self._page[at:]])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values, start = dict(attrs), self._offset()
        after = start + len(self.get_starttag_text() or "")
        if tag == "head" or (tag == "html" and self._head < 0):
            self._head = after
        if tag == "script" and self._text_of(values.get("src")) is not None:
            self._script = start, values
        sheet = self._text_of(values.get("href")) if values.get("rel") == "stylesheet" else None
        if tag == "link" and sheet is not None:
            self._cuts.append((start, after, f'<style nonce="{self._nonce}">{sheet}</style>'))

    def handle_decl(self, decl: str) -> None:
        self._head = max(self._head, self._offset() + len(decl) + 3)

    def handle_endtag(self, tag: str) -> None:
        if tag == "body":
            self._end = self._offset()
        if tag == "script" and self._script is not None:
            start, values = self._script
            self._script = None
            stop = self._page.index(">", self._offset()) + 1
            code = re.sub(r"<(?=/script|!--)", r"\\x3c", self._text_of(values["src"]) or "", flags=re.IGNORECASE)
            kind = ' type="module"' if values.get("type") == "module" else ""
            script = f'<script nonce="{self._nonce}"{kind}>{code}</script>'
            is_late = not kind and ("defer" in values or "async" in values)
            self._late += [script] if is_late else []
            self._cuts.append((start, stop, "" if is_late else script))

    def _text_of(self, address: str | None) -> str | None:
        """Give the text of a file of the site, which its page calls by `address`."""
        parts = urlsplit(address or "")
        path = posixpath.normpath(unquote(parts.path).lstrip("/")) if parts.path else ""
        return None if parts.scheme or parts.netloc else self._texts.get(path)

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._starts[line - 1] + column
