"""A run is assembled of objects that are complete when they are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.source_tree import Module, package


def patches(module: Module) -> Iterator[str]:
    """Return where a module sets an attribute of another object than `self`."""
    for node in module.nodes:
        is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)
        if is_set and ast.unparse(node.value) != "self":
            yield f"{module.at(node)} sets {ast.unparse(node)}"
    yield from (f"{module.at(call)} calls setattr" for call in module.calls("setattr", "object.__setattr__"))


def test_nothing_is_patched_into_an_object_once_it_is_made() -> None:
    modules = [module for module in package() if module.name == "mephisto_nb.kernel.launch"]
    assert len(modules) == 1
    assert [found for module in modules for found in patches(module)] == []
