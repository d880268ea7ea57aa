"""Strangers cannot fill the disk: not with error reports, nor by giving cause for lines in the log."""

import asyncio
import logging

from mephisto_nb.router.__main__ import LogQuota
from tests.router.harness import Browser, shake_hands
from tests.security.strangers import Stranger


async def test_error_reports_that_nobody_fetches_are_bounded(start_router, session):
    router = start_router(limits={"errors_kept": 3, "errors_per_second": 1000})
    browser = Browser(router.address, session)
    codes = [(await browser.post("/log_error", {"error_data": f"{number}"}))[0] for number in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    async with shake_hands(router.address) as operator:
        await operator.forget_the_past()
        assert (await browser.post("/log_error", {"error_data": "new"}))[0] == 200


async def test_nonsense_fills_no_log(start_router):
    router = start_router()
    for _ in range(20):
        await asyncio.gather(*(talk_nonsense(router.line["port"]) for _ in range(20)))
    assert len(router.log.splitlines()) < 320


async def talk_nonsense(port):
    async with Stranger.come(port) as stranger:
        await stranger.send(b"NONSENSE\r\n\r\n")
        assert await stranger.status() == 400


def test_a_full_quota_tells_later_how_much_was_left_out(caplog, monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    caplog.handler.addFilter(quota := LogQuota(rate=1, burst=2))
    try:
        for _ in range(5):
            caplog.records.clear()
            log_warning()
        now = 1.0
        log_warning()
    finally:
        caplog.handler.removeFilter(quota)
    assert caplog.messages == ["odd (3 lines before it were left out)"]


def log_warning():
    logging.getLogger("mephisto_nb.test").warning("odd")
