"""A program as a partner in a conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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

    @classmethod
    def of(cls, reply: Bot | Callable[..., Any]) -> Bot:
        """Give the bot of a function; one that is a bot already is given as it is."""
        return reply if isinstance(reply, Bot) else cls(reply)
