"""The reference of what comes out: the columns of frames, events, errors, and command lines."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import mephisto_nb as mnb
from docs.generate.docstrings import escape, prose, sections, summary, to_markdown
from docs.generate.look_up import OBJECTS, called, find, members, modules, parts, public_names

ROOT = Path(__file__).resolve().parents[2]
#: How a docstring names the function that says what the columns mean, and the constant that lists them.
_FRAME_FUNCTION = re.compile(r"\(columns: `(?:\w+\.)*([a-z]\w*)`\)|`(?:\w+\.)*(\w+_frame)`")
_COLUMNS = re.compile(r"`(?:\w+\.)*([A-Z]+(?:_[A-Z]+)*_COLUMNS)`")


@dataclass(frozen=True)
class Frame:
    """A DataFrame that people are given: by what they call, what is said about it, and its columns where a list is."""

    call: str
    anchor: str
    text: str
    columns: tuple[str, ...]


def frames() -> list[Frame]:
    """Return every method that returns a DataFrame, of the operator, its runs, and what hangs on them."""
    return [
        frame for name, spelt in reversed(OBJECTS.items()) for frame in _frames_of(spelt, name, public_names()[name])
    ]


def _frames_of(spelt: str, path: str, cls: type[Any]) -> Iterator[Frame]:
    call = called(cls)
    for name, member in [*([("", call)] if call else []), *((f".{one.name}", one) for one in members(cls))]:
        if str(inspect.signature(member.function).return_annotation).endswith("DataFrame"):
            doc = member.doc(cls)
            named = None if _COLUMNS.search(doc) else _FRAME_FUNCTION.search(doc)
            text = inspect.getdoc(find(named[1] or named[2])) or "" if named else _about_columns(doc)
            constant = _COLUMNS.search(text)
            columns = _columns(constant[1]) if constant else ()
            text = _without_promise(text, constant[1]) if constant else text
            yield Frame(spelt + name, f"mephisto_nb.{path}{name}", text, columns)
    for name, part in parts(cls).items():
        yield from _frames_of(f"{spelt}.{name}", f"{path}.{name}", part)


def _about_columns(docstring: str) -> str:
    """Return of a docstring what tells what comes back: the rest stands where the method does."""
    told = sections(docstring)
    kept = {name: told[name] for name in ("Columns", "Returns") if name in told}
    if not kept:
        return docstring
    headings = [f"{name}\n{'-' * len(name)}\n{text}" for name, text in kept.items()]
    return "\n\n".join([told[""].partition("\n\n")[0], *headings])


def _columns(constant: str) -> tuple[str, ...]:
    """Return the value of a constant; of two of that name, the one which a function that makes frames speaks of."""
    holders = [module for module in modules() if constant in vars(module)]
    spoken_of = [module for module in holders if f"`{constant}`" in _docs_of_functions(module)]
    found = {tuple(vars(module)[constant]) for module in spoken_of or holders}
    if len(found) != 1:
        raise LookupError(f"{constant} is not one list of columns, but {len(found)}.")
    return found.pop()


def _docs_of_functions(module: ModuleType) -> str:
    return "\n".join(str(one.__doc__) for one in vars(module).values() if inspect.isfunction(one))


def frames_page() -> str:
    """Return the page of all frames and their columns."""
    lines = [
        "# Frames and their columns",
        "",
        "Everything that comes out is a pandas DataFrame. Times are UTC timestamps, ids are strings; frames can be",
        "joined on their ids. Amounts are numbers in the unit of the `currency` beside them, as 0.15 for 15 cents;",
        "those of several currencies are never added up.",
        "",
    ]
    for one in frames():
        lines += [f"## `{one.call}`", "", f"Parameters and errors: {{py:obj}}`{one.call} <{one.anchor}>`", ""]
        lines += [to_markdown(one.text), ""]
        if one.columns:
            lines += [f"**Columns**: {', '.join(f'`{name}`' for name in one.columns)}", ""]
    return "\n".join(lines)


def _without_promise(text: str, constant: str) -> str:
    """Leave out the words that name the constant of the columns: what it holds stands below."""
    text = re.sub(rf"\s*\(columns: `(\w+\.)*{constant}`\)|,? columns `(\w+\.)*{constant}`", "", text)
    return re.sub(rf"`(\w+\.)*{constant}`", "The columns below", text)


@dataclass(frozen=True, order=True)
class Reason:
    """A way in which the event log says why something came to be; `…` stands for what differs."""

    subject: str
    why: str
    who: str


def reasons() -> list[Reason]:
    """Return what the package writes into the event log where its words stand in the code, sorted."""
    found: set[Reason] = set()
    for path in sorted(Path(mnb.__file__).parent.rglob("*.py")):
        if "testing" not in path.parts:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found.update(filter(None, map(_reason, ast.walk(tree))))
    return sorted(found)


def _reason(node: ast.AST) -> Reason | None:
    match node:
        case ast.Call(func=ast.Attribute(attr="log"), args=[ast.Constant(value=str(subject)), _, _, _, why, who, *_]):
            pass
        case ast.Call(func=ast.Attribute(attr="change_unit"), args=[_, _, why, who, *_]):
            subject = "unit"
        case ast.Call(func=ast.Attribute(attr="change_agent"), args=[_, _, why, who, *_]):
            subject = "agent"
        case _:
            return None
    words = _words(why)
    return Reason(subject, words, _words(who) or "…") if words else None


def _words(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in values)
    return ""


def events_page() -> str:
    """Return the page of the event log."""
    event = inspect.getdoc(find("Event")) or ""
    rows = [f"| {one.subject} | {escape(one.why)} | {one.who} |" for one in reasons()]
    statuses = [
        f"| {kind} | {', '.join(f'`{status.value}`' for status in find(enum))} |"
        for kind, enum in (("unit", "UnitStatus"), ("agent", "AgentStatus"))
    ]
    return "\n".join([
        "# Events", "", "`run.events()` is the log of a run: a row for each change, in the order in which it happened,",
        "never changed afterwards.", "", prose(event), "", "## States", "",
        "What `before` and `after` may be. [](../architecture.md) has the drawings.", "",
        "| subject | states |", "| --- | --- |", *statuses, "", "## Reasons", "",
        "What `why` may say; `…` stands for what differs from case to case. Acts on people are in the words of whoever",
        "did them.", "", "| subject | why | who |", "| --- | --- | --- |", *rows, "",
    ])  # fmt: skip


def errors_page() -> str:
    """Return the page of errors: the tree, and what each is for."""
    root = find("MephistoError")
    tree = sections(inspect.getmodule(root).__doc__ or "")[""]  # type: ignore[union-attr]
    lines = ["# Errors", "", prose(tree), "", "All are in `mephisto_nb.errors`.", "", "| error | raised when |"]
    return "\n".join(
        [*lines, "| --- | --- |", *(f"| `{one.__name__}` | {summary(one.__doc__ or '')} |" for one in _tree(root))]
    )


def _tree(root: type[Any]) -> Iterator[type[Any]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield from _tree(child)


#: Programs of the package, by the module that is run.
PROGRAMS = ("mephisto_nb.testing.demo", "mephisto_nb.testing.prolific", "mephisto_nb.router")


def commands_page() -> str:
    """Return the page of command lines."""
    lines = ["# Command lines", "", "## `make`", "", "In a clone of the repository. Each sets up what it needs.", ""]
    lines += ["```text", make_help(), "```", ""]
    for program in PROGRAMS:
        lines += [f"## `python -m {program}`", "", "```text", program_help(program), "```", ""]
    return "\n".join(lines)


def make_help() -> str:
    """Return the list of make's targets."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return "\n".join(f"make {name:8} {said}" for name, said in re.findall(r"^([a-z]+):.*?## (.*)$", text, re.MULTILINE))


def program_help(module: str) -> str:
    """Return what a program says about itself."""
    asked = [sys.executable, "-m", module, "--help"]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True, env={"COLUMNS": "100"}, cwd=ROOT)
    return shown.stdout.strip()
