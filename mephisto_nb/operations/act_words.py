"""What an act on people will do, or has done, in a sentence or two with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from mephisto_nb.model.people import OF_BLOCKS, ActKind, Outcome, WorkerChange

#: How many workers are named.
_NAMED = 4


def foretell(outcome: Outcome) -> str:
    """Say what an act would do."""
    said = _foretell_workers(outcome) if outcome.act.workers else _foretell_qualification(outcome)
    return " ".join(part for part in (said, _unchanged(outcome), _new(outcome.changes)) if part)


def tell(outcome: Outcome) -> str:
    """Say what an act did."""
    act, count = outcome.act, _workers(len(outcome.changes))
    if not outcome.has_changed:
        return "Nothing had to be changed: it was so already."
    if act.undoes is not None:
        return f"Undone: {tell(act.undoes)[:1].lower()}{tell(act.undoes)[1:]}"
    name = repr(act.qualification_name)
    return {
        ActKind.CREATE: f"Created {name}.",
        ActKind.DESCRIBE: f"Described {name}.",
        ActKind.DELETE: f"Deleted {name}; {count} held it.",
        ActKind.GRANT: f"Granted {name} to {count}.",
        ActKind.REVOKE: f"Revoked {name} from {count}.",
        ActKind.BLOCK: f"Blocked {count}.",
        ActKind.UNBLOCK: f"Unblocked {count}.",
        ActKind.NOTE: f"Noted about {count}.",
        ActKind.WITHDRAW: f"Withdrew a note about {count}.",
    }[act.kind]


def _foretell_workers(outcome: Outcome) -> str:
    act, changes = outcome.act, outcome.changes
    names, name = _named(changes), repr(act.qualification_name)
    if not changes:
        return "Nothing will change."
    if act.kind is ActKind.GRANT:
        made = "" if outcome.was is not None else f" {name} will be made for it."
        return f"{names} {_gets(changes, name)}.{made}"
    if act.kind is ActKind.REVOKE:
        return f"{names} will lose {name}."
    if act.kind in OF_BLOCKS:
        offered = "offered nothing any more, in any run" if act.kind is ActKind.BLOCK else "offered work again"
        return f"{names} will be {offered}."
    return f"A note will be kept about {names}."


def _gets(changes: Sequence[WorkerChange], name: str) -> str:
    first = sum(change.before is None for change in changes)
    parts = []
    if first:
        parts.append(f"will get {name} ({_values(changes)})")
    if first and first < len(changes):
        parts.append(f"of whom {len(changes) - first:,} had another value")
    if not first:
        parts.append(f"will get another value of {name} ({_values(changes)})")
    return ", ".join(parts)


def _values(changes: Sequence[WorkerChange]) -> str:
    values = sorted({change.after for change in changes if change.after is not None})
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _foretell_qualification(outcome: Outcome) -> str:
    act, name = outcome.act, repr(outcome.act.qualification_name)
    if act.kind is ActKind.CREATE:
        return f"{name} will be created." if outcome.was is None else f"There is {name} already: nothing will change."
    if act.kind is ActKind.DESCRIBE:
        return f"{name} will be described otherwise." if outcome.has_changed else "Nothing will change."
    if act.kind is ActKind.DELETE:
        held = f"{_workers(len(outcome.changes))} will lose it"
        names = f": {_names(outcome.changes)}" if outcome.changes else ""
        return f"{name} will be deleted. {held if outcome.changes else 'Nobody holds it'}{names}."
    return "Nobody is meant: nothing will change."


def _unchanged(outcome: Outcome) -> str:
    if not outcome.unchanged:
        return ""
    have = {ActKind.GRANT: "have it so already", ActKind.REVOKE: "do not have it"}
    state = have.get(outcome.act.kind, "are so already")
    if outcome.unchanged == 1:
        state = state.replace("have it", "has it").replace("do not", "does not").replace("are so", "is so")
        state = state.replace("does not has", "does not have")
    return f"{_workers(outcome.unchanged)} {state}."


def _new(changes: Sequence[WorkerChange]) -> str:
    new = [change for change in changes if change.is_new]
    return f"Not known here until now: {_named(new)}." if new else ""


def _named(changes: Sequence[WorkerChange]) -> str:
    few = len(changes) <= _NAMED
    return _names(changes) if few else f"{_workers(len(changes))} ({_names(changes)})"


def _names(changes: Sequence[WorkerChange]) -> str:
    names = ", ".join(change.worker.worker_name[:60] for change in islice(changes, _NAMED))
    return names if len(changes) <= _NAMED else f"{names} and {len(changes) - _NAMED:,} more"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count:,} workers"
