"""Every error that leaves the package, split by who has to act.

::

    MephistoError
    ├── UsageError (the caller's mistake; raised before anything is spent or written)
    │   ├── ConfigError (also a ValueError)
    │   │   ├── UnknownKeyError      a key that no part of the configuration knows
    │   │   ├── MissingValueError    a field without a value
    │   │   ├── MissingExtraError    an optional package that is not installed
    │   │   └── DataFileError        data that cannot be read, or does not fit the template
    │   ├── BudgetExceededError      a budget has not enough left for what is wanted
    │   ├── ConfirmationNeededError  a sum is above the one from which on somebody has to confirm it
    │   ├── UnknownTypeError         a blueprint, architect or provider that is not registered
    │   ├── NotFoundError            a run, unit, worker ... that does not exist
    │   ├── ClosedError              a call on something that was shut down
    │   ├── TransitionError          a change of state that the state machine forbids
    │   ├── LoopError                a synchronous call where only `await` can work, or the reverse
    │   ├── NotAwaitedError          something was asked of a coroutine that was not awaited (also an AttributeError)
    │   ├── UnknownOptionError       a call with an option that there is not (also a TypeError)
    │   ├── UnknownNameError         a run or an operator has nothing of this name (also an AttributeError)
    │   └── ReplayError              a live task's code does not do again what it had done before a restart
    └── WorldError (the world's failure; the call may succeed when it is mended)
        ├── DatabaseError
        │   ├── ConflictError        somebody else changed the row first
        │   └── SchemaVersionError   the database was written by a newer version
        ├── LaunchError              a run could not be started; nothing of it is left running
        │   └── PortInUseError
        ├── RouterError              the router does not answer, or is not ours
        │   ├── LinkRefusedError     the router refused the operator, or proved to be a stranger
        │   ├── RouterGoneError      the router's process has ended, and cannot be started again
        │   └── RouterStoreError     the router is there, and can store nothing
        ├── CrowdError               a crowd refuses, or cannot be reached
        │   ├── CrowdRefusedError    it refused for sure: nothing was done
        │   ├── OutcomeUnknown       whether it did what was asked for cannot be known
        │   └── SignatureError       what claims to come from a crowd is not signed by it, or is too old
        ├── RunBusyError             another kernel drives this run
        ├── RunFailedError           a run stopped working; the cause is chained
        └── PartnerLeftError         somebody who is spoken to, or waited for, has left
"""

from __future__ import annotations

import linecache
import os
import re
import site
import sys
import sysconfig
import traceback

_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"
#: C0 and C1 controls, line separators, lone surrogates, and marks that turn text around: "photo\\u202egnp.exe" is no
#: picture.
HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
#: Where code is that is not the reader's own.
_FOREIGN = (*_LIBRARIES, *site.getsitepackages(), os.path.dirname(__file__), "<frozen")


class MephistoError(Exception):
    """The root of every error that this package raises on purpose.

    A notebook shows the message first, then the line of the reader's own code; the frames of this package are folded.
    """

    def _render_traceback_(self) -> list[str]:
        """Called by IPython when nobody catches the error."""
        return folded(self, str(self))


class UsageError(MephistoError):
    """The call was wrong; nothing was started, spent or written."""


class ConfigError(UsageError, ValueError):
    """A configuration, or the data it names, cannot be used."""


class UnknownKeyError(ConfigError):
    """A configuration holds a key that nothing knows; the message names the nearest right one."""


class MissingValueError(ConfigError):
    """A field that must have a value has none."""


class MissingExtraError(ConfigError):
    """A package is missing that not everybody needs; the message holds the command that installs it."""


class DataFileError(ConfigError):
    """A file of task data or a template cannot be read, or the two do not fit."""


class BudgetExceededError(UsageError):
    """What is wanted does not fit in a budget; the message says what is free, and what would fit.

    `decision` is that of the rule (`rules.budget.BudgetDecision`): its budget, what is free, and how many would fit.
    """

    def __init__(self, message: str, decision: object = None) -> None:
        super().__init__(message)
        self.decision = decision


class ConfirmationNeededError(UsageError):
    """A sum is so high, or a second study so likely a mistake, that it has to be confirmed. Nothing was started.

    The message says what to type. `amount` is the sum as it is to be confirmed, as "$120.00"; '' where it is none.
    """

    def __init__(self, message: str, amount: str = "") -> None:
        super().__init__(message)
        self.amount = amount


class UnknownTypeError(UsageError, LookupError):
    """No blueprint, architect or provider is registered under this name."""


class NotFoundError(UsageError, LookupError):
    """There is no such run, unit, agent, worker or qualification."""


class ClosedError(UsageError, RuntimeError):
    """The object was shut down before this call."""


class TransitionError(UsageError, RuntimeError):
    """A change of state that the state machine does not allow."""


class LoopError(UsageError, RuntimeError):
    """A synchronous call inside a running loop that cannot serve it, or the reverse."""


class NotAwaitedError(UsageError, AttributeError):
    """Something was asked of what a coroutine gives before it was awaited."""


class UnknownOptionError(UsageError, TypeError):
    """A function was called with an option that it does not have; the message names the nearest one."""


class UnknownNameError(UsageError, AttributeError):
    """Something was asked of an object that it does not have; the message names the nearest that it has."""


class WorldError(MephistoError):
    """Something outside the program failed; the same call may succeed later."""


class DatabaseError(WorldError):
    """The database could not be read or written."""


class ConflictError(DatabaseError):
    """A row was not in the state that this change starts from: somebody else changed it first."""


class SchemaVersionError(DatabaseError):
    """The database has a schema that this version of the package does not know."""


class LaunchError(WorldError):
    """A run could not be launched; whatever had been started was taken back."""


class PortInUseError(LaunchError):
    """The port that the configuration asks for belongs to another program."""


class RouterError(WorldError):
    """The router does not answer, or answers nonsense."""


class LinkRefusedError(RouterError):
    """The router refused the operator's proof, or could not prove that it is this run's router."""


class RouterGoneError(RouterError):
    """There is no process of the router any more, for sure, and none can be started."""


class RouterStoreError(RouterError):
    """The router is there, and can store nothing: its disk is full, say. `troubles` are those that it told of."""

    def __init__(self, message: str, troubles: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.troubles = troubles


class CrowdError(WorldError):
    """A crowd's server refuses, answers nonsense, or cannot be reached. `status` is that of HTTP, if it answered."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CrowdRefusedError(CrowdError):
    """A crowd's server refused, and nothing was done; asked the same way again, it would refuse again."""


class OutcomeUnknown(CrowdError):
    """A crowd was asked for what must not be asked for twice, and nobody can know whether it was done.

    Look there before anything is sent again: somebody may be paid twice, or not at all.
    """


class SignatureError(CrowdError):
    """What claims to come from a crowd is not signed by it, is meant for somebody else, or is too old."""


class RunBusyError(WorldError):
    """Another kernel drives this run at the moment."""


class RunFailedError(WorldError):
    """A run stopped working; what failed is the cause of this error."""


class ReplayError(UsageError):
    """A live task's code that is taken up again does not do what it had done until then."""


class PartnerLeftError(WorldError):
    """Somebody who is waited for has left. `agent_id` says who."""

    def __init__(self, agent_id: str, name: str) -> None:
        super().__init__(f"{name} has left, and will say nothing more. Go on without them.")
        self.agent_id = agent_id


def folded(error: BaseException, words: str) -> list[str]:
    """Return what a notebook shows of an error: words on what to do, and the lines of the reader's own code."""
    lines = [f"{_RED}{type(error).__name__}{_PLAIN}: {_without_controls(words)}", *_own_lines(error)]
    cause = error.__cause__
    while cause is not None:
        lines += [f"because of {_name(cause)}", *_own_lines(cause)]
        cause = cause.__cause__
    lines.append("Frames of the package are folded; to see them: import traceback; traceback.print_last()")
    return lines


def _name(error: BaseException) -> str:
    return f"{_RED}{type(error).__name__}{_PLAIN}: {_without_controls(str(error))}"


def _without_controls(words: str) -> str:
    """Write control characters as escapes: words of strangers must not colour a notebook, or write links into it."""
    return HARMFUL.sub(lambda found: found[0] if found[0] == "\n" else repr(found[0])[1:-1], words)


def _own_lines(error: BaseException) -> list[str]:
    """Return where the reader's own code was when an error came up: the place and the line, outermost first."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_FOREIGN)]
    found = []
    for frame in own:
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        if line:
            found.append(f"  {_place_of(frame.filename)}, line {frame.lineno}: {line}")
    return found


def _place_of(filename: str) -> str:
    """Return what a notebook calls a file: its cells are files to Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    name = shell.compile.format_code_name(filename) if shell is not None else None
    return " ".join(name) if name is not None else filename
