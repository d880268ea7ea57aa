"""Reads the package's own source as trees, for the tests that count."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mephisto_nb"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One import, as far as modules go: ``from package import module`` counts as an import of the module."""

    source: str
    target: str
    where: str
    is_local: bool
    is_for_types: bool


@dataclass(frozen=True)
class Definition:
    """A class or function, and the names around it."""

    node: ast.ClassDef | Function
    module: Module
    parents: tuple[str, ...]
    is_inside_function: bool

    @property
    def name(self) -> str:
        return ".".join((*self.parents, self.node.name))

    @property
    def path(self) -> str:
        return f"{self.module.name}.{self.name}"

    @property
    def where(self) -> str:
        return f"{self.module.at(self.node)} {self.name}"

    @property
    def line_count(self) -> int:
        return (self.node.end_lineno or 0) - self.node.lineno + 1

    @property
    def docstring(self) -> str | None:
        return ast.get_docstring(self.node)

    @property
    def is_public(self) -> bool:
        return not self.is_inside_function and not any(part.startswith("_") for part in self.name.split("."))

    @property
    def is_again(self) -> bool:
        """Return whether this only adds to a name defined beside it: an overload, or a property's setter."""
        marks = [ast.unparse(mark) for mark in self.node.decorator_list]
        return any(mark.endswith((".setter", ".deleter", "overload")) for mark in marks)


class Module:
    """One file of Python."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.relative_path = path.relative_to(ROOT).as_posix()
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)

    @property
    def line_count(self) -> int:
        return len(self.text.splitlines())

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def is_testing(self) -> bool:
        return self.name.startswith(f"{PACKAGE}.testing")

    def at(self, node: ast.AST) -> str:
        """Return ``path:line``."""
        return f"{self.relative_path}:{getattr(node, 'lineno', 1)}"

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Return the calls of functions that are written like this, such as ``time.sleep``."""
        for written, node in self._calls:
            if written in names:
                yield node

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def _calls(self) -> list[tuple[str, ast.Call]]:
        return [(ast.unparse(node.func), node) for node in self.nodes if isinstance(node, ast.Call)]

    @cached_property
    def definitions(self) -> list[Definition]:
        return list(self._definitions(self.tree, (), False))

    def _definitions(self, node: ast.AST, parents: tuple[str, ...], inside: bool) -> Iterator[Definition]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | Function):
                yield Definition(child, self, parents, inside)
                inner = inside or isinstance(child, Function)
                yield from self._definitions(child, (*parents, child.name), inner)
            else:
                yield from self._definitions(child, parents, inside)

    @cached_property
    def imports(self) -> list[Import]:
        return list(self._imports(self.tree, False, False))

    def _imports(self, node: ast.AST, is_local: bool, is_for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            for target in self._targets(child):
                yield Import(self.name, target, self.at(child), is_local, is_for_types)
            typed = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            local = isinstance(child, Function | ast.Lambda)
            yield from self._imports(child, is_local or local, is_for_types or typed)

    def _targets(self, node: ast.AST) -> Iterable[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = self._absolute(node)
            return {name if (name := f"{base}.{alias.name}") in module_names() else base for alias in node.names}
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            return [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        return []

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Return each target that a statement assigns to, those of a tuple one by one, with its value where it is written.

    What is added to (``+=``) has no value here.
    """
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _unpacked(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield from _unpacked(node.target, node.value if isinstance(node, ast.AnnAssign) else None)


def _unpacked(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    if isinstance(target, ast.Starred):
        yield from _unpacked(target.value, None)
    elif isinstance(target, ast.Tuple | ast.List):
        written = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        is_each = len(written) == len(target.elts) and not any(isinstance(one, ast.Starred) for one in written)
        for number, part in enumerate(target.elts):
            yield from _unpacked(part, written[number] if is_each else None)
    else:
        yield target, value


@cache
def module_names() -> frozenset[str]:
    return frozenset(module.name for module in package())


@cache
def package() -> tuple[Module, ...]:
    """Return every module of the package."""
    return tuple(Module(path) for path in sorted((ROOT / PACKAGE).rglob("*.py")))


@cache
def files_of_tests() -> tuple[Module, ...]:
    """Return every module of the tests."""
    ours = (path for path in sorted((ROOT / "tests").rglob("*.py")) if "node_modules" not in path.parts)
    return tuple(Module(path) for path in ours)


def functions() -> list[Definition]:
    return [one for module in package() for one in module.definitions if isinstance(one.node, Function)]


def classes() -> list[Definition]:
    return [one for module in package() for one in module.definitions if isinstance(one.node, ast.ClassDef)]


def own_imports() -> list[Import]:
    """Return the package's imports of itself."""
    return [one for module in package() for one in module.imports if one.target.split(".")[0] == PACKAGE]
