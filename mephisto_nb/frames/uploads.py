"""Files that workers sent: what they were called, of which type they are, and copies under names that people know."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import WorldError
from mephisto_nb.frames.frames import make_frame
from mephisto_nb.kernel.live_run import describe_files
from mephisto_nb.utils.foreign import GIVEN_AWAY
from mephisto_nb.utils.logging import HARMFUL, get_logger
from mephisto_nb.utils.private_files import copy_private, make_folders

log = get_logger(__name__)

FILE_COLUMNS = (
    "task_run_id", "assignment_index", "unit_index", "worker_name", "sent_with", "field", "name", "type", "size",
    "path", "at", "unit_id", "agent_id", "worker_id",
)  # fmt: skip
#: What some system takes for something else within a name.
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
#: What browsers record in, of which `mimetypes` knows no ending.
_RECORDED = {"audio/webm": ".webm", "video/webm": ".webm", "audio/mp4": ".m4a", "audio/ogg": ".ogg"}
#: A name has 255 bytes at most, and a number may follow.
_MOST_BYTES = 200


def files_frame(results: Sequence[JSONObject], metadata: Sequence[JSONObject], directory: Path) -> pd.DataFrame:
    """Make a frame of the files that workers sent: one row a file, in the order of the data, columns `FILE_COLUMNS`.

    ``name`` is what the worker's computer called it, and ``type`` what kind of content their browser took it for, such
    as ``audio/mp4``: neither need be true. ``path`` is where it is stored, under a name of ours; ``field`` the input
    that it was chosen in; ``sent_with`` is answer or metadata (tips, feedback and the like, whose columns of the
    assignment are missing). Of files of Mephisto 1.x, ``type`` and ``size`` may be missing.

    Parameters
    ----------
    results, metadata
        As `RunStore.read_results` and `MessageStore.read_metadata` give them.
    directory
        That of the run.
    """
    rows = [
        {**row, "at": at, "sent_with": kind, **file}
        for kind, found in (("answer", results), ("metadata", metadata))
        for row, at, sent in _sent(kind, found)
        for file in describe_files(directory, sent)
    ]
    frame = make_frame(rows, FILE_COLUMNS, ("at",))
    return frame.astype(dict.fromkeys(("assignment_index", "unit_index", "size"), "Int64"))


def _sent(kind: str, rows: Sequence[JSONObject]) -> Iterator[tuple[JSONObject, float | None, list[JSONObject]]]:
    for row in rows:
        if kind == "answer":
            yield row, row["submitted_at"], row["files"]
        else:
            yield row, row["received_at"], row["data"].get("files") or []


def save_files(files: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Copy files to a folder, each under its own name; return their frame with the column ``saved_as``, their paths.

    There is a folder for each worker's answer, called by worker and agent, so that no file takes another's place, and a
    second call writes the same names. What no system takes for a name is written with ``_``; of two files of one name,
    the second is called ``name (2)``. One that is not there any more is left out, and logged; its ``saved_as`` is None.

    Raises
    ------
    WorldError
        The folder cannot be written.
    """
    taken: set[tuple[str, str]] = set()
    saved: list[str | None] = []
    for row in files.to_dict("records"):
        inner = f"{safe_name(str(row['worker_name']))}-{row['agent_id']}"
        name = _free(safe_name(str(row["name"]), row["type"]), inner, taken)
        try:
            make_folders(folder / inner)
            if Path(row["path"]).is_file():
                copy_private(Path(row["path"]), folder / inner / name)
                saved.append(str(folder / inner / name))
                continue
        except OSError as error:
            message = f"Files cannot be saved to {str(folder)!r}: {error.strerror or error}. Name another folder."
            raise WorldError(message) from error
        log.warning("The file %r of %s is not there any more, and cannot be saved.", row["name"], row["worker_name"])
        saved.append(None)
    return files.assign(saved_as=pd.Series(saved, index=files.index, dtype=object))


def _free(name: str, folder: str, taken: set[tuple[str, str]]) -> str:
    """Return a name that no other file of a folder has; capital letters make no difference on some systems."""
    stem, ending = _split(name)
    number, free = 1, name
    while (folder, unicodedata.normalize("NFKC", free).casefold()) in taken:
        number += 1
        free = f"{stem} ({number}){ending}"
    taken.add((folder, unicodedata.normalize("NFKC", free).casefold()))
    return free


def safe_name(name: str, content_type: object = None) -> str:
    """Return a name that any system takes for that of a file within a folder, and for nothing else.

    Parameters
    ----------
    name
        What a worker's computer calls it.
    content_type
        Says how it ends where the name does not.

    Examples
    --------
    >>> safe_name("../a: b?.png"), safe_name("NUL.txt"), safe_name("blob", "audio/webm")
    ('a_ b_.png', '_NUL.txt', 'blob.webm')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    clean = _FORBIDDEN.sub("_", HARMFUL.sub("_", last)).strip(" .") or "file"
    if GIVEN_AWAY.fullmatch(clean):
        clean = f"_{clean}"
    stem, ending = _split(clean)
    if not ending and isinstance(content_type, str) and content_type != "application/octet-stream":
        ending = _RECORDED.get(content_type) or mimetypes.guess_extension(content_type) or ""
    room = _MOST_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + ending


def _split(name: str) -> tuple[str, str]:
    """Return a name without its ending, and that: of a few letters, or what is one is not an ending."""
    ending = Path(name).suffix
    return (name.removesuffix(ending), ending) if len(ending.encode()) <= 20 and name != ending else (name, "")
