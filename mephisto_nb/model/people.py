"""What a researcher does to people, as values: an act before it is done, and what it did.

One act is about many workers at once and stands or falls as a whole. What it did says enough to undo it.
"""

from __future__ import annotations

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
