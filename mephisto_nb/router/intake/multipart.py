"""Multipart forms: text fields stay in memory, files go to the disk while they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_content_disposition,
    parse_options_header,
)

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.router.config import Limits
from mephisto_nb.router.http.answers import Refused, bad_request, disk_full, store_failed, too_large
from mephisto_nb.utils.logging import HARMFUL

#: A file that is still arriving; what is left of these after a crash is removed at the next start.
PARTIAL = ".part"
#: A line in the head of a part (bytes), and how many there may be.
_HEAD_LINE, _HEAD_LINES = 4096, 8
_LONGEST_BOUNDARY = 200
#: The name of a field (characters).
_LONGEST_FIELD = 1000
_WRITE_AT = 256 * 1024
_LONGEST_NAME = 255
#: What is harmful in a name, but for line ends: the field of an answer may have them, and its files belong to it.
_BESIDE_LINES = re.compile(rf"(?![\r\n]){HARMFUL.pattern}")
_MIMETYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,100}", re.ASCII)


@dataclass(slots=True)
class Upload:
    """A file that a worker sent: `filename` is its random name here, `originalname` only a label.

    `written` and `checksum` grow as the file comes in.
    """

    fieldname: str
    originalname: str
    mimetype: str
    filename: str = field(default_factory=lambda: secrets.token_hex(16))
    size: int = 0
    written: int = field(default=0, repr=False)
    checksum: Any = field(default_factory=hashlib.sha256, repr=False)

    def describe(self) -> JSONObject:
        """Return the file as the operator hears of it."""
        return {
            "fieldname": self.fieldname,
            "originalname": self.originalname,
            "mimetype": self.mimetype,
            "filename": self.filename,
            "size": self.size,
        }


@dataclass(slots=True)
class _Part:
    name: str = ""
    upload: Upload | None = None
    skipped: bool = False
    data: bytearray = field(default_factory=bytearray)


class MultipartReader:
    """Reads one form, chunk by chunk; then `keep` its files, or `discard` them.

    Parameters
    ----------
    content_type
        The request's header, with the boundary in it.
    folder
        Where files go.
    limits
        How many files and fields, and how much text, are taken.
    note
        Called on the loop with how many bytes of files have come, and with what failed; None: they are on the disk.

    Attributes
    ----------
    fields
        The text fields.
    uploads
        The files.
    text_size, file_size
        How many bytes of text fields, and of files, have come.
    delimiter
        What stands between the parts.
    """

    def __init__(
        self,
        content_type: str,
        folder: Path,
        limits: Limits,
        note: Callable[[int, OSError | None], None] = lambda _size, _error: None,
    ) -> None:
        self.fields: dict[str, str] = {}
        self.uploads: list[Upload] = []
        self._folder, self._limits, self._note = folder, limits, note
        self._part = _Part()
        self._parts = self._texts = 0
        self._full: list[tuple[Upload, bytes]] = []
        self.text_size = self.file_size = 0
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if not boundary:
            raise bad_request("The form has no boundary.")
        if len(boundary) > _LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
            raise bad_request("The form's boundary is not valid.")
        self.delimiter = f"--{boundary}".encode()
        self._parser = PushMultipartParser(
            boundary, max_header_size=_HEAD_LINE, max_header_count=_HEAD_LINES, header_charset="latin-1"
        )

    @property
    def held(self) -> int:
        """How many bytes are in memory."""
        return self.text_size + (0 if self._part.upload is None else len(self._part.data))

    async def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body; write what belongs to files."""
        try:
            for event in self._parser.parse(chunk) if chunk else ():
                if isinstance(event, MultipartSegment):
                    self._begin_part(event)
                elif event is None:
                    self._end_part()
                else:
                    self._take(event)
        except MultipartError:
            raise bad_request("The form is not valid multipart data.") from None
        full, self._full = self._full, []
        if full:
            await self._beside(partial(self._write, full))

    async def keep(self) -> None:
        """Check that the form is whole, and put its files on the disk for good."""
        try:
            self._parser.close()
        except MultipartError:
            raise bad_request("The form ends too early.") from None
        if self.uploads:
            await self._beside(self._keep)
            self._note(self.file_size, None)

    async def discard(self) -> None:
        """Remove the files."""
        if self.uploads:
            await asyncio.to_thread(self._discard)

    async def _beside(self, work: Callable[[], None]) -> None:
        """Do what waits for the disk beside the loop."""
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            self._note(self.file_size, error)
            raise store_failed() from error

    # What the parser finds

    def _begin_part(self, segment: MultipartSegment) -> None:
        self._part = _Part()
        self._count(self._parts, self._limits.parts, "parts")
        self._parts += 1
        # The parser takes a name that is missing for an empty one.
        if not segment.name and parse_content_disposition(segment.header("Content-Disposition", ""))[1] is None:
            raise bad_request("A part of the form has no name.")
        self._part.name = _label(_decoded(segment.name or ""), is_path=False)
        if len(self._part.name) > _LONGEST_FIELD:
            raise bad_request("A field of the form has too long a name.")
        if segment.filename is None:
            self._count(self._texts, self._limits.fields, "fields")
            self._texts += 1
        elif segment.filename == "":
            # What browsers send for a file input that was not used.
            self._part.skipped = True
        else:
            self._count(len(self.uploads), self._limits.files, "files")
            name = _label(_decoded(segment.filename), is_path=True)
            self._part.upload = Upload(self._part.name, name, _mimetype(segment.content_type or ""))
            self.uploads.append(self._part.upload)

    def _count(self, count: int, limit: int, what: str) -> None:
        if count >= limit:
            raise Refused(413, "too_many", f"A form may hold {limit} {what} at most.")

    def _take(self, data: bytes | bytearray) -> None:
        part = self._part
        if part.skipped:
            return
        part.data.extend(data)
        if part.upload is None:
            self.text_size += len(data)
            if self.text_size > self._limits.json_body:
                raise too_large(self._limits.json_body)
            return
        self.file_size += len(data)
        if len(part.data) >= _WRITE_AT:
            self._flush(part, part.upload)

    def _end_part(self) -> None:
        part = self._part
        if part.upload is not None:
            self._flush(part, part.upload)
        elif not part.skipped:
            try:
                self.fields[part.name] = part.data.decode()
            except UnicodeDecodeError:
                raise bad_request("A field of the form is not valid UTF-8.") from None

    def _flush(self, part: _Part, upload: Upload) -> None:
        upload.size += len(part.data)
        self._full.append((upload, bytes(part.data)))
        part.data.clear()

    # In a thread

    def _write(self, pieces: list[tuple[Upload, bytes]]) -> None:
        if shutil.disk_usage(self._folder).free < self._limits.disk_free + sum(len(data) for _, data in pieces):
            raise disk_full()
        for upload, data in pieces:
            # Opened anew for each piece, so that nothing is left open however the request ends. Whoever cleans the
            # folder may have taken away what came before: the rest is not the file.
            with self._partial(upload).open("r+b" if upload.written else "xb") as file:
                _check_size(file, upload.written)
                file.write(data)
            upload.written += len(data)
            upload.checksum.update(data)

    def _keep(self) -> None:
        for upload in self.uploads:
            path = self._partial(upload)
            with path.open("r+b") as file:
                _check_size(file, upload.size)
                os.fsync(file.fileno())
            path.replace(self._folder / upload.filename)
        if os.name == "posix":
            # The new names have to reach the disk as well. Windows has no way to ask for it, and no need.
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _discard(self) -> None:
        for upload in self.uploads:
            for path in (self._partial(upload), self._folder / upload.filename):
                with contextlib.suppress(OSError):  # why it was not kept is what its sender has to hear
                    path.unlink()

    def _partial(self, upload: Upload) -> Path:
        return self._folder / (upload.filename + PARTIAL)


def remove_partial(folder: Path) -> None:
    """Remove what a crashed router left of files that had not arrived completely."""
    for path in folder.glob("*" + PARTIAL):
        with contextlib.suppress(OSError):  # a folder that cannot be written is told by itself
            path.unlink()


def _check_size(file: IO[bytes], size: int) -> None:
    """Go to the end of a file; raise `OSError` unless it holds so many bytes."""
    if (found := file.seek(0, os.SEEK_END)) != size:
        raise OSError(errno.EIO, f"it holds {found:,} of its {size:,} bytes", str(file.name))


def _decoded(name: str) -> str:
    # The parser would refuse what is no UTF-8.
    return name.encode("latin-1").decode("utf-8", "replace")


def _label(name: str, *, is_path: bool) -> str:
    """Return a name for people: no control characters, and of a path the last part alone, not too long."""
    if is_path:
        name = _shortened(re.split(r"[/\\]", name)[-1])
    return HARMFUL.sub("\N{REPLACEMENT CHARACTER}", name)


def _shortened(name: str) -> str:
    """Return a file's name of 255 characters at most, with the ending that says what is in it."""
    stem, ending = os.path.splitext(name)
    return name if len(name) <= _LONGEST_NAME else (stem[: _LONGEST_NAME - len(ending)] + ending)[:_LONGEST_NAME]


def _mimetype(text: str) -> str:
    return text if _MIMETYPE.fullmatch(text) else "application/octet-stream"


def name_files(uploads: Sequence[Upload], told: JSON) -> None:
    """Take over how a page spells the names of its files: in a form, browsers write some characters otherwise.

    Parameters
    ----------
    uploads
        The files of a form.
    told
        ``{"files": [{"field": ..., "name": ...}]}``, one for each file; anything else is left alone, and so is a file
        whose field the form calls by another name.
    """
    listed = told.get("files") if isinstance(told, dict) else None
    if not isinstance(listed, list) or len(listed) != len(uploads):
        return
    for upload, one in zip(uploads, listed, strict=True):
        if not isinstance(one, dict) or not isinstance(one.get("field"), str) or not isinstance(one.get("name"), str):
            continue
        if len(one["field"]) <= _LONGEST_FIELD and _as_in_a_form(one["field"]) == upload.fieldname:
            upload.fieldname = _BESIDE_LINES.sub("\N{REPLACEMENT CHARACTER}", one["field"])
            upload.originalname = _label(one["name"], is_path=True)


def _as_in_a_form(field_name: str) -> str:
    """Return what becomes of a field's name on its way in a form, which spells line ends and quotes otherwise."""
    name = re.sub(r"\r\n?|\n", "\r\n", field_name)
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%22", '"')):
        name = name.replace(written, meant)
    return _label(name, is_path=False)
