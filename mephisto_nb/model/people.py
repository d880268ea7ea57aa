"""What a researcher does to people, as values: an act before it is done, and what it did.

One act is about many workers at once and stands or falls as a whole. What it did says enough to undo it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mephisto_nb.model.records import Qualification


class ActKind(StrEnum):
    """What can be done to people."""

    CREATE = "create"
    DESCRIBE = "describe"
    DELETE = "delete"
    GRANT = "grant"
    REVOKE = "revoke"
    BLOCK = "block"
    UNBLOCK = "unblock"
    NOTE = "note"
    WITHDRAW = "withdraw"


#: Those that give workers values of a qualification, or take them back; and those that say who is blocked.
OF_GRANTS = frozenset({ActKind.CREATE, ActKind.DELETE, ActKind.GRANT, ActKind.REVOKE})
OF_BLOCKS = frozenset({ActKind.BLOCK, ActKind.UNBLOCK})
#: Those that are done to workers, and those that are done with qualifications.
OF_WORKERS = OF_BLOCKS | {ActKind.NOTE, ActKind.WITHDRAW}
OF_ALL = frozenset(ActKind)
OF_QUALIFICATIONS = OF_ALL - OF_WORKERS


#: What is true in the detail of an event that undoes what made its worker known.
UNMADE = "unmade"


#: How many characters a name may have.
LONGEST_NAME = 128
#: What is copied along with names, shows nothing and means nothing: soft hyphens, zero-width spaces, marks and brackets
#: of a direction of writing. Joiners are no such thing: names are spelt with them, and emoji are made with them.
_UNSEEN = dict.fromkeys(
    [0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
_JOINERS = "\u200c\u200d"
#: Blocks of emoji, of which new ones are drawn each year, before Python knows them.
_EMOJI = range(0x1F000, 0x1FB00)


def plain_name(name: str) -> str:
    r"""Return a name in the one spelling that it is known by, however it was typed or copied.

    Spaces of any width become plain ones, letters with marks become one character each where there is one (NFC), and
    what shows nothing is left out. Joiners stay where something stands on both sides of them.

    Examples
    --------
    >>> plain_name("Ann\u00a0Lee\u200f"), plain_name("Zoe\u0308") == "Zo\u00eb"
    ('Ann Lee', True)
    """
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in name.translate(_UNSEEN))
    return unicodedata.normalize("NFC", spaced.strip().strip(f"{_JOINERS} "))


def find_unusable(name: str, longest: int = LONGEST_NAME) -> str:
    """Say why a name, as `plain_name` spells it, cannot be a worker's; '' where it can."""
    if not name:
        return "is empty"
    if len(name) > longest:
        return f"has {len(name)} characters, and may have {longest}"
    odd = next((char for char in name if not _is_usable(char)), None)
    return f"holds the character {odd!a}, which nobody can read" if odd else ""


def alike(name: str) -> str:
    """Return what two names have in common that people would mix up: case, spaces, widths and joiners do not count."""
    folded = unicodedata.normalize("NFKC", plain_name(name)).casefold()
    return "".join(char for char in folded if not char.isspace() and char not in _JOINERS)


def _is_usable(char: str) -> bool:
    kind = unicodedata.category(char)
    if kind == "Cf":
        return ord(char) not in (0x202D, 0x202E)  # what turns text around could show one name as another
    return kind not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") or (kind == "Cn" and ord(char) in _EMOJI)


class WorkerKey(NamedTuple):
    """How a researcher knows a worker: by name, and crowd."""

    worker_name: str
    provider_type: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something to be done.

    `values` are what each of `workers` is to have afterwards: of the qualification (None: no grant), or 1 where they
    are to be blocked and 0 where not. `text` is a description, or a note. `why` and `who` go into the event log.
    `undoes` is what an earlier act did: everything has to be as that one left it, or nothing is done.
    """

    kind: ActKind
    qualification_name: str = ""
    workers: tuple[WorkerKey, ...] = ()
    values: tuple[int | None, ...] = ()
    text: str = ""
    why: str = ""
    who: str = "operator"
    undoes: ActOutcome | None = None


@dataclass(frozen=True, slots=True)
class WorkerChange:
    """What an act changes of one worker; `is_new` tells whether nobody knew them before."""

    worker: WorkerKey
    worker_id: str
    before: int | None
    after: int | None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class ActOutcome:
    """What an act did, or (where it was only foreseen) would do.

    `unchanged` counts the workers who have what they are to have already. `was` is the qualification before, and `is`
    (as `now`) after it; None where there is none.
    """

    act: Act
    act_id: str
    at: float
    changes: tuple[WorkerChange, ...] = ()
    unchanged: int = 0
    was: Qualification | None = None
    now: Qualification | None = None

    @property
    def has_changed(self) -> bool:
        """Whether there is anything that the act changes."""
        return bool(self.changes) or self.was != self.now

    def __repr__(self) -> str:
        about = f" {self.act.qualification_name!r}" if self.act.qualification_name else ""
        return f"<{self.act.kind}{about}: {len(self.changes):,} changed, {self.unchanged:,} as they were>"


@dataclass(slots=True)
class Met:
    """What an act meets in the database: the qualification, and by worker their id and the value they have."""

    qualification: Qualification | None = None
    worker_ids: dict[WorkerKey, str] = field(default_factory=dict)
    values: dict[WorkerKey, int] = field(default_factory=dict)
