"""uvicorn's HTTP protocol on h11, for platforms without httptools, telling the same as the one on httptools."""

from __future__ import annotations

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class H11Http(H11Protocol):
    """Tells of each piece of a body, and of its end, as uvicorn's protocol on httptools does.

    On what it cannot understand it would answer without the headers that every answer has, or fail where it has
    answered already; here the subclass decides.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._next_event = self.conn.next_event
        self.conn.next_event = self._tell_event  # type: ignore[method-assign]

    def _tell_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = self._next_event()
        if isinstance(event, h11.Request) and _is_of_two_lengths(event):
            raise h11.RemoteProtocolError("a length and chunks")
        if isinstance(event, h11.Data):
            self.on_body(event.data)
        elif isinstance(event, h11.EndOfMessage):
            self.on_message_complete()
        return event

    def on_body(self, body: bytes) -> None:
        """Take note of a piece of a request's body."""

    def on_message_complete(self) -> None:
        """Take note of a request's end."""

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be understood."""
        self.refuse_nonsense()

    def refuse_nonsense(self) -> None:
        """Answer what cannot be understood, if anything can be answered, and hang up."""
        self.transport.close()


def _is_of_two_lengths(request: h11.Request) -> bool:
    """Tell whether a request says in two ways how long it is: a proxy may read the other one, and so other requests."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}
