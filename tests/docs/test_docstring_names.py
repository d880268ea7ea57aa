"""What a docstring of the package names between backticks, by module and name, is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache

from tests.source_tree import PACKAGE, package

#: Objects that a notebook has, under the names that the documentation gives them, and the classes that they are of.
FACES = {"run": "TaskRun", "operator": "Operator"}
#: First parts that are variables, or sections of a configuration, and modules of the package, too.
VARIABLES = ("config", "core", "form", "database", "step", "tasks")
FILES = (".py", ".json", ".log", ".html", ".js", ".css")
DOTTED = re.compile(r"`([A-Za-z_]\w*(?:\.\w+)+)(?:\([^`]*\))?`")


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return what a module or a class defines, imports, or sets on itself."""
    found = set[str]()
    for child in nodes:
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(child.name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias():
                found.add(child.asname or child.name)
    return found


@cache
def modules() -> dict[str, set[str]]:
    return {module.name.removeprefix(f"{PACKAGE}."): names_in(module.nodes) for module in package()}


@cache
def beginnings() -> set[str]:
    return {part for module in modules() for part in module.split(".")}


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for module in package() for node in module.nodes if isinstance(node, ast.ClassDef)}


@cache
def members(name: str) -> set[str] | None:
    """Return what a class has, with what it inherits; None where a base is not of the package."""
    node, found = classes()[name], names_in(ast.walk(classes()[name]))
    for base in map(ast.unparse, node.bases):
        base = base.partition("[")[0].rpartition(".")[2]
        if base not in classes():
            return None if base not in ("ABC", "Protocol", "Generic", "object") else found
        inherited = members(base)
        if inherited is None:
            return None
        found |= inherited
    return found


def is_there(name: str) -> bool:
    """Return whether a dotted name leads to something; one that does not begin in the package is let be."""
    parts = name.removeprefix("mephisto_nb.").split(".")
    first = FACES.get(parts[0], parts[0])
    if first in classes():
        found = members(first)
        return found is None or parts[1] in found
    if first[0].isupper() and not name.endswith(FILES):
        return any(first in found for found in modules().values())
    ours = {last for module in modules() if "_" in (last := module.rpartition(".")[2])}  # others are words, too
    if first not in beginnings() and ours.intersection(parts[1:-1]):
        return False  # a module of ours in a room that there is not
    if name.endswith(FILES) or first not in beginnings() or first in VARIABLES:
        return True
    for length in range(len(parts), 0, -1):
        path = ".".join(parts[:length])
        ends = [found for module, found in modules().items() if f".{module}".endswith(f".{path}")]
        if ends:
            return length == len(parts) or any(parts[length] in found for found in ends)
    return False


def docstrings() -> Iterator[tuple[str, str]]:
    """Return each docstring of the package, beside the module that it is in."""
    for module in package():
        for node in module.nodes:
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield module.name, ast.get_docstring(node) or ""


def test_what_docstrings_name_is_there() -> None:
    named = {(module, name) for module, text in docstrings() for name in DOTTED.findall(text)}
    assert len(named) > 100
    assert sorted((module, name) for module, name in named if not is_there(name)) == []


def test_a_name_that_leads_nowhere_is_found() -> None:
    there = ["rules.gates.table.GATES", "gates.table", "run.review", "Operator.launch_task_run", "asyncio.Task"]
    gone = ["rules.gates.passing", "rules.gates.table.NOTHING", "run.nothing", "Operator.nothing", "Nobody.nothing"]
    assert [name for name in there + gone if not is_there(name)] == gone
