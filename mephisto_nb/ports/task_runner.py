"""The port of Python code that runs beside workers while they work, and of programs that talk with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience
from mephisto_nb.utils.user_code import call, describe

if TYPE_CHECKING:
    from mephisto_nb.model.shared_state import SharedTaskState

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said: `sender` is 'worker' or 'operator', which is the task's code."""

    sender: str
    data: JSONObject


class LiveAgent(Protocol):
    """A worker at work, as task code sees them; or a program in a worker's place.

    Everything said and heard is recorded as it happens. After a restart of the kernel the code is started anew, from
    its beginning, and meets with the same again: what was heard is heard at once, what was said is not sent twice.
    So it must do the same when it hears the same: what depends on chance, on the time or on the outside goes through
    `once`.
    """

    @property
    def agent_id(self) -> str:
        """The agent's id."""

    @property
    def name(self) -> str:
        """What the others call this one."""

    @property
    def data(self) -> JSONObject:
        """What this one's page was given to work on; a program has what all share."""

    @property
    def is_bot(self) -> bool:
        """Whether a program sits here."""

    @property
    def has_left(self) -> bool:
        """Whether this one has left the others, who go on."""

    @property
    def history(self) -> Sequence[Turn]:
        """All that was said until now, in order, also what an earlier kernel recorded."""

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page. It is kept until the page has it. Who has left hears nothing.

        A worker's message may be handed on as it was heard: by its ``update_id`` it is known, so leave that in it. Of
        somebody else's, the page gets nothing that it would take for the task's own word, such as a ``task_data`` that
        says that the task is done. What you build anew of the parts of such a ``task_data`` is your code's own word.
        """

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page.

        Raises
        ------
        TimeoutError
            Nothing came within `timeout` seconds. Time in which the worker could not be heard does not count, and what
            the router had in time is returned, however busy the kernel was meanwhile.
        PartnerLeftError
            The worker has left.
        """

    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Call a function, plain (in a thread) or async, and keep what it gives: after a restart it is not called.

        What it gives must be fit for JSON.
        """

    def time(self) -> float:
        """Return what time it is for the run, in seconds; use it with `once`.

        Like `time.time()`, but it stands still while nobody can be served: the router or the kernel is away, or busy.
        """

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`; the worker hears nothing of it.

        Of what has the same `of`, the latest is told, and how often there was any; "": of what has the same words.
        """


class LiveAgents(Protocol):
    """Those who do an assignment together, in the order of their seats."""

    def __len__(self) -> int: ...

    def __getitem__(self, seat: int, /) -> LiveAgent: ...

    def __iter__(self) -> Iterator[LiveAgent]: ...

    async def observe(self, data: JSONObject, *, but: LiveAgent | None = None) -> None:
        """Send something to everybody, or to everybody but one."""

    async def get_live_update(self, timeout: float | None = None) -> tuple[LiveAgent, JSONObject]:
        """Wait for the next message of anybody, programs included; who said it, and what.

        Raises
        ------
        TimeoutError
            Nothing came within `timeout` seconds.
        PartnerLeftError
            Somebody has left; its `agent_id` says who. Raised once for each.
        """


class TaskRunner:
    """Python code of a live task: one instance per run, one call per worker at work, or per group of workers.

    Where several people do an assignment together, `run_assignment` is called once they are all there; else `run_unit`
    is called for each worker. Define the one that your task needs. When it returns, workers have
    ``submission_timeout`` seconds left to submit. It is cancelled when the worker leaves, or when the rules say that
    nobody goes on. What it raises is logged, and told in `run.attention`; a worker who was alone leaves and the unit is
    offered again, and those who were together may submit.
    """

    #: Whether code that is started again meets with what it had heard and said; else it finds that in `history` alone.
    replays: ClassVar[bool] = True

    def __init__(self, shared_state: SharedTaskState) -> None:
        self.shared_state = shared_state

    def get_init_data(self, init_data: JSON, history: Sequence[Turn]) -> JSON:
        """Return what a worker's page gets when it is opened, and at each reload. Called by `AgentData`; be quick.

        Parameters
        ----------
        init_data
            What the blueprint gives for the unit.
        history
            What was said until now; nothing when the unit has just been taken.
        """
        return init_data

    def get_example_turns(self) -> Sequence[Turn]:
        """Return what a preview of the page shows as if it had been said: there, none of this code runs."""
        return ()

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Accompany one worker through one unit. Called by `TaskCode` when the worker has taken it."""
        raise NotImplementedError(f"{type(self).__name__} has no run_unit, which a task for one worker needs.")

    async def run_assignment(self, init_data: JSONObject, agents: LiveAgents) -> None:
        """Accompany several workers through one assignment; `init_data` is what they share.

        Called by `TaskCode` once they are all there.
        """
        raise NotImplementedError(f"{type(self).__name__} has no run_assignment, which people together need.")


class Reporter(Protocol):
    """Who tells the researcher what has failed: anybody in a conversation."""

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""


_REMEDY = (
    "Let nobody else meet with it until it is mended: await run.steering.pause_launching(). The log has the "
    "traceback, and run.events() each failure."
)


@dataclass(frozen=True, slots=True)
class Bot:
    """A Python function, or a language model behind one, that takes part in a conversation.

    Parameters
    ----------
    reply
        ``reply(transcript) -> text``, plain or async. `transcript` is what was said so far, oldest first, as dicts
        with ``role`` ("assistant" for what this one has said, "user" for all others) and ``content``: what chat APIs
        take. It may give None to say nothing, or a dict with ``text`` and more. A plain function runs in a thread, so a
        slow one holds up nobody.
    name
        What the others call it.
    timeout
        How many seconds one answer may take, further tries included.
    retries
        How often it is asked again after an error. When the last try has failed, or the time is over, it has said
        nothing: that is told in `run.attention` and `run.events()`, and its traceback in the log.
    pause
        How many seconds to wait before it is asked again; twice as many before the next time, and so on.

    Examples
    --------
    >>> echo = Bot(lambda transcript: f"You said: {transcript[-1]['content']}", name="Echo")
    """

    reply: Callable[..., Any]
    name: str = "Assistant"
    timeout: float = 60.0
    retries: int = 2
    pause: float = 1.0

    async def ask(self, transcript: list[dict[str, str]], timeout: float | None = None) -> JSONObject | None:
        """Ask it, for at most `timeout` seconds (None: as long as it may take); None: it says nothing.

        Raises
        ------
        Exception
            Whatever the function raises; a TimeoutError; a TypeError or ValueError where it gave what is no JSON.
        """
        async with patience(self.timeout if timeout is None else min(timeout, self.timeout)):
            reply = await call(self.reply, transcript)
        if reply is None:
            return None
        message: JSONObject = reply if isinstance(reply, dict) else {"text": str(reply)}
        json.dumps(message, allow_nan=False)
        return message

    async def ask_again(
        self, transcript: list[dict[str, str]], reporter: Reporter, timeout: float | None = None
    ) -> JSONObject | None:
        """Ask it, and again after an error; when it gives no answer, report that and raise what it raised last.

        Raises
        ------
        Exception
            As `ask` does.
        """
        failed: Exception | None = None
        try:
            async with patience(self.timeout if timeout is None else min(timeout, self.timeout)):
                for number in range(self.retries + 1):
                    if failed is not None:
                        await asyncio.sleep(self.pause * 2 ** (number - 1))
                    try:
                        return await self.ask(transcript)
                    except Exception as error:  # noqa: BLE001 - whatever a researcher's function raises
                        failed = error
            raise failed or TimeoutError
        except Exception as error:
            cause = failed or error  # what it raised says more than that the time for trying again was over
            logger.warning("the bot %s gave no answer", self.name, exc_info=cause)
            why = f"{self.name} (the bot) gave no answer: {describe(cause)}. {_REMEDY}"
            await reporter.report(why, of=f"bot {self.name}")
            raise

    @classmethod
    def of(cls, reply: Bot | Callable[..., Any]) -> Bot:
        """Return the bot of a function; a bot is returned as it is."""
        return reply if isinstance(reply, Bot) else cls(reply)
