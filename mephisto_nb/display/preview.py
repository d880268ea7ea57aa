"""The page of a task in a notebook: one document, in which all that a worker's page loads is found.

Files of the site are written into the document or kept beside it for `harness.js`, and the page's
Content-Security-Policy is rewritten for where they now stand.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import posixpath
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from importlib.resources import files as package_files
from typing import Any
from urllib.parse import unquote, urlsplit

import pandas as pd
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from omegaconf import DictConfig

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.kernel.launching.launch_input import read_launch_input
from mephisto_nb.model.shared_state import SharedTaskState, for_browsers
from mephisto_nb.pages import MOST_BYTES, UnitPage, make_page
from mephisto_nb.utils.calling import known_options

_CODE = ("script-src", "script-src-elem", "style-src", "style-src-elem")
_DROPPED = ("base-uri", "frame-ancestors", "report-uri", "report-to", "connect-src", "form-action")


def inline_policy(policy: str, nonce: str) -> str:
    """Return what allows the page's own files where they now stand, and nothing else that `policy` forbids.

    ``'self'`` would mean nothing in such a document. Its scripts and styles bear the nonce or are blobs, its pictures
    are blobs. Nothing is fetched, and no form is sent anywhere.

    Examples
    --------
    >>> inline_policy("default-src 'none'; script-src 'self' https://a.org; img-src *", "n")
    "default-src 'none'; script-src 'nonce-n' blob: https://a.org; img-src *; connect-src 'none'; form-action 'none'"
    """
    directives = {words[0]: words[1:] for words in map(str.split, policy.split(";")) if words}
    fallback = directives.get("default-src", [])
    for name in ("script-src", "style-src", "img-src", "media-src", "font-src"):
        if name not in directives and "'self'" in fallback:
            directives[name] = fallback
    kept = {name: _own(name, sources, nonce) for name, sources in directives.items() if name not in _DROPPED}
    kept |= {"connect-src": ["'none'"], "form-action": ["'none'"]}
    return "; ".join(" ".join([name, *sources]) for name, sources in kept.items())


def _own(name: str, sources: list[str], nonce: str) -> list[str]:
    own = ["blob:", "data:"]
    if name in _CODE:  # a nonce would take back what 'unsafe-inline' allows
        own = ["blob:"] if "'unsafe-inline'" in sources else [f"'nonce-{nonce}'", "blob:"]
    return [word for source in sources for word in (own if source == "'self'" else [source])]


def closed_policy(policy: str, sources: Sequence[str], scripts: Iterable[str]) -> str:
    """Return what keeps a page from asking anybody for anything, whatever it runs: it holds beside `inline_policy`.

    A script can read its nonce, and load others by it: here only the scripts that are in the page may run, known by
    what they are, and those that the page makes up itself. No frame within has any of them.

    Parameters
    ----------
    policy
        The one that the page is served with.
    sources
        Addresses of other sites that the page may load from all the same.
    scripts
        The texts of the page's own scripts.
    """
    hosts = "".join(f" {source}" for source in sources)
    words = next((words for words in map(str.split, policy.split(";")) if words[:1] == ["script-src"]), [])
    if "'unsafe-inline'" in words:
        own = ["'unsafe-inline'"]
    else:
        own = [f"'sha256-{base64.b64encode(sha256(one.encode()).digest()).decode()}'" for one in scripts]
    may_eval = ["'unsafe-eval'"] if "'unsafe-eval'" in words else []
    return (
        f"default-src 'none'; script-src {' '.join([*dict.fromkeys(own), *may_eval, 'blob:'])}{hosts}; "
        f"style-src 'unsafe-inline' blob: data:{hosts}; img-src blob: data:{hosts}; media-src blob: data:{hosts}; "
        f"font-src blob: data:{hosts}; worker-src blob:; connect-src 'none'; frame-src 'none'; object-src 'none'; "
        f"form-action 'none'; base-uri {BASE}"
    )


#: What the frame of a page may do; that of an answer, see `answer.js`, may less.
_SANDBOX = "allow-scripts allow-forms allow-modals"


def in_frame(document: str, title: str) -> str:
    """Return a document that shows another one in a frame of its own, which cannot be sent to any address."""
    shown = {"document": Markup(_as_code(document)), "sandbox": Markup(_as_code(_SANDBOX))}
    return _templates.get_template("outer.html").render(title=title, **shown)


#: An address that leads nowhere: what the page asks of it, `harness.js` answers.
BASE = "https://preview.invalid/"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json"}
#: What a style sheet loads.
_ADDRESS = re.compile(r"""url\(\s*+(?:"([^"\n]{1,2000})"|'([^'\n]{1,2000})'|([^"'()\s]{1,2000}+))\s*+\)""")
#: ``import ... from "./x.js"``, ``export ... from "./x.js"`` and ``import("./x.js")``; nothing is read twice for it.
_IMPORT = re.compile(
    r"""(\b(?:im|ex)port\b(?:(?!\b(?:im|ex)port\b)[\s\w$*{},])*+(?:\(\s*+)?)(["'])(\.{1,2}/[^"'\n]{1,2000})\2"""
)


def make_document(
    files: Mapping[str, bytes],
    policy: str,
    told: Mapping[str, Any],
    nonce: str,
    filled: JSONObject | None = None,
    sources: Sequence[str] = (),
) -> str:
    """Return a document that shows the site's ``index.html`` without asking anybody for anything.

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
    sources
        Addresses of other sites that it may load from.
    """
    mine = {**files, "wrap_crowd_source.js": _read("wrap_crowd_source.js").encode()}
    room = _Room(MOST_BYTES)
    texts = {name: _text(name, content, mine, room) for name, content in mine.items()}
    site = {name: [_kind(name), text, content is None] for name, (text, content) in texts.items()}
    page = files["index.html"].decode().removeprefix("\ufeff")
    data = _as_code({"base": BASE, "site": site, "nonce": nonce, "is_filled": filled is not None, **told})
    fill = "" if filled is None else f"{_read('fill.js')}({_as_code(filled)}, {_as_code(nonce)});"
    inliner = _Inliner(page, {name: text for name, (text, content) in texts.items() if content is None}, nonce)
    policies = (inline_policy(policy, nonce), closed_policy(policy, sources, inliner.scripts))
    # The policies come after our own script, which stands before all that is the page's.
    return inliner.put(
        f'<base href="{BASE}"><meta http-equiv="x-dns-prefetch-control" content="off">'
        f'<script nonce="{nonce}">{_read("harness.js")}({data});{fill}document.currentScript.remove();</script>'
        + "".join(f'<meta http-equiv="Content-Security-Policy" content="{escape(one)}">' for one in policies)
    )


def _as_code(value: JSON) -> str:
    """Write a value so that it can stand in a script: no text in it ends the script."""
    return json.dumps(for_browsers(value)).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (
        (package_files("mephisto_nb.display") / "preview_page" / name).read_text(encoding="utf-8").rstrip().rstrip(";")
    )


def _kind(name: str) -> str:
    suffix = posixpath.splitext(name)[1].lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


class _Room:
    """Counts the characters that are written into a document: what is mentioned often may not fill the memory."""

    def __init__(self, most: int) -> None:
        self._left = most

    def has(self, size: int) -> bool:
        """Take so many characters, where they are left."""
        is_left = size <= self._left
        self._left -= size if is_left else 0
        return is_left


def _text(name: str, content: bytes, files: Mapping[str, bytes], room: _Room) -> tuple[str, bytes | None]:
    """Return a file as text; or, with its bytes, as base64."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), content
    if _kind(name) == "text/css":
        return _with_pictures(name, text, files, room), None
    return (_with_whole_imports(name, text) if _kind(name) == "text/javascript" else text), None


def _with_pictures(name: str, sheet: str, files: Mapping[str, bytes], room: _Room) -> str:
    # Nothing can be loaded by a style sheet that has no address.
    def inline(found: re.Match[str]) -> str:
        try:
            parts = urlsplit((found[1] or found[2] or found[3]).strip())
        except ValueError:  # no address
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
        content = None if parts.scheme or parts.netloc else files.get(path.lstrip("/"))
        if content is None or not room.has(len(content) * 4 // 3):
            return found[0]
        return f'url("data:{_kind(path)};base64,{base64.b64encode(content).decode()}")'

    return _ADDRESS.sub(inline, sheet)


def _with_whole_imports(name: str, script: str) -> str:
    # Nothing can be said relative to a script that has no address.
    def whole(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[3]))
        return f"{found[1]}{found[2]}{BASE}{path}{found[2]}"

    return _IMPORT.sub(whole, script)


#: So many comments may be left open, as by texts in scripts.
_MOST_OPEN = 100


def _without_open_end(page: str) -> str:
    """Return a page up to where its tags and comments end: beyond, the parser would look for an end again and again."""
    whole = page[: page.rfind(">") + 1]
    if whole.count("<!--") - whole.count("-->") <= _MOST_OPEN:
        return whole
    return whole[: whole.find("<!--", whole.rfind("-->") + 3)]


class _Inliner(HTMLParser):
    """Writes style sheets and scripts of the site into its page."""

    def __init__(self, page: str, texts: Mapping[str, str], nonce: str) -> None:
        super().__init__(convert_charrefs=False)
        self._page, self._texts, self._nonce = page, texts, nonce
        self._starts = [0, *(match.end() for match in re.finditer("\n", page))]
        self._cuts: list[tuple[int, int, str]] = []
        self._late: list[str] = []
        self._script: tuple[int, dict[str, str | None]] | None = None
        self._end = -1
        self._doctype, self._is_begun = "", False
        self._room = _Room(3 * MOST_BYTES)  # each file once, its pictures with it
        #: What the scripts are, as a browser reads them.
        self.scripts: list[str] = []
        self.feed(_without_open_end(page))
        self.close()

    def put(self, head: str) -> str:
        """Return the page behind `head`: a browser takes what begins a page, if it comes later, for part of the head.

        Nothing of the page says where `head` stands. A browser may read what is before a ``<head>`` otherwise than we.
        """
        end = self._end if self._end >= 0 else len(self._page)
        cuts = sorted([*self._cuts, (end, end, "".join(self._late))])
        pieces, at = [], 0
        for start, stop, text in cuts:
            pieces += [self._page[at:start], text]
            at = stop
        return "".join([self._doctype, head, *pieces, self._page[at:]])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values, start = dict(attrs), self._offset()
        after = start + len(self.get_starttag_text() or "")
        self._is_begun = True
        code = self._text_of(values.get("src")) if tag == "script" else None
        if code is not None and self._room.has(len(code)):
            self._script = start, values
        sheet = self._text_of(values.get("href")) if tag == "link" and values.get("rel") == "stylesheet" else None
        if sheet is not None and self._room.has(len(sheet)):
            self._cuts.append((start, after, f'<style nonce="{self._nonce}">{sheet}</style>'))

    def handle_decl(self, decl: str) -> None:
        if not self._is_begun and decl.lower().startswith("doctype"):
            self._doctype = "<!doctype html>"  # else the page would be laid out as those of old

    def handle_endtag(self, tag: str) -> None:
        if tag == "body":
            self._end = self._offset()
        if tag == "script" and self._script is not None:
            start, values = self._script
            self._script = None
            stop = self._page.index(">", self._offset()) + 1
            code = re.sub(r"<(?=/script|!--)", r"\\x3c", self._text_of(values["src"]) or "", flags=re.IGNORECASE)
            kind = ' type="module"' if values.get("type") == "module" else ""
            self.scripts.append(re.sub("\r\n?", "\n", code).replace("\0", "\ufffd"))
            script = f'<script nonce="{self._nonce}"{kind}>{code}</script>'
            is_late = not kind and ("defer" in values or "async" in values)
            self._late += [script] if is_late else []
            self._cuts.append((start, stop, "" if is_late else script))

    def _text_of(self, address: str | None) -> str | None:
        """Return the text of a file of the site, which its page calls by `address`."""
        try:
            parts = urlsplit(address or "")
        except ValueError:  # no address
            return None
        path = posixpath.normpath(unquote(parts.path).lstrip("/")) if parts.path else ""
        return None if parts.scheme or parts.netloc else self._texts.get(path)

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._starts[line - 1] + column


_HEIGHT = 640
_templates = Environment(loader=PackageLoader("mephisto_nb.display", "preview_page"), autoescape=True)


class Preview:
    """A worker's page, which shows itself on a line of its own in a notebook. It is made by `preview`.

    What is shown holds all that it needs: there is no server, no process is left, and it works with any front end,
    on any computer, and still when the kernel is gone. It runs in a frame that cannot reach the notebook.

    Examples
    --------
    ``mnb.preview(config, shared_state)``, or ``Preview(page, height=900)`` for a higher one
    """

    def __init__(self, page: UnitPage, height: int = _HEIGHT, sources: Sequence[str] = ()) -> None:
        self._page, self._height, self._sources = page, height, sources

    def row(self, answer: JSON) -> pd.DataFrame:
        """Return the row of `results()` that an answer would become: its ``input.NAME`` and ``answer.NAME`` columns.

        Parameters
        ----------
        answer
            What the page sends; it is shown when something is sent in the preview.
        """
        return self._page.row(answer)

    def document(self) -> str:
        """Return the page as one HTML document."""
        told = {
            "task_config": self._page.task_config,
            "init_task_data": self._page.init_data,
            "is_onboarding": self._page.is_onboarding,
            "left_out": list(self._page.left_out),
        }
        return make_document(self._page.files, self._page.policy, told, secrets.token_hex(12), sources=self._sources)

    def __repr__(self) -> str:
        told = "".join(f"; {remark}" for remark in self._page.remarks)
        return f"<Preview of {self._page.title!r}; a notebook shows it{told}>"

    def _repr_html_(self) -> str:
        title = self._page.title or "a task"
        return _templates.get_template("frame.html").render(
            title=title,
            document=in_frame(self.document(), f"Preview of {title}"),
            sandbox=_SANDBOX,
            height=self._height,
            is_live=self._page.runner is not None,
            left_out=self._page.left_out,
            remarks=self._page.remarks,
        )


@known_options
def preview(
    config: DictConfig | Mapping[str, Any] | Iterable[Any],
    shared_state: SharedTaskState | pd.DataFrame | list[Any] | None = None,
    row: int | Mapping[str, Any] | pd.Series[Any] | None = 0,
    *,
    height: int = _HEIGHT,
) -> Preview:
    """Show the page that a worker would see, filled with a row of data. Nothing is launched, written or sent.

    The page loads nothing from other sites, whatever it holds, but from those that ``mephisto.task.preview_sources``
    names.

    What is filled in can be sent, but goes nowhere: the preview then says what would have been sent.

    Parameters
    ----------
    config
        A task's configuration, as for `Operator.launch_task_run`; or what `form_task` or
        `chat_task` made, which has its data.
    shared_state
        The task's data and hooks, as for a launch.
    row
        Which row of the data, counted from 0; or a row itself, as where data comes one by one. None: the introduction
        that newcomers go through first.
    height
        How high it is shown, in pixels.

    Returns
    -------
    Preview
        Which a notebook shows. A copy of it stays in the notebook's output, with the row's data.

    Raises
    ------
    ConfigError
        Whatever a launch would refuse; or there is no such row.

    Examples
    --------
    >>> from mephisto_nb.config.hydra_config import compose
    >>> about = {"task_name": "moods", "task_title": "Moods", "task_description": "", "task_tags": "", "task_reward": 0}
    >>> page = {"task_html": "<p>${text}</p> <label>Mood <input name=mood></label>"}
    >>> config = compose("static_html", task=about, blueprint_args=page)
    >>> shown = preview(config, SharedTaskState(static_task_data=[{"text": "Rain."}]))
    >>> shown.row({"mood": "grim"}).values.tolist()
    [['Rain.', 'grim']]
    """
    settings, state = read_launch_input(config, shared_state)
    page = make_page(settings, state, row)
    return Preview(page, height, resolve_config(settings).task.preview_sources)
