"""The floor: a bare Starlette app on the router's own server settings.

``POST /`` commits one row to SQLite before it answers; ``/echo`` sends WebSocket messages back, and
``/chain?PORT`` passes them through another server's ``/echo`` first.
"""

from __future__ import annotations

import socket
import sqlite3
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect

database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE inbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, packet TEXT)")


async def post(request: Request) -> JSONResponse:
    body = await request.body()
    database.execute("INSERT INTO inbox (packet) VALUES (?)", (body.decode(),))
    return JSONResponse({"status": "Submitted!"})


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


async def chain(websocket: WebSocket) -> None:
    await websocket.accept()
    async with connect(f"ws://127.0.0.1:{websocket.url.query}/echo", proxy=None) as behind:
        try:
            while True:
                await behind.send(await websocket.receive_text())
                await websocket.send_text(str(await behind.recv()))
        except WebSocketDisconnect:
            pass


app = Starlette(
    routes=[Route("/", post, methods=["POST"]), WebSocketRoute("/echo", echo), WebSocketRoute("/chain", chain)]
)

if __name__ == "__main__":
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])
