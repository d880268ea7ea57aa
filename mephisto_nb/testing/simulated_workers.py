"""Workers who are not there: they speak the real protocol to a real router, to rehearse a task before paying anyone."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import RouterError, UsageError
from mephisto_nb.model.gates import ONBOARDING_PREFIX
from mephisto_nb.model.records import LINK
from mephisto_nb.model.states import AGENT_LEFT
from mephisto_nb.testing.page_client import BorrowedClient, PageAnswer, PageClient, PageSocket
from mephisto_nb.utils.calling import awaited, brief

#: ``answer(data) -> answer`` of one unit, plain or async: gets the unit's ``init_task_data``.
AnswerFunction: TypeAlias = Callable[[Any], JSON | Awaitable[JSON]]

_GIVE_UP_AFTER = 60.0


class Run(Protocol):
    """What workers have to know of a run: where it is served, and the link of each of them."""

    @property
    def url(self) -> str:
        """The router's URL."""

    def get_worker_url(self, worker_name: str) -> str:
        """Return the link of the worker of this name."""


@brief
@dataclass(slots=True)
class Report:
    """What happened to simulated workers.

    `submitted` holds, by agent id, the answers that the router said it had received; `dropped` the agents that
    were left without an answer; `refusals` why workers got no (more) units, by worker, and `codes` the same for
    programs; `not_believed` those of them whose link did not show who they are. `introduced` holds what was handed in
    at introductions, by onboarding agent.
    """

    submitted: dict[str, JSON] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    not_believed: set[str] = field(default_factory=set)
    introduced: dict[str, JSON] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SimulatedWorker:
    """One worker's browser: opens the page, takes units, thinks, answers, or leaves.

    Parameters
    ----------
    name
        The worker's name.
    url
        The router's URL, as in `run.url`.
    session
        What to send requests with.
    patience
        For how long a request is tried again while the router cannot be reached, in seconds.
    link
        The link that this worker was sent. Without one, the name has to be believed.
    """

    name: str
    url: str
    session: PageClient
    patience: float = _GIVE_UP_AFTER
    link: str = field(default="", repr=False)

    async def register(self, registration: str | None = None) -> JSONObject:
        """Ask for a unit; give what the page gets: ``agent_id``, ``init_task_data``, ``failure_reason`` ..."""
        assignment = registration or secrets.token_hex(8)
        provider_data: JSONObject = {
            "worker_name": self.name,
            "agent_registration_id": f"{assignment}-{self.name}",
            "assignment_id": assignment,
            "provider_type": LINK,
            "is_simulated": True,
        }
        where = urlsplit(self.link)
        if key := dict(parse_qsl(where.fragment)).get("key"):
            provider_data["worker_key"] = key
        if self.link:  # as pages of crowds send it that put their own ids into the address
            parameters = dict(parse_qsl(where.query, keep_blank_values=True)) | ({"key": key} if key else {})
            provider_data |= {"parameters": parameters, "query": where.query}
        packet = await self.post("/request_agent", {"provider_data": provider_data})
        return _with_whole_numbers(packet["data"])

    async def submit(self, agent_id: str, answer: JSON) -> JSONObject:
        """Send an answer; it counts as received only when this returns."""
        return await self.post("/submit_task", {"USED_AGENT_ID": agent_id, "final_data": answer})

    async def hand_in(self, agent_id: str, answer: JSON) -> JSONObject:
        """Hand in an introduction; give what the page gets then, as `register` does."""
        content = {"USED_AGENT_ID": agent_id, "onboarding_data": answer}
        packet = await self.post("/submit_onboarding", {"provider_data": content})
        return _with_whole_numbers(packet["data"])

    async def submit_form(self, agent_id: str, answer: JSON, files: dict[str, bytes]) -> JSONObject:
        """Send an answer with files, by the names of their inputs."""
        fields = {"USED_AGENT_ID": agent_id, "final_string_data": json.dumps(answer)}
        return await self.post("/submit_task", fields, files)

    async def give_back(self, agent_id: str) -> JSONObject:
        """Return a unit."""
        return await self.post("/return_unit", {"USED_AGENT_ID": agent_id})

    async def post(self, path: str, content: JSON, files: Mapping[str, bytes] | None = None) -> JSONObject:
        """Send a request until the router answers it, as a page would; with `files`, as a form.

        Raises
        ------
        RouterError
            The router refused it, or did not answer for `patience` seconds.
        """
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self.patience, 0.05
        while True:
            try:
                answer = await self._send(address_of(self.url, path), content, files)
                if answer.status < 500:
                    return _read(path, answer)
                problem = f"status {answer.status}"
            except ConnectionError as error:
                problem = repr(error)
            if loop.time() + pause > until:
                raise RouterError(f"POST {path} was not answered for {self.patience:g} s: {problem}")
            await asyncio.sleep(pause)
            pause = min(1.0, 2 * pause)

    async def _send(self, url: str, content: JSON, files: Mapping[str, bytes] | None) -> PageAnswer:
        if files is None:
            return await self.session.post_json(url, content)
        return await self.session.post_form(url, content, files)


#: Why a page gets nothing whose visit has ended; another one may begin.
_VISIT_OVER = "visit_over"
#: How long giving a unit back may take where it is not done (seconds).
_GIVEN_BACK_WITHIN = 2.0


@awaited
async def simulate_workers(
    run: Run | str,
    answer: AnswerFunction,
    *,
    num_workers: int = 5,
    units_per_worker: int | None = None,
    thinking_time: float | tuple[float, float] = 0.0,
    drop_out_rate: float = 0.0,
    seed: int = 0,
    name: str = "simulated",
    onboarding: AnswerFunction | None = None,
    reply: ReplyFunction | None = None,
) -> Report:
    """Let simulated workers do a task, all at once, until there is nothing left for them.

    Parameters
    ----------
    run
        The run, by whose own links they come; or its router's URL, `run.url`, where names are believed
        (``mephisto.provider.signed_links=false``).
    answer
        ``answer(data) -> answer``, plain or async, called once a unit, those of gates among them; `data` is what a
        page is given: of a row, the columns that it uses.
    num_workers
        How many there are; they are called ``NAME-000``, ``NAME-001`` ...
    units_per_worker
        How many units each does at most; None: as many as there are.
    thinking_time
        Seconds that a unit takes, or a range to choose from.
    drop_out_rate
        The share of units that a worker takes and leaves without a word (0 to 1); the worker then goes, too. Of
        conversations, the share that a worker gives back in the middle.
    seed
        Of all that is left to chance.
    onboarding
        ``onboarding(data) -> answer``, called once a worker who is shown an introduction. None: `answer` is.

    reply
        Of a chat, what a worker says: ``reply(messages) -> text``, plain or async, where each message has ``text``,
        ``id`` (who said it) and ``is_own``. It is asked at the beginning, after each message, or when it is one's turn;
        None says nothing, ``{"text": "Bye", "done": True}`` that one is done. `answer` fills in the form at the end.

    Returns
    -------
    Report
        What was sent, and why each worker stopped.

    Raises
    ------
    UsageError
        There was only a URL to come by, and the run does not believe names.

    Examples
    --------
    >>> report = await simulate_workers(run, lambda data: {"label": "cat"}, num_workers=3)  # doctest: +SKIP
    """
    report = Report()
    try:
        async with PageClient() as session, asyncio.TaskGroup() as group:
            for index in range(num_workers):
                worker = make_worker(run, f"{name}-{index:03d}", session)
                chance = random.Random(f"{seed}-{index}")
                habits = _Habits(answer, units_per_worker, thinking_time, drop_out_rate, chance, reply=reply)
                habits.onboarding = onboarding or answer
                group.create_task(_work(worker, habits, report))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the first that failed ended all others: it is what to read
    if report.not_believed and isinstance(run, str):
        raise UsageError(
            "The run did not believe the simulated workers' names, because its links are signed. Give the run itself "
            "instead of its URL: simulate_workers(run, ...). Or launch it with mephisto.provider.signed_links=false."
        )
    return report


def address_of(url: str, path: str) -> str:
    """Return the address of a router's route, wherever a proxy shows it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, fragment=""))


def make_worker(run: Run | str, name: str, session: Any) -> SimulatedWorker:
    """Make the worker of this name, who comes by their own link if `run` is no mere URL.

    `session` is a `PageClient`, or the ``aiohttp.ClientSession`` that a script has.
    """
    client = session if isinstance(session, PageClient) else BorrowedClient(session)
    if isinstance(run, str):
        return SimulatedWorker(name, run, client)
    return SimulatedWorker(name, run.url, client, link=run.get_worker_url(name))


@dataclass(slots=True)
class _Habits:
    answer: AnswerFunction
    units: int | None
    thinking_time: float | tuple[float, float]
    drop_out_rate: float
    chance: random.Random
    onboarding: AnswerFunction = field(default=lambda data: None)
    reply: ReplyFunction | None = None

    def think(self) -> float:
        """Return how long the next unit takes."""
        if isinstance(self.thinking_time, tuple):
            return self.chance.uniform(*self.thinking_time)
        return self.thinking_time


async def _work(worker: SimulatedWorker, habits: _Habits, report: Report) -> None:
    done, asked, held, visit = 0, None, None, None
    try:
        while habits.units is None or done < habits.units:
            asked = visit or secrets.token_hex(8)
            details = await worker.register(asked)
            agent_id = details["agent_id"]
            if visit is not None and details["failure_code"] == _VISIT_OVER:
                visit = None
                continue
            visit = asked if "visit" in details else None
            if agent_id is not None and agent_id.startswith(ONBOARDING_PREFIX):
                report.introduced[agent_id] = given = await _answer(habits.onboarding, details["init_task_data"])
                details = await worker.hand_in(agent_id, given)
                agent_id = details["agent_id"]
            if agent_id is None:
                report.refusals[worker.name] = details["failure_reason"]
                report.codes[worker.name] = details["failure_code"]
                if details["failure_code"] == "bad_registration":
                    report.not_believed.add(worker.name)
                return
            asked, held = None, agent_id
            await asyncio.sleep(habits.think())
            drops_out = habits.chance.random() < habits.drop_out_rate
            if habits.reply is not None:
                leave_after = habits.chance.randint(1, 3) if drops_out else None
                how = await SimulatedTalk(worker, agent_id, habits.reply, leave_after).to_its_end()
                if how not in (DONE, PARTNER_LEFT):
                    report.dropped.append(agent_id)
                    return
            elif drops_out:
                report.dropped.append(agent_id)
                return
            answer = await _answer(habits.answer, details["init_task_data"])
            await worker.submit(agent_id, answer)
            report.submitted[agent_id], held = answer, None
            done += 1
    except RouterError as error:
        report.errors.append(f"{worker.name}: {error}")
    except BaseException:  # interrupted, or the function that answers has failed: nobody else could do this unit
        with contextlib.suppress(RouterError, TimeoutError):
            async with asyncio.timeout(_GIVEN_BACK_WITHIN):
                if asked is not None:  # and may have got a unit, of which the answer has not come
                    held = (await worker.register(asked))["agent_id"]
                if held is not None and not held.startswith(ONBOARDING_PREFIX):
                    await worker.give_back(held)
        raise


async def _answer(function: AnswerFunction, data: JSON) -> JSON:
    answer = function(data)
    return await answer if isinstance(answer, Awaitable) else answer


def _with_whole_numbers(details: JSONObject) -> JSONObject:
    """Make numbers again of those that were turned into text for browsers."""
    for path in details.get("whole_numbers", []):
        place: Any = details
        last: str | int = "init_task_data"
        for key in path:
            place, last = place[last], key
        place[last] = int(place[last])
    return details


def _read(path: str, answer: PageAnswer) -> JSONObject:
    body: JSONObject = answer.json()
    if answer.status >= 400:
        message = body.get("error", {}).get("message", "no reason given")
        raise RouterError(f"POST {path}: {answer.status} {message}")
    return body


#: ``reply(messages) -> text``, plain or async: what was said so far, each message with ``text`` and ``is_own``. A dict
#: is sent as it is; None says nothing, and where people take turns, that one is done.
ReplyFunction: TypeAlias = Callable[[list[JSONObject]], JSON | Awaitable[JSON]]

#: How a conversation can end for one of those in it, beside the ways of leaving.
DONE, PARTNER_LEFT, LEFT = "done", "partner disconnect", "left"
_PAUSES = 0.1, 1.0


@brief
@dataclass
class SimulatedTalk:
    """One person's side of a conversation.

    Parameters
    ----------
    worker, agent_id
        Who talks.
    reply
        What they say.
    leave_after
        After how many messages they give the task back; None: never.
    """

    worker: SimulatedWorker
    agent_id: str
    reply: ReplyFunction
    leave_after: int | None = None
    #: What was said, in the order in which this one heard it.
    messages: list[JSONObject] = field(default_factory=list)
    #: What the waiting room's page was told, in order.
    waiting: list[JSONObject] = field(default_factory=list)
    _heard: set[str] = field(default_factory=set)
    #: What was said and is not on the router's disk for sure.
    _unsure: list[JSONObject] = field(default_factory=list)
    _is_free: bool = False
    _said: int = 0
    _outcome: str | None = None

    async def to_its_end(self) -> str:
        """Talk, by as many connections as it takes; tell how it ended: `DONE`, `PARTNER_LEFT`, `LEFT` or a status."""
        pause = _PAUSES[0]
        while self._outcome is None:
            try:
                async with self.worker.session.open_socket(self.worker.url) as socket:
                    pause = _PAUSES[0]
                    await self._by(socket)
            except ConnectionError:  # the router went away, or closed the connection
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSES[1])
        return self._outcome

    async def _by(self, socket: PageSocket) -> None:
        await self._send(socket, "alive", {})
        for data in self._unsure:
            await self._send(socket, "mephisto_bound_live_update", data)
        await self._send(socket, "heartbeat", {})
        while self._outcome is None:
            packet = await socket.receive_json()
            data = packet["data"]
            match packet["packet_type"]:
                case "update_status":
                    self._note_status(str(data["status"]))
                case "heartbeat":
                    self._unsure.clear()  # it is answered after all that came before it was written
                    self._note_status(str(data["status"]))
                case "client_bound_live_update":
                    await self._send(socket, "ack", {"update_id": data["update_id"]})
                    if data["update_id"] not in self._heard:
                        self._heard.add(data["update_id"])
                        await self._hear(socket, data)

    def _note_status(self, status: str) -> None:
        if status == PARTNER_LEFT or status in AGENT_LEFT:
            self._outcome = status

    async def _hear(self, socket: PageSocket, data: JSONObject) -> None:
        if isinstance(data.get("waiting_room"), dict):
            self.waiting.append(data["waiting_room"])
            return
        state = data.get("task_data") or {}
        if state.get("task_done"):
            self._outcome = DONE
            return
        is_asked = state.get("live_update_requested") is True
        if data.get("text"):
            self.messages.append({**data, "is_own": False})
        if "agent_display_name" in state:
            self._is_free = is_asked  # or else one is asked each time
        if is_asked or (self._is_free and data.get("text") and not data.get("notice")):
            await self._speak(socket)

    async def _speak(self, socket: PageSocket) -> None:
        said = self.reply(list(self.messages))
        if inspect.isawaitable(said):
            said = await said
        if said is None:
            return
        data: JSONObject = said if isinstance(said, dict) else {"text": str(said)}
        data = {"update_id": secrets.token_hex(8), "id": self.agent_id, **data}
        self._unsure.append(data)
        await self._send(socket, "mephisto_bound_live_update", data)
        await self._send(socket, "heartbeat", {})
        if data.get("text"):
            self.messages.append({**data, "is_own": True})
            self._said += 1
        if self.leave_after is not None and self._said >= self.leave_after:
            await self.worker.give_back(self.agent_id)
            self._outcome = LEFT

    async def _send(self, socket: PageSocket, kind: str, data: Any) -> None:
        await socket.send_json({"packet_type": kind, "subject_id": self.agent_id, "data": data})
