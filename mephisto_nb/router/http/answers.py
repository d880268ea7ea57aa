"""The router's HTTP answers: their headers, and how an error becomes one.

Any handler may raise `Refused` to have a request answered with an error.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.router import codec
from mephisto_nb.router.config import RouterConfig
from mephisto_nb.router.rules import InboxClosed

#: What no task asks a worker for. Cameras, microphones and places are left to the browser's own question.
_NO_DEVICES = "payment=(), usb=(), serial=(), hid=()"
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}
#: Why a worker gets no agent from a run that has ended.
RUN_OVER = "run_over"
RUN_OVER_TEXT = "This task has ended, and there is no more work to do. Thank you for your interest!"

#: Behind a proxy a task may be shown in a folder, and what a page loads is named from there: so the address needs its
#: last slash. Whether it has one, a router cannot see behind a proxy that takes the folder away; the page can.
SLASH_SCRIPT = (
    'if(/^http/.test(location.protocol)&&!location.pathname.endsWith("/"))'
    'location.replace(location.pathname+"/"+location.search+location.hash)'
)
#: What lets this script, and no other, stand in the page itself.
SLASH_HASH = "sha256-" + base64.b64encode(hashlib.sha256(SLASH_SCRIPT.encode()).digest()).decode()

log = logging.getLogger(__name__)


class Refused(Exception):
    """Raised to answer a request with an error: the status, a code for programs and a text for people.

    `duplicate` says that the request would have been taken if another had not come before it.
    """

    def __init__(
        self, status: int, code: str, text: str, *, retry_after: int | None = None, duplicate: bool = False
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.text, self.retry_after = status, code, text, retry_after
        self.duplicate = duplicate


def json_text(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with text that is JSON already."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(text, status_code=status, media_type="application/json", headers=headers)


def json_answer(content: JSON, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return json_text(codec.dump(content), status, headers)


def refusal(refused: Refused) -> Response:
    """Answer with an error."""
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    content: JSONObject = {"error": {"code": refused.code, "message": refused.text}}
    if refused.duplicate:
        content["duplicate"] = True
    return json_answer(content, refused.status, headers)


def run_over(request_id: str, way_back: JSONObject | None = None) -> JSONObject:
    """Make the packet that refuses an agent because the run is over; `way_back` is to where its worker goes then."""
    data: JSONObject = {
        "request_id": request_id,
        "worker_id": None,
        "agent_id": None,
        "init_task_data": None,
        "failure_reason": RUN_OVER_TEXT,
        "failure_code": RUN_OVER,
    }
    if way_back is not None:
        data["exit"] = way_back
    return Packet(PacketType.AGENT_DETAILS, request_id, data).to_dict()


def bad_request(text: str) -> Refused:
    """Make the error for a request that cannot be understood."""
    return Refused(400, "bad_request", text)


def too_large(limit: int) -> Refused:
    """Make the error for a body of more than `limit` bytes."""
    return Refused(413, "too_large", f"This is larger than the {limit:,} bytes that may be sent at once.")


def disk_full() -> Refused:
    """Make the error for what has no place on the server until room is made there."""
    text = "The server has no room left for this. Please keep this page open, and tell whoever sent you the link."
    return Refused(507, "disk_full", text, retry_after=60)


def store_failed() -> Refused:
    """Make the error for what could not be written down: the sender has to keep it and try again."""
    return Refused(503, "store_failed", "This could not be saved. Please try again in a moment.", retry_after=5)


def security_policy(config: RouterConfig) -> str:
    """Return what pages may load and run, and who may show them in a frame."""
    ancestors = "frame-ancestors " + (" ".join(config.frame_ancestors) or "'self'")
    directives = [part.strip() for part in config.content_security_policy.split(";")]
    return "; ".join([*map(_with_slash_hash, filter(None, directives)), ancestors])


def _with_slash_hash(directive: str) -> str:
    name, _, sources = directive.partition(" ")
    # Beside a hash, browsers would not heed 'unsafe-inline' any more; and 'none' stands alone.
    may_run = name.lower() == "script-src" and not {"'unsafe-inline'", "'none'"} & set(sources.lower().split())
    return f"{directive} '{SLASH_HASH}'" if may_run else directive


def security_headers(config: RouterConfig) -> list[tuple[str, str]]:
    """Return the headers of every answer."""
    # What browsers that do not know the policy heed: nobody else's page may show ours, unless it was asked for.
    framing = [] if config.frame_ancestors else [("X-Frame-Options", "SAMEORIGIN")]
    return [
        ("Content-Security-Policy", security_policy(config)),
        *framing,
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Permissions-Policy", _NO_DEVICES),
    ]


class BelowFolder:
    """Serves a whole site below a folder of the address as well, for proxies that hand it on as it was asked for.

    Parameters
    ----------
    app
        What serves the site.
    folder
        The folder, with a slash at both ends.
    """

    def __init__(self, app: ASGIApp, folder: str) -> None:
        self._app, self._folder = app, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = str(scope.get("path", ""))
        if f"{path}/".startswith(self._folder):
            scope = {**scope, "path": "/" + path[len(self._folder) :]}
        await self._app(scope, receive, send)


async def _refused(request: Request, error: Refused) -> Response:
    return refusal(error)


async def _http_error(request: Request, error: HTTPException) -> Response:
    response = refusal(Refused(error.status_code, _HTTP_CODES.get(error.status_code, "refused"), error.detail))
    response.headers.update(error.headers or {})
    return response


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    # The browser has gone and reads no answer; without one the server would call it a failure of ours.
    return Response(status_code=400)


async def _store_failed(request: Request, error: DatabaseError) -> Response:
    log.error("%s", error)
    return refusal(store_failed())


async def _inbox_closed(request: Request, error: InboxClosed) -> Response:
    return refusal(Refused(409, RUN_OVER, RUN_OVER_TEXT))


#: How the errors that a handler may raise are answered.
ERROR_HANDLERS: dict[type[Exception], Callable[..., Awaitable[Response]]] = {
    Refused: _refused,
    HTTPException: _http_error,
    ClientDisconnect: _gone,
    DatabaseError: _store_failed,
    InboxClosed: _inbox_closed,
}
