"""A kernel that drives a study, or in which a researcher decides on answers; it may be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from functools import partial
from typing import Any

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import MephistoError, NotFoundError
from mephisto_nb.money.paying import GIVEN_UP_AFTER
from mephisto_nb.operator import Operator
from mephisto_nb.providers.prolific import ProlificProvider, transport
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock

#: Nobody waits long in a test: neither for an answer, nor before a second try.
_PATIENCE = partial(transport.ApiPatience, attempts=4, first_wait=0.01, longest_wait=0.03, timeout=1.0)


def run(order: dict[str, Any]) -> None:
    """Do what an order says, and end; what came of it is written to the socket that it names."""
    logging.disable(logging.CRITICAL)
    assert ProlificProvider.PROVIDER_TYPE == "prolific"
    transport.ApiPatience = _PATIENCE  # type: ignore[misc, assignment]
    os.environ.update(order["environment"])
    with socket.create_connection(("127.0.0.1", order["port"])) as line:
        line.sendall(f"{json.dumps({'pid': os.getpid(), 'seed': order['seed']})}\n".encode())
        told = asyncio.run(_drive(order, line) if order.get("task") else _research(order))
        line.sendall(f"{json.dumps(told)}\n".encode())
    os._exit(0)


async def _research(order: dict[str, Any]) -> dict[str, Any]:
    clock = FakeClock(order["now"])
    operator = Operator(data_dir=order["data_dir"], clock=clock)
    run_ = operator.get_task_run(order["run"])
    try:
        for payment_id, paid in order.get("settle", {}).items():
            await operator.ledger.settle(payment_id, paid=paid, who="a person")
        for decision in order.get("decisions", ()):
            act = getattr(run_.review, decision["verdict"])
            await act(worker=decision["worker"], **decision["extras"])
        troubles = await run_.review.tell_crowd()
        ledger = operator.ledger()
        names = ["payment_id", "worker_name", "kind", "amount", "fees", "status", "in_doubt"]
        rows = ledger[names].astype(object).where(ledger[names].notna(), None).to_dict("records")
        return {"troubles": troubles, "ledger": rows, "given_up_after": GIVEN_UP_AFTER}
    finally:
        await operator.detach()


async def _drive(order: dict[str, Any], line: socket.socket) -> dict[str, Any]:
    """Launch a run of a task, or take it up again, and drive it to its end; decide on answers as one is told."""
    operator = Operator(data_dir=order["data_dir"])
    reader, writer = await asyncio.open_connection(sock=line.dup())
    try:
        if order["run"] is None:
            run_ = await operator.launch_task_run(compose("mock", provider="prolific", **order["task"]), order["units"])
        else:
            run_ = await operator.reconnect(order["run"])
    except NotFoundError:  # the last kernel had ended it just before it was killed
        return {"over": True}
    writer.write(f"{json.dumps({'run': run_.task_run_id, 'url': run_.url})}\n".encode())
    deciding = asyncio.create_task(_decide(run_, reader))
    await run_.completed()
    await operator.shutdown()
    deciding.cancel()
    return {"over": True}


async def _decide(run_: TaskRun, reader: asyncio.StreamReader) -> None:
    while line := await reader.readline():
        decision = json.loads(line)
        with contextlib.suppress(MephistoError):  # it is decided again later, and said then
            await getattr(run_.review, decision["verdict"])(worker=decision["worker"], **decision["extras"])
