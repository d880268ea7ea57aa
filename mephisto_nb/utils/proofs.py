"""Secrets: how they are kept, and shown to be known without being shown.

A router and an operator show each other that they know the run's token, which itself never travels. Each side
sends a random challenge, and answers the other's with an HMAC over it. The two sides sign under different names,
so that an answer can't be turned around and used as one's own. A worker's link holds a key that only the run can have
made: an HMAC over the name in the link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from typing import TypeGuard


class Secret:
    """A token or password that no repr, format, log or traceback gives away.

    Examples
    --------
    >>> token = Secret("s3cr3t")
    >>> token
    Secret('********')
    >>> f"{token}", token.reveal()
    ('********', 's3cr3t')
    """

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Secret cannot be changed; make another")

    def reveal(self) -> str:
        """Return the secret itself. Do not keep the result in an object that has a repr."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return "********"

    def __repr__(self) -> str:
        return "Secret('********')"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not pickled: it would be written in the clear")


_CHALLENGE = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: How much of an HMAC a link holds: 128 bits, which are 22 characters.
_KEY_BYTES = 16


def new_challenge() -> str:
    """Make a challenge: 64 random hexadecimal digits."""
    return secrets.token_hex(32)


def is_challenge(value: object) -> TypeGuard[str]:
    """Say whether `value` has the shape of a challenge, so that nothing else gets signed."""
    return isinstance(value, str) and _CHALLENGE.fullmatch(value) is not None


def router_proof(token: str, run_id: str, challenge: str) -> str:
    """Answer an operator's challenge, as the router of run `run_id`."""
    return _sign(token, f"router:{run_id}:{challenge}")


def operator_proof(token: str, run_id: str, challenge: str) -> str:
    """Answer a router's challenge, as the operator of run `run_id`."""
    return _sign(token, f"operator:{run_id}:{challenge}")


def link_key(secret: str, name: str) -> str:
    """Return the key of the link of the worker of this name: 22 characters that an address may hold."""
    # Surrogates may come out of JSON.
    digest = hmac.digest(secret.encode(), b"link:" + name.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_KEY_BYTES]).decode().rstrip("=")


def crowd_events_key(secret: str) -> str:
    """Return what the address ends in to which a crowd posts a run's events: 22 characters, and always the same."""
    digest = hmac.digest(secret.encode(), b"crowd events", hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_KEY_BYTES]).decode().rstrip("=")


def message_id(secret: str, speaker: str, said: str) -> str:
    """Return what others know a message by which `speaker` calls `said`: 32 hexadecimal digits."""
    what = b"message:" + json.dumps([speaker, said]).encode()
    return hmac.digest(secret.encode(), what, hashlib.sha256)[:_KEY_BYTES].hex()


def matches(expected: str, given: object) -> bool:
    """Compare a secret with what a stranger sent, in a time that tells nothing about where they differ."""
    if not isinstance(given, str):
        return False
    # Bytes, because `compare_digest` refuses text that is not ASCII; surrogates may come out of JSON.
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def _sign(token: str, message: str) -> str:
    return hmac.new(token.encode(), message.encode(), hashlib.sha256).hexdigest()
