"""A program as a partner in a conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.user_code import call, describe

logger = get_logger(__name__)


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
        async with asyncio.timeout(self.timeout if timeout is None else min(timeout, self.timeout)):
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
            async with asyncio.timeout(self.timeout if timeout is None else min(timeout, self.timeout)):
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
