"""Templates of addresses: filled with values that are encoded, and refused where a value could lead elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import quote, urlsplit

from mephisto_nb.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: What no address holds, and some browsers pass over or read as something else.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\uffff\\{}<>\"^`|]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?", re.ASCII)
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
SIGNATURE = "signature"


def names_in(template: str) -> list[str]:
    """Return the placeholders of a template, in their order.

    Examples
    --------
    >>> names_in("https://a.org/?p={participant}&c={code}")
    ['participant', 'code']
    """
    return _PLACEHOLDER.findall(template)


def fill(template: str, values: Mapping[str, str], *, encode: bool = True) -> str:
    """Return a template with its values, each encoded so that it stays the one value that it is.

    Raises
    ------
    KeyError
        A value is missing.

    Examples
    --------
    >>> fill("https://a.org/#/f?p={p}", {"p": "x&y/../z"})
    'https://a.org/#/f?p=x%26y%2F..%2Fz'
    """
    return _PLACEHOLDER.sub(lambda found: encoded(values[found[1]]) if encode else values[found[1]], template)


def fill_in(template: str, values: Mapping[str, str]) -> str:
    """Return a template with those values that there are, each encoded; the other placeholders stay.

    Examples
    --------
    >>> fill_in("https://a.org/?p={participant}&o={outcome}", {"outcome": "quota_full"})
    'https://a.org/?p={participant}&o=quota_full'
    """
    return _PLACEHOLDER.sub(lambda found: encoded(values[found[1]]) if found[1] in values else found[0], template)


def encoded(value: str) -> str:
    """Return a value as it stands in an address, of which it may be any part.

    Dots alone are left out: browsers read them as "one folder up", and encoded ones too.
    """
    return "" if not value.strip(".") else quote(value.encode("utf-8", "replace"), safe="")


def check_address(template: str, where: str, known: Collection[str], known_values: Mapping[str, str]) -> None:
    """Refuse a template that is no safe address, or holds a placeholder that nothing fills.

    Parameters
    ----------
    where
        The setting, as the message names it.
    known
        All placeholders that there are.
    known_values
        Those that are the same for everybody: these alone may be part of the host.

    Raises
    ------
    ConfigError
        Saying what is wrong with it.
    """
    check_names(template, where, known)
    kept = _PLACEHOLDER.sub(lambda found: known_values.get(found[1], found[0]), authority_of(template))
    if _PLACEHOLDER.search(kept):
        raise ConfigError(
            f"{where} has {_PLACEHOLDER.search(kept)[0]!r} in its host: people could be led anywhere. "  # type: ignore[index]
            "Write the host out."
        )
    filled = fill(template, dict.fromkeys(known, "x") | dict(known_values))
    if _UNFIT.search(filled):
        raise ConfigError(
            f"{where} holds {_UNFIT.search(filled)[0]!r}, which is no part of an address. "  # type: ignore[index]
            "Write it encoded, as %20 for a space."
        )
    try:
        parts = urlsplit(filled)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"{where} is no address: {error}. Write one that begins with https://.") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")):
        raise ConfigError(f"{where} begins with {parts.scheme or 'nothing'!r}; it has to begin with https://.")
    if not (_HOST.fullmatch(parts.netloc) or parts.netloc.startswith(_LOCAL)):
        raise ConfigError(f"{where} has the host {parts.netloc!r}, which is none. Write it as example.org.")


def check_names(template: str, where: str, known: Collection[str]) -> None:
    """Refuse a template with a placeholder that nothing fills, or with a brace that belongs to none.

    Raises
    ------
    ConfigError
        Naming it, and those that there are.
    """
    for name in names_in(template):
        if name not in known:
            raise ConfigError(f"{where} holds {{{name}}}, which nothing fills. There are: {_listed(known)}.")
    if stray := re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise ConfigError(f"{where} holds a {stray[0]!r} that belongs to no placeholder. Write it encoded, as %7B.")


def authority_of(template: str) -> str:
    """Return scheme and host of a template, as far as the first slash, question mark or hash behind them."""
    found = re.match(r"[^/?#\\]*(//[^/?#\\]*)?", template)
    return found[0] if found else ""


def before_signature(template: str) -> str:
    """Return what of a template a signature at its end covers: all before the parameter that holds it.

    Examples
    --------
    >>> before_signature("https://a.org/c?rid={participant}&hash={signature}")
    'https://a.org/c?rid={participant}'
    """
    return re.sub(r"[?&][^?&{}]*=?\{signature\}$", "", template)


def _listed(known: Collection[str]) -> str:
    def each() -> Iterator[str]:
        yield from (f"{{{name}}}" for name in sorted(known))

    return ", ".join(each())
