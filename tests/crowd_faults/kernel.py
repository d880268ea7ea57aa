"""A kernel in which a researcher decides on answers; it is forked in a moment, and may be killed at any.

Stands alone because it runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from functools import partial
from typing import Any

from mephisto_nb.money.paying import GIVEN_UP_AFTER
from mephisto_nb.operator import Operator
from mephisto_nb.providers.prolific import ProlificProvider, transport
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
        told = asyncio.run(_research(order))
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
