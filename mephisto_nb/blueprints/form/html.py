"""Which HTML the texts of a form may hold: what is on a list, written anew. Whatever else is there is refused by name.

The list has nothing that runs, loads a page, asks a question of its own, or reaches out of the place it stands in.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from html.parser import HTMLParser
from importlib.resources import files as package_files

from mephisto_nb.blueprints.static_html.template import as_browsers_read
from mephisto_nb.errors import ConfigError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words(
    "a abbr article aside audio b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn div dl"
    " dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p picture pre q"
    " rp rt ruby s samp section small source span strike strong style sub summary sup table tbody td tfoot th thead"
    " time tr track tt u ul var video wbr"
)
_VOID = _words("br col hr img source track wbr")
_ATTRIBUTES = _words(
    "align alt bgcolor border cellpadding cellspacing cite class color colspan controls datetime default dir download"
    " face headers height href hreflang id kind label lang loading loop muted open poster preload rel reversed role"
    " rowspan scope size sizes span src srclang srcset start style target title type valign value width"
)
#: By what marks it whoever presses an element leaves the task: see the page's visit.js.
_LEAVES = "data-leave"
_ADDRESSES = frozenset({"cite", "href", "poster", "src"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_ALLOWED_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_INSTEAD = {
    "script": "Scripts are not run here: name functions in validators and triggers, or launch a static_html task.",
    "iframe": "Link to that page instead: <a href=... target=_blank>.",
    **dict.fromkeys(
        ("input", "select", "textarea", "button", "form", "label", "option"),
        "Make it a field of the form, so that its answer is asked for, checked and kept.",
    ),
}


def clean_html(html: str, where: str) -> str:
    """Return the HTML with every tag closed and every value quoted; error messages call it `where`.

    Raises
    ------
    ConfigError
        Naming the tag, attribute or address that is not on the list.

    Examples
    --------
    >>> clean_html("<p class=big>1 < 2 & <b>so on", "help")
    '<p class="big">1 &lt; 2 &amp; <b>so on</b></p>'
    """
    if "<" not in html and "&" not in html:
        return html
    cleaner = _Cleaner(where)
    cleaner.feed(html)
    cleaner.close()
    return cleaner.finish()


def only_text(html: str) -> str:
    """Return the words of a piece of HTML, for where a screen reader needs a name.

    Examples
    --------
    >>> only_text("<b>Fish</b> &amp; chips")
    'Fish & chips'
    """
    if "<" not in html and "&" not in html:
        return html
    parser = _TextOnly()
    parser.feed(html)
    parser.close()
    return " ".join(parser.text.split())


def is_taken(element_id: str) -> bool:
    """Return whether the worker's page uses this id itself."""
    return element_id.startswith("form-") or element_id in _ids_of_page()


@cache
def _ids_of_page() -> frozenset[str]:
    page = package_files("mephisto_nb.blueprints.static_html") / "page" / "index.html"
    return frozenset(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))


class _TextOnly(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


class _Cleaner(HTMLParser):
    """Writes down, in clean HTML, what it is fed."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where
        self._pieces: list[str] = []
        self._open: list[str] = []

    def finish(self) -> str:
        self._pieces += [f"</{tag}>" for tag in reversed(self._open)]
        return "".join(self._pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # A button that leaves asks for no answer.
        is_to_leave = tag == "button" and _LEAVES in dict(attrs)
        if tag not in _TAGS and not is_to_leave:
            self._refuse(f"<{tag}>", _INSTEAD.get(tag, f"There are: {', '.join(sorted(_TAGS))}."))
        written = "".join(self._attribute(tag, name, value) for name, value in attrs)
        self._pieces.append(f"<{tag}{written}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # to a browser, the slash means nothing

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while (last := self._open.pop()) != tag:
                self._pieces.append(f"</{last}>")
            self._pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        is_style = bool(self._open) and self._open[-1] == "style"
        self._pieces.append(data.replace("<", "") if is_style else escape(data, quote=False))

    def _attribute(self, tag: str, name: str, value: str | None) -> str:
        if name not in _ATTRIBUTES and name != _LEAVES and not name.startswith("aria-"):
            self._refuse(f"<{tag} {name}=...>", "Leave the attribute out.")
        if name == "id" and is_taken(value or ""):
            self._refuse(f"id={value!r}", "The page uses it itself. Give it another one.")
        address = as_browsers_read(value or "")
        scheme = _SCHEME.match(address)
        is_picture = tag in ("img", "source", "audio", "video") and address.startswith("data:")
        if name in _ADDRESSES and scheme and scheme[1].lower() not in _ALLOWED_SCHEMES and not is_picture:
            self._refuse(f"{name}={value!r}", f"An address begins with {', '.join(sorted(_ALLOWED_SCHEMES))}, or none.")
        return f' {name}="{escape(value)}"' if value is not None else f" {name}"

    def _refuse(self, what: str, instead: str) -> None:
        raise ConfigError(f"{self._where}, line {self.getpos()[0]}: {what} cannot stand in a form. {instead}")


def is_shown_as_text(before: str) -> bool:
    """Return whether what stands behind this HTML is shown as text of a page: in no tag, and no box of its own."""
    is_boxed = any(before.rfind(f"<{tag}") > before.rfind(f"</{tag}") for tag in ("textarea", "option", "pre"))
    return before.rfind("<") <= before.rfind(">") and not is_boxed
