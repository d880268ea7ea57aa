"""What a process can tell of the machine that it is on: its open files, the room on its disk; and troubles to tell of.

A `MachineTrouble` travels from the router to the kernel, and to whoever looks at a run. All of it works on every
system: what one cannot tell counts as well.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.utils import steady_time

if sys.platform != "win32":
    import resource

#: From which share of the files that a process may have open there are too few left; a server shuts out people there.
_FEW_LEFT = 0.8
#: Less room than this on a disk (bytes) is too little to go on with for long.
DISK_NEARLY_FULL = 64 * 1024 * 1024
#: The states of processes that have ended, and whose parent has not asked yet how.
_ENDED = ("Z", "X", "x")
#: What `failure_of_folder` says of a directory that was moved or removed.
GONE = "gone"
#: So many troubles that are over are still told.
_MOST_PAST = 5


@dataclass(frozen=True, slots=True)
class MachineTrouble:
    """Something that is wrong with a file, a disk or a process, or was (`is_past`).

    `what` stays the same while it lasts. `since` is when it was first seen (epoch seconds), `reason` what was found and
    `remedy` what to do: each one or more whole sentences.
    """

    what: str
    since: float
    reason: str
    remedy: str
    is_past: bool = False

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.reason} ({'At' if self.is_past else 'Since'} {when}.) {self.remedy}"

    def to_dict(self) -> JSONObject:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: JSON) -> MachineTrouble | None:
        """Return the trouble that JSON tells of; None where that makes no sense."""
        try:
            return cls(
                str(raw["what"]), float(raw["since"]), str(raw["reason"]), str(raw["remedy"]), raw["is_past"] is True
            )
        except (TypeError, KeyError, ValueError, OverflowError):
            return None


class MachineTroubles:
    """The troubles of one part: those that last, and the last few that are over. May be used from any thread."""

    def __init__(self, now: Callable[[], float] = steady_time.now) -> None:
        self._now = now
        self._lasting: dict[str, MachineTrouble] = {}
        self._past: tuple[MachineTrouble, ...] = ()

    def note(self, what: str, reason: str, remedy: str) -> None:
        """Note that something is wrong, or still is."""
        known = self._lasting.get(what)
        since = self._now() if known is None else known.since
        # Replaced, not changed: others read it meanwhile.
        self._lasting = {**self._lasting, what: MachineTrouble(what, since, reason, remedy)}

    def clear(self, what: str) -> None:
        """Note that something is well, or is so again."""
        if what in self._lasting:
            self._lasting = {key: trouble for key, trouble in self._lasting.items() if key != what}

    def say(self, what: str, words: tuple[str, str] | None) -> None:
        """Note the reason and the remedy of what is wrong; or that nothing is, by None."""
        if words is None:
            self.clear(what)
        else:
            self.note(what, *words)

    def remark(self, what: str, reason: str, remedy: str, *, is_only: bool = False) -> None:
        """Note something that was wrong, is mended, and should be known of.

        With `is_only` it takes the place of what was remarked of `what` before.
        """
        before = [one for one in self._past if not (is_only and one.what == what)]
        self._past = (*before, MachineTrouble(what, self._now(), reason, remedy, is_past=True))[-_MOST_PAST:]

    def recall(self, past: Iterable[MachineTrouble]) -> None:
        """Take over what an earlier process has mended."""
        self._past = (*past, *self._past)[-_MOST_PAST:]

    @property
    def past(self) -> tuple[MachineTrouble, ...]:
        """Those that are over."""
        return self._past

    def all(self) -> tuple[MachineTrouble, ...]:
        """Return those that last, and behind them those that are over."""
        return (*self._lasting.values(), *self._past)


def read_troubles(raw: JSON) -> tuple[MachineTrouble, ...]:
    """Return the troubles that a list of JSON tells of; what makes no sense is passed over."""
    found = map(MachineTrouble.from_dict, raw if isinstance(raw, list) else ())
    return tuple(filter(None, found))


def write_troubles(troubles: Iterable[MachineTrouble]) -> list[JSONObject]:
    """Return troubles as JSON."""
    return [trouble.to_dict() for trouble in troubles]


def birth_of(pid: int) -> str | None:
    """Return what tells a process from every other that has, or had, its number; None: it is not there, or not known.

    Systems give the number of a process that has ended to another one.
    """
    try:
        if sys.platform == "linux":
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            # Behind the name of the program, which may hold anything; the start is counted from the machine's own.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if fields[0] in _ENDED else f"{boot} {fields[19]}"
        if sys.platform == "win32":
            return None
        asked = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
        plainly = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
        told = subprocess.run(asked, capture_output=True, text=True, timeout=5, env=plainly)
        state, _, start = told.stdout.strip().partition(" ")
        return None if state[:1] in _ENDED else start.strip() or None
    except (OSError, IndexError, UnicodeDecodeError, subprocess.SubprocessError):
        return None


def is_proven_alive(who: JSONObject) -> bool:
    """Return whether a process is alive for sure, of which a file names the number (`pid`) and its birth (`born`)."""
    pid, born = who.get("pid"), who.get("born")
    # 0 would be all the processes that were started with this one.
    return isinstance(pid, int) and pid > 0 and bool(born) and birth_of(pid) == born


def open_files() -> float:
    """Return how many files this process may have open; infinity where that is not known."""
    if sys.platform == "win32":
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def files_in_use() -> int:
    """Return how many files, sockets included, this process has open; 0 where that cannot be told."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(directory))
        except OSError as error:
            if error.errno in (errno.ENFILE, errno.EMFILE):
                return sys.maxsize  # there is none left to look with
    return 0


def say_few_files(who: str, fewest: int = 0) -> tuple[str, str] | None:
    """Return what to say where a process has nearly as many files open as it may, or may have less than `fewest`.

    None: there are enough left.
    """
    most = open_files()
    if math.isinf(most):
        return None
    used = files_in_use()
    if used < _FEW_LEFT * most and most >= fewest:
        return None
    has = "all" if used >= most else f"{used:,}"
    reason = f"{who} has {has} of the {most:,.0f} files and connections open that it may have (ulimit -n)."
    return reason, "Raise the limit before the start: ulimit -n 16384. Until then others may not get a connection."


def say_little_room(directory: Path, whose: str, least: int = DISK_NEARLY_FULL) -> tuple[str, str] | None:
    """Return what to say where a directory's disk has less than `least` bytes left.

    None: there is room, or no directory.
    """
    try:
        free = shutil.disk_usage(directory).free
    except OSError:
        return None  # told by whoever looks whether the directory is there
    if free >= least:
        return None
    reason = f"The disk of {whose}, {directory}, is nearly full: {free / 1e6:,.1f} MB are left."
    return reason, "Make room there: files that workers upload are refused first, and then all that they send."


def device_of(directory: Path) -> int | None:
    """Return what tells the disk of a directory from others; None where it cannot be told."""
    try:
        return os.stat(directory).st_dev
    except OSError:
        return None


def failure_of_folder(directory: Path) -> str | None:
    """Return why a directory cannot be used: `GONE`, or what the system says; None: it is there.

    A disk that fails, and a network that is away, are no reason to think that somebody has removed it.
    """
    try:
        found = os.stat(directory)
    except (FileNotFoundError, NotADirectoryError):
        return GONE
    except OSError as error:
        return error.strerror or str(error)
    return None if stat.S_ISDIR(found.st_mode) else GONE


def say_missing(directory: Path, whose: str) -> tuple[str, str] | None:
    """Return what to say where a directory is not there, or cannot be looked into; None: all is well."""
    failure = failure_of_folder(directory)
    if failure is None:
        return None
    if failure != GONE:
        reason = f"The directory of {whose}, {directory}, cannot be looked into: {failure}."
        remedy = "Look after its disk, or the network that it is reached by, and after who may open it."
        return reason, f"{remedy} Until then nothing new is taken; then it goes on by itself."
    reason = f"The directory of {whose}, {directory}, is not there any more: it was moved or removed."
    remedy = (
        "Put it back to where it was; or, where it was removed, make an empty one: databases are written into it again."
    )
    return reason, f"{remedy} Until then nothing new is taken."
