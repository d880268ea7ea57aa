"""What all calls of the API share.

Stands alone because each group of calls has a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, CrowdError, OutcomeUnknown
from mephisto_nb.providers.prolific.transport import ApiEffect, ApiTransport

T = TypeVar("T")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class ApiCalls:
    """Some calls of the API, all by one transport."""

    def __init__(self, transport: ApiTransport) -> None:
        self._transport = transport

    async def _get(self, path: str) -> JSONObject:
        return (await self._transport.send("GET", path, wants_object=True)).object

    async def _once(self, method: str, path: str, body: JSON, read: Callable[[JSONObject], T]) -> T:
        """Ask for what must not be made twice, and read what is answered."""
        answer = await self._transport.send(method, path, effect=ApiEffect.IF_UNDONE, body=body, wants_object=True)
        try:
            return read(answer.object)
        except CrowdError as error:
            raise OutcomeUnknown(f"{error} It was asked once for {method} {path}.", answer.status) from error


def part(one_id: str) -> str:
    """Return an id as a part of a path; raise `ConfigError` for what is no id, and would lead elsewhere."""
    if not isinstance(one_id, str) or not _ID.fullmatch(one_id):
        raise ConfigError(f"{str(one_id)[:60]!r} is no id of Prolific's. Give the letters and digits that it shows.")
    return one_id
