"""What workers' browsers read: the task's page, its files and settings; and uploads, for the operator."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from mephisto_nb._typing import JSONObject
from mephisto_nb.router.config import MEPHISTO_TASK_VERSION, RouterConfig, RunFiles
from mephisto_nb.router.http.answers import SLASH_HASH, SLASH_SCRIPT, Refused, json_answer, json_text, security_policy
from mephisto_nb.utils import proofs, steady_time

_OPENAPI = Path(__file__).parents[1] / "openapi.json"
_STORED_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
#: Browsers refuse scripts of another type, and on Windows the registry may name any.
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html"}

#: Where the script goes that finds the page's folder: before anything that is loaded from there.
_HEAD = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)
_NOT_KEPT = {"Cache-Control": "no-store"}


class Pages:
    """The routes that are only read.

    Parameters
    ----------
    config
        What the architect wrote.
    files
        Where the site and the uploads are.
    operator_state
        Returns how the operator is: ``here``, ``busy`` or ``away``.
    closed_at
        Returns when the run was over (epoch seconds); None: it is not.
    """

    def __init__(
        self,
        config: RouterConfig,
        files: RunFiles,
        operator_state: Callable[[], str],
        closed_at: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._config, self._operator_state, self._closed_at = config, operator_state, closed_at
        for suffix, kind in _TYPES.items():
            mimetypes.add_type(kind, suffix)
        self._adds_slash = SLASH_HASH in security_policy(config)
        self._site = StaticFiles(directory=files.site, check_dir=False)
        self._uploads = StaticFiles(directory=files.uploads, check_dir=False)
        self._task_config = {**config.task_config, "mephisto_task_version": MEPHISTO_TASK_VERSION}
        self._openapi = _OPENAPI.read_text(encoding="utf-8")

    def routes(self) -> list[Route]:
        """Return the routes; the last one takes every path that no other took."""
        return [
            Route("/", self.start),
            Route("/task_index", self.index),
            Route("/welcome", self.index),
            Route("/task_config.json", self.task_config),
            Route("/is_alive", self.is_alive),
            Route("/get_timestamp", self.timestamp),
            Route("/status", self.status),
            Route("/openapi.json", self.openapi),
            Route("/download_file/{name:path}", self.download),
            Route("/{path:path}", self.static),
        ]

    async def start(self, request: Request) -> Response:
        """Answer with the task's page, in a form that finds its files in whatever folder a proxy shows it."""
        response = await self._file("index.html", request)
        if not self._adds_slash or not isinstance(response, FileResponse):
            return response
        page = await asyncio.to_thread(Path(response.path).read_text, "utf-8", "replace")
        return Response(_HEAD.sub(_with_script, page, count=1), media_type="text/html", headers=_NOT_KEPT)

    async def index(self, request: Request) -> Response:
        """Answer with the task's page."""
        return await self._file("index.html", request)

    async def static(self, request: Request) -> Response:
        """Answer with a file of the site, as it is now."""
        linked = self._config.linked_files.get(request.path_params["path"])
        if linked is not None:
            if not await asyncio.to_thread(Path(linked).is_file):
                raise _not_found()
            return FileResponse(linked, headers={"Cache-Control": "no-store"})
        return await self._file(self._site.get_path(request.scope), request)

    async def task_config(self, request: Request) -> Response:
        """Answer with what the page has to know of its task."""
        return json_answer({**self._task_config, **self._closed()})

    async def is_alive(self, request: Request) -> Response:
        """Answer that the router is there."""
        return json_answer({"status": "Alive!"})

    async def timestamp(self, request: Request) -> Response:
        """Answer with the router's time, in milliseconds."""
        return json_answer({"timestamp": int(steady_time.now() * 1000)})

    async def status(self, request: Request) -> Response:
        """Answer how the operator is, and since when the run is over, if it is."""
        return json_answer({"operator": self._operator_state(), **self._closed()})

    async def openapi(self, request: Request) -> Response:
        """Answer with the description of all routes and packets, for programs that want to speak with a router."""
        return json_text(self._openapi)

    async def download(self, request: Request) -> Response:
        """Answer the operator with an upload; for all others there is none."""
        name = request.path_params["name"]
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        allowed = proofs.matches(self._config.token, token) and scheme.lower() == "bearer"
        if not allowed or not _STORED_NAME.fullmatch(name):
            raise _not_found()
        response = await self._uploads.get_response(name, request.scope)
        response.headers.update({"Content-Type": "application/octet-stream", "Cache-Control": "no-store"})
        return response

    def _closed(self) -> JSONObject:
        closed_at = self._closed_at()
        return {} if closed_at is None else {"closed_at": closed_at}

    async def _file(self, path: str, request: Request) -> Response:
        try:
            response = await self._site.get_response(path, request.scope)
        except OSError:
            # A name that this file system can't have.
            raise _not_found() from None
        is_page = response.media_type == "text/html"
        # Other files may be kept, but are asked for again: the next run on this port has others.
        response.headers["Cache-Control"] = "no-store" if is_page else "no-cache"
        return response


def _with_script(head: re.Match[str]) -> str:
    return f"{head[0]}<script>{SLASH_SCRIPT}</script>"


def _not_found() -> Refused:
    return Refused(404, "not_found", "There is nothing here.")
