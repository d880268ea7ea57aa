"""A secret that shows itself only when asked by name."""

from __future__ import annotations

import hmac


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
        """Give the secret itself. Do not keep the result in an object that has a repr."""
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
