"""A router made of canned answers: serves a built site with its real policy, and remembers what a page sent."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
from pathlib import Path
from typing import Any, Self

import multipart
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

AGENT = "agent-1"


class FakeRouter:
    """Lives in a thread of its own; a test sets its answers and reads what arrived."""

    def __init__(self, site: Path, csp: str, task_config: dict[str, Any]) -> None:
        self.site, self.csp, self.task_config = site, f"{csp}; frame-ancestors 'self'", task_config
        self.details: dict[str, Any] = {}
        self.operator = "here"
        self.closed_at: float | None = None
        self._port = 0
        self.registrations: list[dict[str, Any]] = []
        self.submissions: list[dict[str, Any]] = []
        self.introductions: list[dict[str, Any]] = []
        self.returned: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.packets: list[dict[str, Any]] = []
        #: Answers to the next requests of a path, instead of the usual ones: (status, JSON).
        self.canned: dict[str, list[tuple[int, Any]]] = {}
        self.operator_answers = threading.Event()
        self.operator_answers.set()
        self.status_answers = threading.Event()
        self.status_answers.set()
        self.connected = threading.Event()
        self.kept = threading.Event()
        self._sockets: list[WebSocket] = []
        self.offer({})

    def offer(self, data: Any, agent_id: str | None = AGENT, **details: Any) -> None:
        """Set what the next registration is answered."""
        self.details = {"request_id": "r", "worker_id": "w", "agent_id": agent_id, "init_task_data": data}
        self.details |= {"failure_reason": None, "failure_code": None, "status": "in task"} | details

    def tell(self, status: str, **details: Any) -> None:
        """Send a status to every open socket."""
        assert self.connected.wait(10)
        packet = {"packet_type": "update_status", "subject_id": AGENT, "data": {"status": status} | details}
        for one in self._sockets:
            asyncio.run_coroutine_threadsafe(one.send_json(packet), self._loop).result(5)

    def drop_sockets(self, code: int = 1012, reason: str = "") -> None:
        """Break every page's connection."""
        for one in list(self._sockets):
            asyncio.run_coroutine_threadsafe(one.close(code, reason), self._loop).result(5)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", self._port))
        self._port = self._socket.getsockname()[1]
        self._sockets.clear()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        config = uvicorn.Config(self._app(), log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.operator_answers.set()
        self.status_answers.set()
        self._server.should_exit = True
        self._thread.join(10)

    def _serve(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve([self._socket])

        asyncio.run(main())

    def _app(self) -> Any:
        routes = [
            WebSocketRoute("/", self._live),
            Route("/task_config.json", self._config),
            Route("/status", self._status),
            Route("/request_agent", self._request_agent, methods=["POST"]),
            Route("/submit_task", self._submit_task, methods=["POST"]),
            Route("/submit_onboarding", self._submit_onboarding, methods=["POST"]),
            Route("/return_unit", self._keeper("return_unit", self.returned), methods=["POST"]),
            Route("/log_error", self._keeper("log_error", self.errors), methods=["POST"]),
        ]
        app = Starlette(routes=routes)
        app.mount("/", StaticFiles(directory=self.site, html=True))

        async def with_headers(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] += [
                        (b"content-security-policy", self.csp.encode()),
                        (b"x-content-type-options", b"nosniff"),
                        (b"cache-control", b"no-store"),
                    ]
                await send(message)

            await app(scope, receive, sending)

        return with_headers

    def _canned(self, path: str) -> Response | None:
        if not self.canned.get(path):
            return None
        status, content = self.canned[path].pop(0)
        return JSONResponse(content, status)

    async def _config(self, request: Request) -> Response:
        return self._canned("task_config") or JSONResponse(self.task_config | self._closed())

    async def _status(self, request: Request) -> Response:
        answer = {"operator": self.operator} | self._closed()
        await asyncio.to_thread(self.status_answers.wait)
        return JSONResponse(answer)

    def _closed(self) -> dict[str, Any]:
        return {} if self.closed_at is None else {"closed_at": self.closed_at}

    async def _request_agent(self, request: Request) -> Response:
        self.registrations.append((await request.json())["provider_data"])
        await asyncio.to_thread(self.operator_answers.wait)
        packet = {"packet_type": "agent_details", "subject_id": "r", "data": self.details}
        return self._canned("request_agent") or JSONResponse(packet)

    async def _submit_task(self, request: Request) -> Response:
        canned = self._canned("submit_task")
        if canned is not None:
            return canned
        if request.headers["content-type"].startswith("application/json"):
            self.submissions.append(await request.json())
        else:
            _, options = multipart.parse_options_header(request.headers["content-type"])
            parts = list(multipart.MultipartParser(io.BytesIO(await request.body()), options["boundary"]))
            files = [(part.name, part.filename, part.raw) for part in parts if part.filename is not None]
            form = {part.name: part.value for part in parts if part.filename is None}
            answer = json.loads(form["final_string_data"])
            sent = {"USED_AGENT_ID": form["USED_AGENT_ID"], "final_data": answer, "files": files}
            self.submissions.append({**sent, "names": json.loads(form["file_names"])})
        return JSONResponse({"status": "Submitted!"})

    async def _submit_onboarding(self, request: Request) -> Response:
        self.introductions.append((await request.json())["provider_data"])
        packet = {"packet_type": "agent_details", "subject_id": "r", "data": self.details}
        return self._canned("submit_onboarding") or JSONResponse(packet)

    def _keeper(self, path: str, kept: list[dict[str, Any]]) -> Any:
        async def keep(request: Request) -> Response:
            canned = self._canned(path)
            if canned is None:
                kept.append(await request.json())
                self.kept.set()
            return canned or JSONResponse({"status": "ok"})

        return keep

    async def _live(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                packet = await socket.receive_json()
                self.packets.append(packet)
                if packet["packet_type"] == "alive":
                    self._sockets.append(socket)
                    self.connected.set()
        except WebSocketDisconnect:
            if socket in self._sockets:
                self._sockets.remove(socket)
