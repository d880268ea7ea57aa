"""Ten megabytes a second of the worst that strangers can send: what a router spends on them, and what workers notice.

``python -m tests.benchmarks.strangers_bench KIND PORT SECONDS`` sends one kind, from a process of its own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.benchmarks.harness import Figure, p95
from tests.router.harness import RouterProcess, shake_hands, write_config

RATE, SECONDS, LINKS = 10_000_000, 4.0, 8
MOST_CPU, MOST_HELD, MOST_P95 = 0.02, 50.0, 250.0
JSON, FORM = "application/json", "multipart/form-data; boundary=B"
NAMED_LAST = b'],"USED_AGENT_ID":"nobody"}'
PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
END = b"\r\n--B--\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "


def post(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def filled(begin: bytes, piece: bytes, end: bytes, size: int) -> bytes:
    return begin + piece * ((size - len(begin) - len(end)) // len(piece)) + end


def frames(payload: bytes, count: int) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET / HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{key}\r\n\r\n"
    return head.encode() + (b"\x81" + length + bytes(4) + payload) * count


def json_of(piece: bytes, size: int, path: str = "/submit_task", end: bytes = NAMED_LAST) -> Callable[[], bytes]:
    return lambda: post(path, JSON, filled(b'{"x":[', piece, b"1" + end, size))


KINDS: dict[str, Callable[[], bytes]] = {
    "floor": lambda: post("/is_alive", JSON, filled(b'{"x":[', b"{},", b"1]}", 1_200_000)),
    "objects, 1.2 MB": json_of(b"{},", 1_200_000),
    "objects, 10 MB": json_of(b"{},", 10_000_000),
    "strings, 10 MB": json_of(b'"",', 10_000_000),
    "names, 10 MB": json_of(b'{"a":"\\"",', 10_000_000),
    "who is named 400,000 times": json_of(b'"USED_AGENT_ID":"x",', 8_000_000),
    "objects to ask for a unit, 64 KiB": json_of(b"{},", 65_000, "/request_agent", b"]}"),
    "numbers in a report, 64 KiB": json_of(b"1e-300,", 65_000, "/log_error", b"]}"),
    "objects of nobody, 16 KiB": json_of(b"{},", 16_000, "/submit_metadata", b"]}"),
    "parts, 24 MB": lambda: post("/submit_task", FORM, filled(b"", PART, b"--B--\r\n", 24_000_000)),
    "parts, 300 kB, few": lambda: post(
        "/submit_task", FORM, PART * 190 + filled(FILE, b"x", b"\r\n--B--\r\n", 290_000)
    ),
    "parts, 16 KiB": lambda: post("/submit_metadata", FORM, filled(b"", PART, b"--B--\r\n", 16_000)),
    "a file of nobody, 20 MB": lambda: post("/submit_task", FORM, filled(FILE, b"\r\n--A", END, 20_000_000)),
    "frames, 60 kB": lambda: frames(b'{"x":[' + b"{}," * 20_000 + b"1]}", 40),
    "frames, 100 bytes": lambda: frames(b'{"packet_type":"odd","x":[' + b"{}," * 20 + b"1]}", 10_000),
}


async def pause(seconds: float) -> None:
    """Keep to the rate that is measured."""
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, over.set_result, None)
    await over


async def attack(kind: str, port: int, seconds: float) -> int:
    """Send one kind again and again over several links, at so many bytes a second; return how many were sent."""
    data, sent, end = KINDS[kind](), 0, time.monotonic() + seconds
    began = time.monotonic()

    async def link() -> None:
        nonlocal sent
        while time.monotonic() < end:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                listening = asyncio.create_task(reader.read(-1))
                try:
                    for start in range(0, len(data), 65536):
                        piece = data[start : start + 65536]
                        await pause(max(0.0, sent / RATE - (time.monotonic() - began)))
                        if listening.done() or time.monotonic() > end:
                            break
                        writer.write(piece)
                        await writer.drain()
                        sent += len(piece)
                finally:
                    listening.cancel()
                    writer.transport.abort()

    await asyncio.gather(*(link() for _ in range(LINKS)))
    return sent


async def watch(address: str, agent: str, stop: asyncio.Event) -> tuple[float, list[float]]:
    """Return how long the slowest ping took, and how long a worker's messages took, all in milliseconds."""
    slowest, took = 0.0, []
    async with aiohttp.ClientSession() as session:
        while not stop.is_set():
            started = time.perf_counter()
            async with session.get(f"http://{address}/is_alive") as answer:
                await answer.read()
            slowest = max(slowest, 1000 * (time.perf_counter() - started))
            started = time.perf_counter()
            body = {"USED_AGENT_ID": agent, "metadata": {"mood": "calm"}}
            async with session.post(f"http://{address}/submit_metadata", json=body) as answer:
                await answer.read()
            took.append(1000 * (time.perf_counter() - started))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.02)
    return slowest, took


def spent(pid: int) -> float:
    """Return the seconds of the processor that a process has had (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """Seconds of a router's processor for a megabyte, its slowest ping and a worker's p95; and these two in calm."""

    cpu: float
    slowest: float
    worker: float
    calm_slowest: float
    calm_worker: float


async def measure(kind: str) -> Measured:
    """Let strangers send one kind to a router of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder))
        router = RouterProcess(Path(folder))
        try:
            async with shake_hands(router.address) as operator:
                agent, process, stop = await operator.give_agent(), router.process.pid, asyncio.Event()
                command = [sys.executable, "-m", "tests.benchmarks.strangers_bench", kind, str(router.line["port"])]
                # What the worker and the pings cost themselves, in the same time, is not for the strangers.
                before, watching = spent(process), asyncio.create_task(watch(router.address, agent, stop))
                await pause(SECONDS / 2)
                own = 2 * (spent(process) - before)
                stop.set()
                calm, calm_took = await watching
                stop.clear()
                before, watching = spent(process), asyncio.create_task(watch(router.address, agent, stop))
                running = await asyncio.create_subprocess_exec(*command, str(SECONDS), stdout=asyncio.subprocess.PIPE)
                output, _ = await running.communicate()
                stop.set()
                slowest, took = await watching
                cpu = max(0.0, spent(process) - before - own) / (int(output) / 1e6)
                return Measured(cpu, slowest, p95(took), calm, p95(calm_took))
        finally:
            router.kill()


def figures_of(kind: str, one: Measured, floor: float) -> Iterator[Figure]:
    cpu, most = 1000 * one.cpu, f"≤ {1000 * MOST_CPU:.0f}"
    yield Figure(f"strangers' {kind}: router", cpu, "ms/MB", 1000 * floor, "bytes refused unread", most)
    yield Figure(f"{kind}: slowest ping", one.slowest, "ms", one.calm_slowest, "nobody sends", f"≤ {MOST_HELD:.0f}")
    yield Figure(f"{kind}: a worker's p95", one.worker, "ms", one.calm_worker, "nobody sends", f"≤ {MOST_P95:.0f}")


async def strangers() -> list[Figure]:
    floor = (await measure("floor")).cpu
    return [figure for kind in KINDS if kind != "floor" for figure in figures_of(kind, await measure(kind), floor)]


if __name__ == "__main__":  # one kind, sent to a router
    print(json.dumps(asyncio.run(attack(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
