"""A researcher's account: their token, their workspace and project by name, and a connection while somebody asks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mephisto_nb.errors import ConfigError, OutcomeUnknown
from mephisto_nb.ports.clock import Clock, SystemClock
from mephisto_nb.ports.named_secrets import find_account_secret
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.objects import ProlificProject, ProlificWorkspace
from mephisto_nb.providers.prolific.settings import ProlificProviderArgs
from mephisto_nb.utils.proofs import Secret

#: Where a token is that nobody has registered.
TOKEN_VARIABLE = "PROLIFIC_TOKEN"
#: How often something is asked for of which nobody heard whether it was made, how often it is looked for each time, and
#: how long is waited after each look (seconds): twice as long each time.
_ASKED, _LOOKS, _FIRST_LOOK, _LONGEST_LOOK = 3, 3, 1.0, 30.0
T = TypeVar("T")
Named = TypeVar("Named", ProlificWorkspace, ProlificProject)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a provider gets from outside, so that tests may hand in their own.

    `sleep` waits; None: by the clock. `chance` draws a number from 0 to 1.
    """

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] | None = None
    chance: Callable[[], float] = random.random

    async def wait(self, seconds: float) -> None:
        """Wait for so long."""
        if self.sleep is not None:
            await self.sleep(seconds)
            return
        rung = asyncio.Event()
        timer = self.clock.call_at(self.clock.now() + seconds, rung.set)
        try:
            await rung.wait()
        finally:
            timer.cancel()


@dataclass(frozen=True, slots=True)
class ProlificPlace:
    """Where studies are made, and which money is there."""

    workspace_id: str
    workspace_title: str
    project_id: str
    currency: str


@dataclass(slots=True)
class KnownStudy:
    """What is known of a run and its study so far: their ids, and where people come; '' until then."""

    task_run_id: str = ""
    study_id: str = ""
    url: str = ""


class ProlificAccount:
    """Asks Prolific in the name of one researcher. The connection is closed when nobody asks any more.

    Parameters
    ----------
    args
        Whose account, and which workspace and project.
    around
        The clock, and how is waited.
    """

    def __init__(self, args: ProlificProviderArgs, around: Surroundings) -> None:
        self._args, self.around = args, around
        self._api: ProlificAPI | None = None
        self._users = 0
        self._is_held = False
        self._place: ProlificPlace | None = None

    def __repr__(self) -> str:
        return f"<ProlificAccount {self._args.requester_name!r}>"

    def token(self) -> Secret:
        """Return the token. Raises `ConfigError` where none is kept."""
        name = self._args.requester_name
        found = find_account_secret("prolific", name, "token", TOKEN_VARIABLE)
        if found is None:
            raise ConfigError(
                f"There is no token of Prolific's for the requester {name!r}. Make one on Prolific (Settings, then API "
                f"tokens), and keep it by await mnb.register_prolific(getpass.getpass(), name={name!r}); or set "
                f"{TOKEN_VARIABLE} in the environment."
            )
        return found

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[ProlificAPI]:
        """Ask, by a connection that is shared with whoever else is asking."""
        if self._api is None:
            around = self.around
            self._api = ProlificAPI(
                self.token(), self._args.base_url, sleep=around.wait, now=around.clock.now, chance=around.chance
            )
        api = self._api
        self._users += 1
        try:
            yield api
        finally:
            self._users -= 1
            await self._close_if_idle()

    async def have_made(self, ask: Callable[[], Awaitable[T]], find: Callable[[], Awaitable[T | None]]) -> T:
        """Have something made that must not be there twice, and return it.

        Where nobody heard whether it was made, it is looked for some times before it is asked for again.

        Parameters
        ----------
        ask
            Asks for it.
        find
            Looks for it; gives None where it is not there.

        Raises
        ------
        WorldError
            Prolific refuses; or (`OutcomeUnknown`) it is not there, however often it was asked for.
        """
        pause, asked = _FIRST_LOOK, 0
        while True:
            asked += 1
            try:
                return await ask()
            except OutcomeUnknown:
                for _ in range(_LOOKS):
                    if (found := await find()) is not None:
                        return found
                    await self.around.wait(pause)
                    pause = min(2 * pause, _LONGEST_LOOK)
                if asked == _ASKED:
                    raise

    def hold(self) -> None:
        """Keep the connection open until `release`, as for the length of a run."""
        self._is_held = True

    async def release(self) -> None:
        """Let the connection be closed; again: nothing. Who asks afterwards opens another one."""
        self._is_held = False
        await self._close_if_idle()

    async def find_place(self) -> ProlificPlace:
        """Return where studies are made, asked for once.

        Raises
        ------
        ConfigError
            There is no such workspace or project, or several have the name.
        WorldError
            Prolific refuses, or cannot be reached.
        """
        if self._place is None:
            async with self.asking() as api:
                workspace = choose("workspace", self._args.workspace, await api.account.workspaces())
                projects = await api.account.projects(workspace.id)
                where = f"in the workspace {workspace.title!r}"
                project = choose("project", self._args.project, projects, where)
                balance = await api.account.balance(workspace.id)
            self._place = ProlificPlace(workspace.id, workspace.title, project.id, balance.currency)
        return self._place

    async def _close_if_idle(self) -> None:
        if self._users == 0 and not self._is_held and self._api is not None:
            api, self._api = self._api, None
            await api.close()


def choose(kind: str, wanted: str, found: Sequence[Named], where: str = "that this token sees") -> Named:
    """Return the workspace or project of this title or id; the only one, where none is named.

    Raises
    ------
    ConfigError
        There is none, or there are several; the message names them with their ids.
    """
    by_id = [one for one in found if one.id == wanted]
    matching = by_id or [one for one in found if not wanted or one.title.casefold() == wanted.casefold()]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f"{one.title!r} ({one.id})" for one in (matching or found)) or "none"
    if matching:
        named = f"named {wanted!r} " if wanted else ""
        raise ConfigError(
            f"There are {len(matching)} {kind}s {named}{where}: {listed}. Say which, by its id: "
            f"mephisto.provider.{kind}."
        )
    raise ConfigError(f"There is no {kind} {wanted!r} {where}. There are: {listed}. Mend mephisto.provider.{kind}.")
