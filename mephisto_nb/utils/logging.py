"""Logging that is quiet unless asked, and that a worker's text cannot play tricks with.

Loggers hang below ``mephisto_nb``. Importing installs no handler and touches no other logger: until
`set_mephisto_log_level` is called, warnings and errors alone are shown, and whoever configures logging gets our
records like any other's.

Tells listeners of what has happened; one that fails is logged, and harms nobody.
"""

from __future__ import annotations

import logging
import re
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakMethod

from mephisto_nb.errors import HARMFUL as HARMFUL
from mephisto_nb.errors import ConfigError

ROOT = "mephisto_nb"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def neutralise(text: str, *, keep: str = "") -> str:
    r"""Write control characters as escapes, so that text can neither steer a terminal nor forge a line of a log.

    Parameters
    ----------
    keep
        Characters that may stay.

    Examples
    --------
    >>> neutralise("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return HARMFUL.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), text)


#: What makes a spreadsheet read a cell as a formula: these, or the wide forms of the first four, behind whatever is not
#: seen at the beginning of a cell, quotation marks among it.
_FORMULA = re.compile(
    "[\\s\x00-\x1f\"'\xad\u180e\u200b-\u200f\u2060\ufeff]*[-=+@\uff1d\uff0b\uff0d\uff20]|'*[\\t\\r\\n]"
)


def guard_formula(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs: an apostrophe stands before what would be a formula.

    One stands, too, before a text that is a guarded one by itself, so that `unguard_formula` gives back any text.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_formula(cell: str) -> str:
    """Return the text of a cell that `guard_formula` made.

    Examples
    --------
    >>> guard_formula("=1+1"), unguard_formula(guard_formula("=1+1")), unguard_formula("'tis so")
    ("'=1+1", '=1+1', "'tis so")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module, its records made harmless whichever handler they reach.

    Parameters
    ----------
    name
        The module's ``__name__``; another name is put below ``mephisto_nb``.
    """
    below_root = name == ROOT or name.startswith(f"{ROOT}.")
    logger = logging.getLogger(name if below_root else f"{ROOT}.{name}")
    logger.addFilter(_neutralise_record)  # adding the same filter again does nothing
    return logger


def set_mephisto_log_level(level: str | int) -> None:
    """Show what the package logs from `level` upwards, on stderr unless logging has been configured otherwise.

    Parameters
    ----------
    level
        "debug", "info", "warning", "error", "critical", or a number of the standard library.

    Raises
    ------
    ConfigError
        There is no such level.

    Examples
    --------
    >>> set_mephisto_log_level("warning")
    """
    root = logging.getLogger(ROOT)
    root.setLevel(level_number(level))
    if not any(isinstance(handler, _NotebookHandler) for handler in root.handlers):
        root.addHandler(_NotebookHandler())


def level_number(level: str | int) -> int:
    """Return the standard library's number of a level.

    Raises
    ------
    ConfigError
        There is no such level.
    """
    number = level if isinstance(level, int) else LEVELS.get(str(level).lower())
    if number is None or isinstance(level, bool):
        raise ConfigError(f"There is no log level {level!r}. There are: {', '.join(LEVELS)}.")
    return number


def warn_once(logger: logging.Logger, message: str) -> None:
    """Log a warning, unless this logger has given the same one in this process before."""
    with _warned_lock:
        new = (logger.name, message) not in _warned
        _warned.add((logger.name, message))
    if new:
        logger.warning("%s", message)


_warned: set[tuple[str, str]] = set()
_warned_lock = threading.Lock()


def tell(listeners: Iterable[Callable[..., object]], *told: object) -> None:
    """Call each listener with what is told. What one raises is logged, and keeps neither others nor the caller."""
    for listener in list(listeners):  # a listener may remove itself
        try:
            listener(*told)
        except Exception:
            name = getattr(listener, "__qualname__", type(listener).__qualname__)
            _logger.exception("%s failed on what it was told", name)


def listen_weakly(listeners: list[Any], method: WeakMethod[Callable[..., None]]) -> Callable[[], None]:
    """Have `tell` call a method for as long as its owner lives; return what ends it."""

    def hear(*told: Any) -> None:
        if (mine := method()) is not None:
            mine(*told)
        else:
            forget()

    def forget() -> None:
        if hear in listeners:
            listeners.remove(hear)

    listeners.append(hear)
    return forget


class _NotebookHandler(logging.Handler):
    """Writes to whatever stderr is now, for a kernel swaps it; silent where the root logger has handlers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT, datefmt="%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        if logging.getLogger().handlers:
            return
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)


def _neutralise_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = neutralise(record.getMessage()), None
    if record.exc_info:
        text = neutralise(logging.Formatter().formatException(record.exc_info), keep="\n\t")
        # Indented, so that no line of what was raised can pass for a line of the log.
        record.exc_text = textwrap.indent(text, "  ", lambda line: True)
    return True


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


_logger = get_logger(__name__)
