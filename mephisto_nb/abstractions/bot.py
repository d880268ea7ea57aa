"""A program as a partner in a conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.utils.call_threads import call


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
        How many seconds it may take. Later, and after an error, it has said nothing; that is told in `run.events()`.

    Examples
    --------
    >>> echo = Bot(lambda transcript: f"You said: {transcript[-1]['content']}", name="Echo")
    """

    reply: Callable[..., Any]
    name: str = "Assistant"
    timeout: float = 60.0

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

    @classmethod
    def of(cls, reply: Bot | Callable[..., Any]) -> Bot:
        """Give the bot of a function; one that is a bot already is given as it is."""
        return reply if isinstance(reply, Bot) else cls(reply)
