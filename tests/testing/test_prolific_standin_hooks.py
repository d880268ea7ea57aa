"""Hooks of the stand-in: confirmed, signed, delivered again, and as unreliable as they are told to be."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from mephisto_nb.testing.prolific import ProlificStandIn, StandInSettings
from tests.prolific import Asker, hand_in

DAY = 86_400


class Receiver:
    """Takes deliveries, or refuses them."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.came.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made, app = Receiver(), web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


async def subscribe(ask: Asker, receiver: Receiver, event: str = "study.status.change") -> tuple[str, str]:
    """Subscribe and confirm; return the subscription's id and the secret."""
    workspace = ask.prolific.workspace_id
    secret = (await ask("POST", "/hooks/secrets/", {"workspace_id": workspace}))[1]["value"]
    body = {"workspace_id": workspace, "event_type": event, "target_url": receiver.url}
    headers = {"Authorization": f"Token {ask.prolific.token.reveal()}"}
    url = f"{ask.prolific.url}/api/v1/hooks/subscriptions/"
    async with ask.session.post(url, json=body, headers=headers) as answer:
        made, handshake = await answer.json(), answer.headers["X-Hook-Secret"]
    assert made["is_enabled"] is False
    path = f"/hooks/subscriptions/{made['id']}/"
    assert (await ask("POST", path, {"secret": "no"}))[0] == 400
    assert (await ask("POST", path, {"secret": handshake}))[1]["is_enabled"] is True
    return made["id"], secret


async def test_a_subscription_needs_a_secret_and_a_good_address(prolific: ProlificStandIn, ask: Asker) -> None:
    body = {"workspace_id": prolific.workspace_id, "event_type": "study.status.change"}
    answers = []
    for target in ("https://lab.example.org/h", "http://lab.example.org/h"):
        answers.append((await ask("POST", "/hooks/subscriptions/", {**body, "target_url": target}))[0])
        await ask("POST", "/hooks/secrets/", {"workspace_id": prolific.workspace_id})
    assert answers == [400, 400]


@pytest.mark.parametrize("settings", [StandInSettings(loopback_hooks=False)])
async def test_hooks_may_be_held_to_public_addresses(prolific: ProlificStandIn, ask: Asker) -> None:
    body = {"workspace_id": prolific.workspace_id, "event_type": "study.status.change"}
    await ask("POST", "/hooks/secrets/", {"workspace_id": prolific.workspace_id})
    assert (await ask("POST", "/hooks/subscriptions/", {**body, "target_url": "https://127.0.0.1/h"}))[0] == 400
    assert (await ask("POST", "/hooks/subscriptions/", {**body, "target_url": "https://lab.example.org/h"}))[0] == 201


async def test_deliveries_are_signed_by_time_and_body(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    _, secret = await subscribe(ask, receiver)
    study_id = await ask.publish()
    await prolific.settled()
    headers, body = receiver.came[0]
    signed = headers["x-prolific-request-timestamp"].encode() + body
    digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
    assert headers["x-prolific-request-signature"] == base64.b64encode(digest).decode()
    assert study_id in body.decode()
    assert len({one["x-event-id"] for one, _ in receiver.came}) == 2  # PUBLISHING, ACTIVE


async def test_a_submissions_event_does_not_say_which_study(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    await subscribe(ask, receiver, "submission.status.change")
    study_id = await ask.publish()
    one = hand_in(prolific, study_id)
    await prolific.settled()
    assert len(receiver.came) == 3  # RESERVED, ACTIVE, AWAITING REVIEW
    assert one in receiver.came[-1][1].decode()
    assert study_id not in receiver.came[-1][1].decode()


async def test_a_failed_delivery_comes_again_with_its_id(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    hook_id, _ = await subscribe(ask, receiver)
    receiver.status = 500
    await ask.study()
    made = await ask.study()
    await ask("POST", f"/studies/{made['id']}/transition/", {"action": "PUBLISH"})
    await prolific.settled()
    receiver.status = 200
    await prolific.pass_time(70)
    ids = [headers["x-event-id"] for headers, body in receiver.came if b"PUBLISHING" in body]
    assert (len(ids), len(set(ids))) == (2, 1)
    log = (await ask("GET", f"/hooks/subscriptions/{hook_id}/events/"))[1]["results"]
    assert {row["status"] for row in log} == {"SUCCEEDED"}


async def test_nobody_answers_and_it_is_given_up(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    hook_id, _ = await subscribe(ask, receiver)
    receiver.status = 503
    made = await ask.study()
    await ask("POST", f"/studies/{made['id']}/transition/", {"action": "PUBLISH"})
    await prolific.pass_time(10 * DAY)
    log = (await ask("GET", f"/hooks/subscriptions/{hook_id}/events/", status="FAILED"))[1]["results"]
    assert (len(log), len(receiver.came)) == (2, 24)


async def test_who_fails_for_five_days_is_switched_off(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    hook_id, _ = await subscribe(ask, receiver)
    receiver.status = 503
    enabled = []
    for _ in range(4):
        await ask.publish()
        await prolific.pass_time(2 * DAY)
        enabled.append((await ask("GET", f"/hooks/subscriptions/{hook_id}/"))[1]["is_enabled"])
    assert enabled == [True, True, False, False]
    assert (await ask("PATCH", f"/hooks/subscriptions/{hook_id}/", {"is_enabled": True}))[1]["is_enabled"] is True


async def test_hooks_are_dropped_doubled_and_late_on_demand(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    await subscribe(ask, receiver)
    prolific.mishaps.hooks_dropped = 1.0
    await ask.publish()
    await prolific.settled()
    assert receiver.came == []
    prolific.mishaps.hooks_dropped, prolific.mishaps.hooks_doubled, prolific.mishaps.hooks_late = 0.0, 1.0, 600.0
    for _ in range(4):
        await ask.publish()
    await prolific.pass_time(700)
    ids = [headers["x-event-id"] for headers, _ in receiver.came]
    times = [float(headers["x-timestamp"]) for headers, _ in receiver.came]
    assert (len(ids), len(set(ids))) == (16, 8)
    assert times != sorted(times)


async def test_a_new_secret_replaces_the_old_one_at_once(prolific: Any, ask: Asker, receiver: Receiver) -> None:
    hook_id, secret = await subscribe(ask, receiver)
    made = (await ask("POST", "/hooks/secrets/", {"workspace_id": prolific.workspace_id}))[1]
    listed = (await ask("GET", "/hooks/secrets/"))[1]["results"]
    assert [row["value"] for row in listed] == [made["value"]] != [secret]
    assert (await ask("PATCH", f"/hooks/subscriptions/{hook_id}/", {"is_enabled": False}))[1]["is_enabled"] is False
    assert (await ask("GET", "/hooks/subscriptions/"))[1]["results"] == []
    assert len((await ask("GET", "/hooks/subscriptions/", is_enabled="false"))[1]["results"]) == 1
    assert (await ask("DELETE", f"/hooks/subscriptions/{hook_id}/"))[0] == 204
