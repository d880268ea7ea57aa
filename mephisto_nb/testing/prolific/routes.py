"""What is answered at which address: each route asks the world, and writes down what it says."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.testing.prolific.entry_links import EntryKeys
from mephisto_nb.testing.prolific.hooks import Hooks
from mephisto_nb.testing.prolific.mishaps import Mishaps
from mephisto_nb.testing.prolific.refusals import ApiRefusal, bare, nested, not_found
from mephisto_nb.testing.prolific.views import page_of_limit, page_of_size
from mephisto_nb.testing.prolific.world import ProlificWorld
from mephisto_nb.utils.proofs import Secret, matches

_LARGEST_BODY = 5_000_000
Answer = Callable[["Call"], Awaitable[Response]]


class Call:
    """One request whose token is right, with what an answer is made from."""

    def __init__(self, desk: ApiDesk, request: Request, body: JSON) -> None:
        self.desk, self.world, self._request = desk, desk.world, request
        #: What is asked behind the question mark.
        self.query = dict(request.query_params)
        self._body = body

    @property
    def body(self) -> JSONObject:
        """The JSON object that was sent, or raise `ApiRefusal`."""
        if not isinstance(self._body, dict):
            raise bare(400, "JSON parse error: an object is expected.")
        return self._body

    def id(self, name: str = "id") -> str:
        """Return an id of the address."""
        return str(self._request.path_params[name])

    def answer(self, body: JSON, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Return an answer; with a field that nobody knows, if the plan says so."""
        if self.desk.mishaps.unknown_fields:
            body = _with_unknown(body)
        return JSONResponse(body, status, headers)

    def page(self, rows: list[Any], view: Callable[[Any], JSON], *, by_size: bool = False) -> Response:
        """Return a page of rows, in the dialect of this address; 404 past the end."""
        url = str(self._request.url.replace(query=""))
        part, rest = (page_of_size if by_size else page_of_limit)(rows, self.query, url)
        if rest.pop("past"):
            raise not_found()
        return self.answer({"results": [view(row) for row in part], **rest})

    def shown(self, status: str) -> str:
        """Return the state that is shown of a submission."""
        return self.desk.mishaps.shown_status(status)


class ApiDesk:
    """Checks a request's token, reads its body, and answers what is refused.

    Parameters
    ----------
    world, hooks, keys, mishaps
        What answers are made from.
    token
        The token that every request has to hold.
    """

    def __init__(self, world: ProlificWorld, hooks: Hooks, keys: EntryKeys, mishaps: Mishaps, token: Secret) -> None:
        self.world, self.hooks, self.keys, self.mishaps = world, hooks, keys, mishaps
        #: People who may try a draft, by their address.
        self.test_participants: dict[str, str] = {}
        #: The bulk approvals of the last minutes.
        self.bulk_asked: dict[tuple[str, ...], float] = {}
        self._token = token

    def route(self, path: str, **answers: Answer) -> Route:
        """Return the route of an address: what answers each method, ``get=``, ``post=`` ...; a slash may end it."""
        methods = {name.upper(): answer for name, answer in answers.items()}

        async def endpoint(request: Request) -> Response:
            return await self._answer(request, methods)

        all_methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
        return Route(f"/api/v1/{path}", endpoint, methods=all_methods)

    async def _answer(self, request: Request, methods: dict[str, Answer]) -> Response:
        try:
            if not matches(f"Token {self._token.reveal()}", request.headers.get("authorization")):
                raise bare(401, "Authentication credentials were not provided or are not valid.")
            answer = methods.get(request.method)
            if answer is None:
                raise bare(405, f"Method {request.method} not allowed.")
            return await answer(Call(self, request, await _json(request)))
        except ApiRefusal as refusal:
            return JSONResponse(refusal.body, refusal.status)


async def _json(request: Request) -> JSON:
    raw = await request.body()
    if not raw:
        return {}
    if len(raw) > _LARGEST_BODY:
        raise nested("The body is too large.")
    try:
        return json.loads(raw)
    except ValueError as error:
        raise bare(400, f"JSON parse error: {error}") from error


def _with_unknown(body: JSON) -> JSON:
    """Return an object, and those in it, with a field that came with some later version."""
    if isinstance(body, list):
        return [_with_unknown(one) for one in body]
    if not isinstance(body, dict):
        return body
    rows = {name: _with_unknown(value) if name == "results" else value for name, value in body.items()}
    return {**rows, "field_of_2031": {"is": ["new"]}}
