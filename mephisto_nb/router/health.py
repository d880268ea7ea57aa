"""How the router is: it looks at itself every few seconds, and tells the operator what is wrong before anybody asks.

A store that fails is found by writing to it, so that it is known although nobody sends anything just then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from mephisto_nb.router.config import Limits
from mephisto_nb.router.folder import RunFolder, say_no_uploads
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.utils.machine import (
    DISK_NEARLY_FULL,
    MachineTrouble,
    MachineTroubles,
    say_few_files,
)

#: How often we look, how much time lies between two attempts to write at least, and from when on one hangs (seconds).
LOOK_EVERY, WRITE_EVERY, HANGS_AFTER = 2.0, 4.0, 5.0

#: How long it is told that an upload could not be stored, where none as large comes after it (seconds).
UPLOAD_FAILED_FOR = 300.0

#: With fewer files than these (RLIMIT_NOFILE) a router serves a few dozen workers, and shuts out the others.
FEWEST_FILES = 1024

log = logging.getLogger(__name__)


class Health:
    """Looks at the store, the run's directory, its disk, and at how many files may still be opened.

    Parameters
    ----------
    store
        The store, which notes by itself what fails in it.
    folder
        The run's directory; None: the router was made without one.
    limits
        How much room on the disk is kept free of uploads.
    probe
        Writes something small to the store. It raises nothing.
    report
        Called on the loop with all troubles, each time these have changed.
    give_way
        Called on the loop when another router has the lock of the directory.
    """

    def __init__(
        self,
        store: Store,
        folder: RunFolder | None,
        limits: Limits,
        probe: Callable[[], Awaitable[None]],
        report: Callable[[tuple[MachineTrouble, ...]], None],
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._folder, self._limits = store, folder, limits
        self._probe, self._report, self._give_way = probe, report, give_way
        self._own = MachineTroubles()
        self._told: tuple[MachineTrouble, ...] = ()
        #: At the first look: the next router has to know that this one was here, however short its life.
        self._written = time.perf_counter() - WRITE_EVERY
        self._is_due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        #: The largest upload that could not be stored (bytes), when that was, and what to say of it.
        self._failed_size, self._failed_at = 0, 0.0
        self._upload_fails: tuple[str, str] | None = None
        #: Since when we look, if it is not done yet.
        self._looking_since: float | None = None

    @property
    def troubles(self) -> tuple[MachineTrouble, ...]:
        """What is wrong now, and what was."""
        return (*self._store.troubles.all(), *self._own.all())

    def begin(self) -> None:
        """Begin to look, as often as `run` comes to it."""
        if self._looking_since is None:
            self._looking_since = time.perf_counter()
            self._is_due.set()
        elif time.perf_counter() > self._looking_since + HANGS_AFTER and not self._store.fails:
            reason = "The router's disk does not answer: what workers send waits for it."
            self._own.note("router hangs", reason, "Look after the disk, or the network that it is reached by.")
            self.tell()
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self.begin)

    async def run(self) -> None:
        """Look when it is time to, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                await self.look()
                self._own.clear("router looks")
            except Exception as error:  # a look that fails is told, and is not the last one
                log.exception("The router could not look after itself.")
                reason = f"The router could not look after itself: {error or type(error).__name__}".rstrip(".")
                self._own.note("router looks", f"{reason}.", "Its log says more. It looks again in a few seconds.")
                self.tell()
            self._looking_since = None

    def end(self) -> None:
        """Look no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def look(self) -> None:
        """Look at everything, and report what has changed."""
        # Real time, whatever the loop's is: each attempt waits for the disk.
        is_due = time.perf_counter() >= self._written + WRITE_EVERY
        if is_due:
            self._written = time.perf_counter()
            await self._probe()
        self._own.clear("router hangs")
        self._own.say("router files", say_few_files("The router", FEWEST_FILES))
        if self._folder is not None:
            # Beside the loop: a disk that does not answer must not keep everybody waiting.
            self._own.say("router directory", await asyncio.to_thread(self._folder.tend))
            least = max(DISK_NEARLY_FULL, self._limits.disk_free)
            room, room_for_uploads = await asyncio.to_thread(self._folder.say_little_room, least)
            self._own.say("router disk", room)
            self._own.say("disk of uploads", room_for_uploads)
            if is_due:
                failure = await asyncio.to_thread(self._folder.try_uploads)
                self._own.say("router uploads", failure or self._last_upload())
        self.tell()
        if self._folder is not None and self._folder.is_lost:
            self._give_way()

    def note_upload(self, size: int, error: OSError | None) -> None:
        """Note that an upload of so many bytes is stored; or why it is not: a quota may let small ones pass."""
        if error is not None and self._folder is not None:
            self._failed_size, self._failed_at = max(size, self._failed_size), time.perf_counter()
            self._upload_fails = say_no_uploads(self._folder.files.uploads, error)
        elif error is None and size >= self._failed_size:
            self._failed_size, self._upload_fails = 0, None
        else:
            return
        self._own.say("router uploads", self._upload_fails)
        self.tell()

    def _last_upload(self) -> tuple[str, str] | None:
        if time.perf_counter() > self._failed_at + UPLOAD_FAILED_FOR:
            self._failed_size, self._upload_fails = 0, None
        return self._upload_fails

    def tell(self) -> None:
        """Report the troubles, if they have changed."""
        now = self.troubles
        if now != self._told:
            self._told = now
            self._report(now)
