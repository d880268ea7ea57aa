"""The ASGI application: routes, and how errors become answers."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute

from mephisto_nb.router.config import RouterConfig, RunFiles
from mephisto_nb.router.core import Router
from mephisto_nb.router.http.answers import Refused, refusal
from mephisto_nb.router.http.pages import Pages
from mephisto_nb.router.intake.bodies import BodyReader
from mephisto_nb.router.operator.operator_socket import OperatorSocket
from mephisto_nb.router.workers.worker_routes import WorkerRoutes
from mephisto_nb.router.workers.worker_socket import WorkerEndpoint

#: What no task asks a worker for. Cameras, microphones and places are left to the browser's own question.
_NO_DEVICES = "payment=(), usb=(), serial=(), hid=()"
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def make_app(router: Router, files: RunFiles) -> Starlette:
    """Make the application that serves one run."""
    worker_endpoint, operator_socket = WorkerEndpoint(router), OperatorSocket(router)
    bodies = BodyReader(router.config.limits, files.uploads, router.quota, router.agent)
    routes: list[BaseRoute] = [
        WebSocketRoute("/", worker_endpoint.__call__),
        WebSocketRoute("/socket", worker_endpoint.__call__),
        WebSocketRoute("/operator", operator_socket.__call__),
        *WorkerRoutes(router, bodies).routes(),
        *Pages(router, files).routes(),
    ]
    handlers = {Refused: _refused, HTTPException: _http_error, ClientDisconnect: _gone}
    app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
    # A redirect would repeat the host that a stranger names.
    app.router.redirect_slashes = False
    return app


def security_headers(config: RouterConfig) -> list[tuple[str, str]]:
    """Give the headers of every answer."""
    ancestors = "frame-ancestors " + (" ".join(config.frame_ancestors) or "'self'")
    policy = [config.content_security_policy.strip().rstrip(";"), ancestors]
    return [
        ("Content-Security-Policy", "; ".join(part for part in policy if part)),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Permissions-Policy", _NO_DEVICES),
    ]


async def _refused(request: Request, error: Refused) -> Response:
    return refusal(error)


async def _http_error(request: Request, error: HTTPException) -> Response:
    response = refusal(Refused(error.status_code, _HTTP_CODES.get(error.status_code, "refused"), error.detail))
    response.headers.update(error.headers or {})
    return response


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    # Nobody reads this answer; without one the server would call it a failure of ours.
    return Response(status_code=400)
