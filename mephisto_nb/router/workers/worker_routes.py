"""What workers' browsers post: nothing is acknowledged before it is on the disk.

A submission goes straight: `BodyReader` reads it, `Claim.add` checks that there is room, and `Store.run` returns once
its message, and what that counts, are committed. Errors are raised and become answers in `answers.ERROR_HANDLERS`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import STRANGERS_REPORT, SYSTEM_SUBJECT, Packet, PacketType, cut_report
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router import codec
from mephisto_nb.router.core import Router
from mephisto_nb.router.http.answers import Refused, bad_request, json_answer, json_text
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.writes import Message
from mephisto_nb.router.intake.bodies import BodyReader, agent_id_of
from mephisto_nb.router.intake.shares import REPORT_SECONDS
from mephisto_nb.router.rules import CLOSED_TEXT, InboxClosed, SubmissionResult, TokenBucket
from mephisto_nb.router.workers.hub import Answer

#: How much is told of an answer that comes after the one that counts.
_LONGEST_OTHER = 4000
_WRITTEN_AGAIN = 48 * 1024
_ANSWER = '"final_data":'
#: Why a worker may say that they return a task.
_REASONS = ("no_consent",)
#: Why a second answer, which is another than the first, is not taken.
ALREADY_SENT = "already_sent"
_ALREADY_SENT_TEXT = (
    "An answer to this task has arrived already, perhaps from another window, and that one is kept. "
    "What was sent now is another one, and was not taken."
)

log = logging.getLogger(__name__)


class WorkerRoutes:
    """The routes of the Mephisto 1.x browser packages, and ``/return_unit``."""

    def __init__(self, router: Router, bodies: BodyReader) -> None:
        self._router, self._store, self._bodies = router, router.store, bodies
        rate = router.config.limits.errors_per_second
        #: What those have left who are no agent.
        self._errors = TokenBucket(rate, rate * REPORT_SECONDS, time.monotonic())

    def routes(self) -> list[Route]:
        """Return the routes."""
        handlers = {
            "/request_agent": self.request_agent,
            "/submit_onboarding": self.submit_onboarding,
            "/submit_task": self.submit_task,
            "/submit_metadata": self.submit_metadata,
            "/return_unit": self.return_unit,
            "/log_error": self.log_error,
        }
        return [Route(path, handler, methods=["POST"]) for path, handler in handlers.items()]

    async def request_agent(self, request: Request) -> Response:
        """Ask for an agent; the request stays open until the operator has answered."""
        body = await self._bodies.small_object(request)
        provider_data = _provider_data(body)
        came_by = provider_data.get("parameters")
        request_id, answer = self._router.registrations.open(_whom(provider_data), came_by=came_by)
        try:
            if answer.done():
                return json_text(await answer)
            data = {"provider_data": provider_data, "request_id": request_id}
            message = _message(PacketType.REGISTER_AGENT, request_id, data)
            try:
                seq = await self._store.run(lambda txn: txn.post(message), partial(self._on_request, request_id))
            except (DatabaseError, InboxClosed):
                if answer.done():  # the run came to its end meanwhile
                    return json_text(await answer)
                raise
            return await self._answer(request, answer, seq)
        finally:
            self._router.registrations.close(request_id)

    async def submit_onboarding(self, request: Request) -> Response:
        """Hand in an onboarding; answered like `request_agent`."""
        body, text = await self._bodies.json_object(request)
        provider_data = _provider_data(body)
        agent_id = agent_id_of(provider_data)
        agent = self._store.agent(agent_id)
        if agent is None:
            raise self._router.roll.unknown()
        if agent.status in CLOSED_TEXT:
            raise _closed(agent.status)
        request_id, answer = self._router.registrations.open(self._router.shares.person_of(agent_id), is_known=True)
        try:
            rest = {key: value for key, value in provider_data.items() if key != "USED_AGENT_ID"}
            data = {**rest, "onboarding_data": rest.get("onboarding_data"), "request_id": request_id}
            # Kept even if the browser no longer waits for the answer: it is work that was done.
            with self._router.quota.claim(agent_id) as claim:
                content, kind = data["onboarding_data"], PacketType.SUBMIT_ONBOARDING
                work = partial(_sealed, kind, agent_id, data, content, gently=text.is_heavy)
                message, digest = await self._router.desk.do(work, text.size, agent_id)
                message = claim.add(message)
                self._check_taken(
                    agent_id, await self._store.run(lambda txn: writes.hand_in(txn, agent_id, message, digest))
                )
                claim.keep()
            return await self._answer(request, answer, None)
        finally:
            self._router.registrations.close(request_id)

    async def submit_task(self, request: Request) -> Response:
        """Hand in the final answer, as JSON or as a form with files."""
        async with self._bodies.form(request, final=True) as form:
            agent_id = form.agent_id()
            answer = form.answer()
            data, content = form.packet_data("final_data", answer), form.content(answer)
            work = partial(_sealed, PacketType.SUBMIT_UNIT, agent_id, data, content, gently=form.is_heavy)
            message, digest = await self._router.desk.do(work, form.size, agent_id)
            message = form.claim.add(message)
            other = _message(PacketType.SUBMIT_UNIT, agent_id, _told_of_other(message, answer))
            result, sealed = await self._store.run(
                lambda txn: writes.submit_and_leave(txn, agent_id, message, digest, other)
            )
            leave = {"exit": json.loads(sealed)} if sealed else {}
            if result is SubmissionResult.DUPLICATE:
                form.unwanted = True
                return json_answer({"status": "Submitted!", "duplicate": True, **leave})
            self._check_taken(agent_id, result)
            form.claim.keep()
            return json_answer({"status": "Submitted!", **leave})

    async def submit_metadata(self, request: Request) -> Response:
        """Hand in what a worker says about a task, such as an opinion of it."""
        async with self._bodies.form(request, final=False) as form:
            agent_id = form.agent_id()
            said = form.object("metadata")
            data, content = form.packet_data("metadata", said), form.content(said)
            work = partial(_sealed, PacketType.SUBMIT_METADATA, agent_id, data, content, gently=form.is_heavy)
            message, digest = await self._router.desk.do(work, form.size, agent_id)
            message = form.claim.add(message)
            result = await self._store.run(lambda txn: writes.tell(txn, agent_id, message, digest))
            if result is SubmissionResult.DUPLICATE:  # its page did not hear that it was taken
                form.unwanted = True
                return json_answer({"status": "Submitted metadata", "duplicate": True})
            form.claim.keep()
            return json_answer({"status": "Submitted metadata"})

    async def return_unit(self, request: Request) -> Response:
        """Return the task: its worker does not want to go on with it; ``reason`` may say why."""
        body, _ = await self._bodies.json_object(request, self._router.config.limits.small_body)
        agent_id = agent_id_of(body)
        reason = body.get("reason")
        said = {"reason": reason} if isinstance(reason, str) and reason in _REASONS else {}
        message = _message(PacketType.RETURN_UNIT, agent_id, said)
        result = await self._store.run(lambda txn: writes.return_unit(txn, agent_id, message))
        agent = self._store.agent(agent_id)
        if result is SubmissionResult.CLOSED and agent is not None and agent.is_returned:
            raise _closed(agent.status, duplicate=True)  # its page did not hear that it was
        self._check_taken(agent_id, result)
        self._router.send_status(agent_id)
        return json_answer({"status": "Returned!"})

    async def log_error(self, request: Request) -> Response:
        """Report an error of the page."""
        body = await self._bodies.small_object(request)
        router, named = self._router, body.get("USED_AGENT_ID")
        agent_id = named if codec.is_id(named) and self._store.agent(named) is not None else ""
        self._check_may_report(agent_id)
        error = body.get("error_data")
        told = error if isinstance(error, dict) else {"error_data": error}
        # What would not be kept takes nobody's room.
        data = cut_report(told) if agent_id else cut_report(told, STRANGERS_REPORT)
        most, person = router.config.limits.errors_kept, ""
        if agent_id:
            most, person = router.shares.of(most), router.shares.person_of(agent_id)
        subject = agent_id or SYSTEM_SUBJECT
        with router.quota.claim(subject) as claim:
            message, digest = _sealed(PacketType.LOG_ERROR, subject, data, data)
            message = claim.add(message)
            result = await self._store.run(lambda txn: writes.report(txn, message, most, person, agent_id, digest))
            if result is SubmissionResult.CLOSED:
                raise _too_many_errors()
            if result is SubmissionResult.TAKEN:
                claim.keep()
        return json_answer({"status": "Error log sent!"})

    def _check_may_report(self, agent_id: str) -> None:
        """Raise `Refused` if an agent's person, or those who are no agent, have reported enough for now."""
        if agent_id:
            self._router.shares.check(agent_id)
        may = self._router.shares.may_report(agent_id) if agent_id else self._errors.take(time.monotonic())
        if not may:
            raise _too_many_errors()

    async def _answer(self, request: Request, answer: Answer, seq: int | None) -> Response:
        """Wait for the operator's answer, or for the browser to go away."""
        leaving = asyncio.create_task(_departure(request.receive))
        try:
            either: set[asyncio.Future[str] | asyncio.Future[None]] = {answer, leaving}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                if seq is not None and self._router.registrations.has_given_way(answer):
                    await self._withdraw(seq)
                return json_text(await answer)
            if seq is not None:
                await self._withdraw(seq)
            return Response(status_code=204)
        finally:
            leaving.cancel()

    def _on_request(self, request_id: str, seq: int) -> None:
        """Take a request back that is sure to be in the inbox only when nobody waits for its answer any more."""
        if not self._router.registrations.is_waiting(request_id):
            self._router.write_later(partial(self._withdraw, seq))

    async def _withdraw(self, seq: int) -> None:
        """Delete a request for an agent whose browser has gone, unless it was sent to the operator already."""
        if self._router.link.has_sent(seq):
            return
        try:
            await self._store.run(lambda txn: writes.withdraw(txn, seq))
        except DatabaseError as error:
            log.warning("A request stays in the inbox although its sender is gone: %s", error)

    def _check_taken(self, agent_id: str, result: SubmissionResult) -> None:
        """Raise `Refused` if the agent is unknown, or its task is closed."""
        if result is SubmissionResult.UNKNOWN:
            raise self._router.roll.unknown()
        if result is SubmissionResult.OTHER:
            raise Refused(409, ALREADY_SENT, _ALREADY_SENT_TEXT, duplicate=True)
        if result is SubmissionResult.CLOSED:
            agent = self._store.agent(agent_id)
            raise _closed(agent.status if agent else None)


def _message(packet_type: PacketType, subject_id: str, data: JSONObject, *, gently: bool = False) -> Message:
    """Return a message for the operator; raise `Refused` if it holds a number that JSON does not know."""
    try:
        return writes.message_of(Packet(packet_type, subject_id, data), gently=gently)
    except ValueError:
        raise bad_request("This holds a number that is too large.") from None


def _sealed(
    packet_type: PacketType, subject_id: str, data: JSONObject, content: JSON, *, gently: bool = False
) -> tuple[Message, bytes]:
    """Return a message, and what tells its content from any other; raise `Refused` as `_message` does."""
    message = _message(packet_type, subject_id, data, gently=gently)
    return message, writes.digest_of(content, gently=gently)


def _told_of_other(message: Message, answer: JSON) -> JSONObject:
    """Return what is told of an answer that comes after the one that counts: its beginning."""
    if len(message.text) > _WRITTEN_AGAIN:
        # It is taken from the text that there is: to write it once more takes its time. Before it come two ids.
        start = message.text.index(_ANSWER) + len(_ANSWER)
        text = message.text[start : start + _LONGEST_OTHER]
    else:
        text = codec.dump(answer)
    return {"final_data": text[:_LONGEST_OTHER], "files": []}


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _whom(provider_data: JSONObject) -> str:
    """Return what tells those who ask for a unit apart, whatever crowd they are of: all but the number of the visit.

    A name is anybody's to say, but not its key: who has another, or none, is not counted as its owner.
    """
    name = provider_data.get("worker_name")
    if isinstance(name, str):
        return f"asks as {writes.digest_of([name, provider_data.get('worker_key')]).hex()}"
    rest = {key: value for key, value in provider_data.items() if key != "agent_registration_id"}
    return f"asks with {writes.digest_of(rest).hex()}" if rest else ""


def _provider_data(body: JSONObject) -> JSONObject:
    provider_data = body.get("provider_data")
    if not isinstance(provider_data, dict):
        raise bad_request("'provider_data' must be a JSON object.")
    return provider_data


def _too_many_errors() -> Refused:
    return Refused(429, "busy", "Too many errors were reported.", retry_after=10)


def _closed(status: AgentStatus | None, *, duplicate: bool = False) -> Refused:
    text = CLOSED_TEXT.get(status) if status is not None else None
    text = text or "This task has been handed in already. You can close this page."
    return Refused(409, "closed", text, duplicate=duplicate)
