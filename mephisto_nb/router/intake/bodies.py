"""Request bodies: each read at a fair pace, all in bounded memory, and understood as JSON or as a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.requests import Request

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.router import codec
from mephisto_nb.router.config import Limits
from mephisto_nb.router.http.answers import Refused, bad_request, too_large
from mephisto_nb.router.intake.desk import Desk
from mephisto_nb.router.intake.multipart import MultipartReader, Upload, name_files
from mephisto_nb.router.intake.naming import Doorkeeper, Roll, Threshold, nobody, unknown_agent
from mephisto_nb.router.intake.quota import NAMELESS, Claim, DiskQuota
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.rules import SubmissionResult, UnsureError, judge_submission
from mephisto_nb.router.shape import Bounds, Intricate

#: Form fields whose text is JSON; and those that do not count where another is there: a page that appends an object to
#: a form sends its name alone ("[object Object]"), and the JSON beside it.
_JSON_FIELDS = ("final_string_data", "final_data", "metadata", "file_names")
#: A JSON body of so few bytes that names nobody is read nevertheless; and where a body may name its agent first.
_NAMELESS, _BEGINNING = 4 * 1024, 512
#: How much more than all bodies may hold there is for small ones, as a part of it.
_FOR_SMALL = 1 / 4
_TOO_INTRICATE = "This cannot be taken: {}. A file could hold it."
_OUTDONE_BY = {"final_data": "final_string_data"}


class Reading:
    """One body that is on its way, and how much of it is in memory."""

    def __init__(self, readings: Readings, limits: Limits) -> None:
        self._readings, self._limits = readings, limits
        self._wait: asyncio.Timeout | None = None
        self._gave_way = False
        self.held = 0

    async def each_piece(self, request: Request, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand on the body piece by piece.

        Raises
        ------
        Refused
            It comes too slowly, or had to give way to others.
        """
        pieces, clock = request.stream(), asyncio.get_running_loop()
        # Only the time in which nothing comes counts: writing to a slow disk is not the browser's fault.
        left = float(self._limits.body_seconds)
        while True:
            started = clock.time()
            piece = await self._next(anext(pieces, None), left)
            if piece is None:
                self._readings.note_whole(self)
                return
            earned = left - (clock.time() - started) + len(piece) / self._limits.body_rate
            left = min(float(self._limits.body_seconds), earned)
            await take(piece)

    async def _next(self, piece: Awaitable[bytes | None], seconds: float) -> bytes | None:
        try:
            async with asyncio.timeout(seconds) as self._wait:
                return await piece
        except TimeoutError:
            raise self.refusal() from None
        finally:
            self._wait = None

    def hold(self, size: int) -> None:
        """Note that `size` more bytes (or fewer) are in memory; raise `Refused` if that is too much."""
        self.held += size
        self._readings.note(size)
        if self._gave_way:
            raise self.refusal()

    def give_way(self) -> None:
        """Be refused as soon as possible."""
        self._gave_way = True
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())

    def refusal(self) -> Refused:
        """Make the error for what was not read to its end."""
        if self._gave_way:
            return Refused(429, "busy", "Too much is being sent at the moment. Please try again.", retry_after=2)
        return Refused(408, "too_slow", "This was sent too slowly. Please try again.")


class Readings:
    """All bodies that are on their way.

    Where they hold too much, the largest gives way: who sends much and slowly cannot keep the others from sending. One
    that is whole has been waited for, and goes on; who brings something small while such ones wait to be read need not
    wait for them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0
        self._open: set[Reading] = set()

    @contextmanager
    def begin(self) -> Generator[Reading, None, None]:
        """Begin to read a body; what it holds counts until the end of the block."""
        reading = Reading(self, self._limits)
        self._open.add(reading)
        try:
            yield reading
        finally:
            self._open.discard(reading)
            self._held -= reading.held

    def note(self, size: int) -> None:
        """Note that `size` more bytes are in memory; make the largest give way if that is too much."""
        self._held += size
        over = self._held - self._limits.bodies_held
        if over <= 0 or not self._open:
            return
        largest = max(self._open, key=lambda reading: reading.held)
        if largest.held > self._limits.small_body or over > self._limits.bodies_held * _FOR_SMALL:
            self._open.discard(largest)
            largest.give_way()

    def note_whole(self, reading: Reading) -> None:
        """Note that all of a body has come: it counts, and is not asked to give way any more."""
        self._open.discard(reading)


@dataclass(slots=True)
class SubmittedForm:
    """What a request holds: its fields, and the files that came with it.

    The files are removed again if `unwanted` is set, or if the request fails. `claim` is the room on the disk that
    they take, `size` how much text there is (bytes), and `is_heavy` whether that takes
    long to write.
    """

    fields: JSONObject
    claim: Claim
    size: int = 0
    is_heavy: bool = False
    uploads: list[Upload] = field(default_factory=list)
    unwanted: bool = False

    def object(self, name: str) -> JSONObject:
        """Return a field that has to be a JSON object."""
        value = self.fields.get(name)
        if not isinstance(value, dict):
            raise bad_request(f"{name!r} must be a JSON object.")
        return value

    def answer(self) -> JSON:
        """Return what was handed in, of any shape, as Mephisto 1.x takes it: an empty object where it is nothing."""
        value = next((self.fields[name] for name in ("final_string_data", "final_data") if name in self.fields), None)
        return {} if value is None else value

    def agent_id(self) -> str:
        """Return the agent that the request is about."""
        return agent_id_of(self.fields)

    def packet_data(self, kind: str, data: JSON) -> JSONObject:
        """Return a packet's data: what was sent as `kind`, and the files beside it, where no worker can forge them."""
        return {kind: data, "files": [upload.describe() for upload in self.uploads]}

    def content(self, data: JSON) -> JSON:
        """Return what was sent as `data`, and what its files hold: the same whenever the same thing is sent again."""
        files: list[JSON] = [
            [one.fieldname, one.originalname, one.size, one.checksum.hexdigest()] for one in self.uploads
        ]
        return [data, files]


class BodyReader:
    """Reads the bodies of all requests.

    Parameters
    ----------
    limits
        How large they may be.
    folder
        Where files go.
    quota
        How much of the disk they may take.
    roll
        Who is known.
    desk
        Where large bodies are read.
    shares
        What one person may have.
    note_upload
        Called on the loop with the size of files that came, and with why they cannot be stored; None: they are.
    """

    def __init__(
        self,
        limits: Limits,
        folder: Path,
        quota: DiskQuota,
        roll: Roll,
        desk: Desk,
        shares: Shares,
        note_upload: Callable[[int, OSError | None], None] = lambda _size, _error: None,
    ) -> None:
        self._shares, self._note_upload = shares, note_upload
        self._limits, self._folder = limits, folder
        self._quota, self._roll, self._desk = quota, roll, desk
        self._readings = Readings(limits)
        self._doorkeeper = Doorkeeper(roll)

    async def small_object(self, request: Request) -> JSONObject:
        """Read a small body that is one JSON object, and may be a stranger's.

        Raises
        ------
        Refused
            It is none, too large or intricate, or comes too slowly.
        """
        _check_type(request)
        with self._readings.begin() as reading:
            body = await self._whole(request, self._limits.small_body, lambda text: None, reading)
        return self._object(body, self._limits.small_shape)[0]

    async def any_bytes(self, request: Request, limit: int) -> bytes:
        """Read a body of any type, of `limit` bytes at most; raise `Refused` if it is larger, or comes too slowly."""
        with self._readings.begin() as reading:
            return await self._whole(request, limit, lambda text: None, reading)

    async def json_object(self, request: Request, limit: int | None = None) -> tuple[JSONObject, codec.Text]:
        """Read a body that is one JSON object, and names an agent of ours; return it, and what else is known of it.

        Raises
        ------
        Refused
            It is none, too large or intricate, comes too slowly, or names nobody whom we know.
        """
        _check_type(request)
        keeper = self._doorkeeper
        # What waits at the desk is in memory as what is on its way is.
        with self._readings.begin() as reading:
            body = await self._whole(request, limit or self._limits.json_body, keeper.check_beginning, reading)
            try:
                who = keeper.check_json(body)
            except Refused:
                if len(body) > _NAMELESS:
                    raise
                # So little of it that it can be said what is wrong with it.
                return self._object(body, self._limits.small_shape)
            self._shares.check(who)
            with self._shares.body(who):
                return await self._desk.do(partial(self._object, body, self._limits.shape), len(body), who)

    async def _whole(self, request: Request, limit: int, look: Callable[[bytearray], None], reading: Reading) -> bytes:
        _check_length(request, limit)
        body = bytearray()

        async def take(piece: bytes) -> None:
            reading.hold(len(piece))
            if reading.held > limit:
                raise too_large(limit)
            is_first = len(body) < _BEGINNING
            body.extend(piece)
            if is_first:
                look(body)

        await reading.each_piece(request, take)
        return bytes(body)

    @asynccontextmanager
    async def form(self, request: Request, *, final: bool) -> AsyncIterator[SubmittedForm]:
        """Read a body that is a JSON object or a multipart form; its files outlast the block if that ends well.

        The form has named an agent of ours. If it is the `final` answer, of which there is only one, then there need
        be no room for another that will be thrown away.
        """
        with self._quota.claim() as claim, ExitStack() as stack:
            name = partial(self._name, claim, stack, final=final)
            if request.headers.get("content-type", "").lower().lstrip().startswith("multipart/form-data"):
                async with self._multipart(request, claim, name) as form:
                    yield form
            else:
                fields, text = await self.json_object(request)
                form = SubmittedForm(fields, claim, text.size, text.is_heavy)
                name(form.agent_id(), is_read=True)  # what that took is spent already
                yield form

    @asynccontextmanager
    async def _multipart(
        self, request: Request, claim: Claim, name: Callable[[str], None]
    ) -> AsyncIterator[SubmittedForm]:
        content_type = request.headers["content-type"]
        _check_length(request, self._limits.upload_body)
        reader = MultipartReader(content_type, self._folder, self._limits, self._note_upload)
        kept = False
        try:
            with self._readings.begin() as reading:
                await self._feed(request, reader, reading, claim, name)
                name(agent_id_of(dict(reader.fields)))  # before anything is read: that takes time, which is somebody's
                size = sum(map(len, reader.fields.values()))
                work = partial(self._json_fields, reader.fields)
                fields, is_heavy = await self._desk.do(work, size, claim.sender)
                name_files(reader.uploads, fields.pop("file_names", None))
                yield (form := SubmittedForm(fields, claim, size, is_heavy, reader.uploads))
            kept = not form.unwanted
        except UnsureError as unsure:
            # The answer may be found again later, and names these files; what is sent again is then a repetition.
            result = unsure.result[0] if isinstance(unsure.result, tuple) else unsure.result
            kept = result is SubmissionResult.TAKEN
            raise
        finally:
            if not kept:
                await reader.discard()

    async def _feed(
        self,
        request: Request,
        reader: MultipartReader,
        reading: Reading,
        claim: Claim,
        name: Callable[[str], None],
    ) -> None:
        size = 0
        threshold = Threshold(self._doorkeeper, reader.delimiter)

        async def read(piece: bytes) -> None:
            await reader.feed(piece)
            if claim.owner == NAMELESS and "USED_AGENT_ID" in reader.fields:
                name(agent_id_of(dict(reader.fields)))
            claim.resize(reader.file_size + threshold.held)
            reading.hold(reader.held + threshold.held - reading.held)

        async def take(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            if size > self._limits.upload_body:
                raise too_large(self._limits.upload_body)
            await read(threshold.take(piece))

        await reading.each_piece(request, take)
        await read(threshold.end())
        await reader.keep()

    def _name(self, claim: Claim, stack: ExitStack, agent_id: str, *, final: bool, is_read: bool = False) -> None:
        # At once: who names no agent of ours need not send the rest, and what was sent is out of memory.
        agent = self._roll.find(agent_id)
        if agent is None:
            raise self._roll.unknown()
        if claim.sender != agent_id:
            claim.sender = agent_id
            if not is_read:
                self._shares.check(agent_id)
            stack.close()  # of another one whom the form named first
            stack.enter_context(self._shares.body(agent_id))
        if not final or judge_submission(agent) is SubmissionResult.TAKEN:
            claim.name(agent_id)

    # At the desk

    def _read(self, body: bytes | str, shape: Bounds) -> codec.Text:
        try:
            return codec.read(body, shape)
        except Intricate as error:
            raise Refused(413, "too_intricate", _TOO_INTRICATE.format(error)) from None
        except ValueError:
            # Not chained: the cause quotes what the worker wrote.
            raise bad_request("This is not valid JSON.") from None

    def _object(self, body: bytes | str, shape: Bounds) -> tuple[JSONObject, codec.Text]:
        text = self._read(body, shape)
        if not isinstance(text.value, dict):
            raise bad_request("A JSON object is expected.")
        return text.value, text

    def _json_fields(self, fields: dict[str, str]) -> tuple[JSONObject, bool]:
        is_heavy = False
        values: JSONObject = {name: text for name, text in fields.items() if _OUTDONE_BY.get(name) not in fields}
        for name in _JSON_FIELDS:
            if name in values:
                text = self._read(fields[name], self._limits.shape)
                values[name], is_heavy = text.value, is_heavy or text.is_heavy
        return values, is_heavy


def agent_id_of(fields: JSONObject) -> str:
    """Read ``USED_AGENT_ID``; raise `Refused` if it is missing or can't be an id."""
    value: JSON = fields.get("USED_AGENT_ID")
    if not isinstance(value, str):
        raise nobody()
    if not codec.is_id(value):
        raise unknown_agent()
    return value


def _check_type(request: Request) -> None:
    """Refuse what does not say that it is JSON: of other types, pages of strangers may send without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refused(415, "not_json", "This is taken as JSON alone, with the header 'Content-Type: application/json'.")


def _check_length(request: Request, limit: int) -> None:
    """Refuse a body that says itself that it is too large, before any of it is read."""
    length = request.headers.get("content-length", "")
    # The server has checked that the body is as long as it says.
    if length.isdecimal() and len(length) < 20 and int(length) > limit:
        raise too_large(limit)
