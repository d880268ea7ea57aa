"""The stand-in itself: a server on this computer that behaves as Prolific does, and keeps books of every penny."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette

from mephisto_nb.errors import ClosedError, PortInUseError
from mephisto_nb.ports.clock import Clock
from mephisto_nb.testing.prolific.account_routes import account_routes
from mephisto_nb.testing.prolific.books import StandInAccount, StandInBooks
from mephisto_nb.testing.prolific.entry_links import EntryKeys
from mephisto_nb.testing.prolific.hooks import Hooks
from mephisto_nb.testing.prolific.mishaps import Limit, MishapDoor, Mishaps, Receive, Scope, Send
from mephisto_nb.testing.prolific.participants import Crowd, Habit
from mephisto_nb.testing.prolific.routes import ApiDesk
from mephisto_nb.testing.prolific.study_routes import study_routes
from mephisto_nb.testing.prolific.world import ProlificWorld, StandInSettings
from mephisto_nb.testing.standin_clock import StandInClock
from mephisto_nb.utils.proofs import Secret

_HOST = "127.0.0.1"


class ProlificStandIn:
    """A Prolific on this computer, for tests and rehearsals: nobody is asked, nobody is paid.

    Parameters
    ----------
    settings
        How it behaves: currency, balance, percentages, how long things take.
    mishaps
        What goes wrong; None: nothing.
    clock
        The time it goes by; None: the real one. `advance` and `pass_time` put it forward.
    seed
        Of what is left to chance, ids too.
    token
        The token that requests have to hold; None: a new one.
    port
        Where it listens; 0: wherever is free.

    Examples
    --------
    >>> async def rehearse():
    ...     async with ProlificStandIn() as prolific:
    ...         return prolific.url.startswith("http://127.0.0.1:"), prolific.account.total
    >>> asyncio.run(rehearse())
    (True, 1000000)
    """

    def __init__(
        self,
        settings: StandInSettings | None = None,
        mishaps: Mishaps | None = None,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        token: str | None = None,
        port: int = 0,
    ) -> None:
        self.token = Secret(token or secrets.token_urlsafe(24))
        self.clock = StandInClock(clock)
        self.mishaps = mishaps or Mishaps(seed)
        self.world = ProlificWorld(self.clock, settings or StandInSettings(), seed)
        self.keys = EntryKeys()
        self.hooks = Hooks(self.world, self.mishaps)
        self._port = port
        self._server: uvicorn.Server | None = None
        self._door: MishapDoor | None = None
        self._url = ""

    def __repr__(self) -> str:
        return f"<ProlificStandIn {self._url or 'not started'}: {len(self.world.studies)} studies>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Its address, as ``http://127.0.0.1:43211``; API and keys are below it where Prolific has them."""
        if not self._url:
            raise ClosedError("This stand-in has no address: it was not started, or was stopped. Await start() first.")
        return self._url

    @property
    def books(self) -> StandInBooks:
        """Every payment, and what each workspace has."""
        return self.world.books

    @property
    def account(self) -> StandInAccount:
        """The money of that workspace which studies are made in where no project is named."""
        return self.world.books.accounts[self.workspace_id]

    @property
    def workspace_id(self) -> str:
        """The workspace that studies are made in where no project is named."""
        return self.world.home.id

    @property
    def project_id(self) -> str:
        """The project of that workspace."""
        return next(iter(self.world.home.projects))

    async def start(self) -> None:
        """Listen, in the loop of whoever calls; again: nothing.

        Raises
        ------
        PortInUseError
            The port belongs to another program.
        """
        if self._server is not None:
            return
        listener = self._listen()
        limit = Limit(self.world.settings.requests_per_second, self.world.now)
        desk = ApiDesk(self.world, self.hooks, self.keys, self.mishaps, self.token)
        app = Starlette(routes=[*study_routes(desk), *account_routes(desk)])
        app.router.redirect_slashes = False
        self._door = MishapDoor(_EitherEnding(app), self.mishaps, limit, self._cut)
        config = uvicorn.Config(
            self._door,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[listener])
        self._url = f"http://{_HOST}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        """Close every connection and forget what was to come; again: nothing. The books stay."""
        server, self._server, self._url = self._server, None, ""
        if server is None:
            return
        self.clock.stop()
        await self.hooks.close()
        if self._door is not None:
            self._door.over.set()
        for one in server.servers:
            one.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)

    def advance(self, seconds: float) -> None:
        """Let time pass at once; what is due on the way happens at its own time."""
        self.clock.advance(seconds)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass step by step, so that participants and hooks do at each moment what they would do then.

        At each step everybody is waited for; whoever waits for something else than this time is waited for in vain.
        """
        await self.clock.pass_time(seconds)

    async def settled(self) -> None:
        """Wait until no hook is being delivered, and no participant does anything but wait."""
        await self.clock.idle()

    def participants(self, count: int, *, seed: int = 0, habits: Mapping[Habit, float] | None = None) -> Crowd:
        """Return people who may take part; the same seed brings the same people again.

        Parameters
        ----------
        count
            How many.
        seed
            Of who they are and what they do.
        habits
            Which share of them does what; the rest works and hands in with the code that they were shown.
        """
        return Crowd(self.world, self.keys, count, seed=seed, habits=habits or {})

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, self._port))
        except OSError as error:
            listener.close()
            raise PortInUseError(
                f"The stand-in cannot listen on port {self._port}: {error.strerror}. Give another one, or 0 for any."
            ) from error
        return listener

    def _cut(self, scope: Scope) -> None:
        """Cut the connection by which a request came."""
        for connection in list(self._server.server_state.connections) if self._server is not None else ():
            transport = connection.transport
            if tuple(transport.get_extra_info("peername") or ()) == tuple(scope["client"]):
                transport.abort()


class _EitherEnding:
    """Takes an address with or without a slash at its end for the same."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path"])
        if path.startswith("/api/") and not path.endswith("/"):
            scope = {**scope, "path": path + "/"}
        await self._app(scope, receive, send)
