"""Finds what the reference is made of: by name, by registry and by annotation, never by the path of a module."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, get_type_hints

from sphinx.pycode import ModuleAnalyzer

import mephisto_nb as mnb

#: Not imported: programs, and the steps of the database's schema.
_LEFT_OUT = ("__main__", "migrations", "testing")
#: What a person types for the classes that are met as objects.
OBJECTS = {"Operator": "operator", "TaskRun": "run"}
#: The kinds of plugins, by the group of their entry points.
PLUGINS = ("blueprints", "architects", "providers")


@cache
def modules() -> list[ModuleType]:
    """Import all modules of the package, but for programs and tests."""
    found = pkgutil.walk_packages(mnb.__path__, "mephisto_nb.")
    return [importlib.import_module(one.name) for one in found if not set(one.name.split(".")) & set(_LEFT_OUT)]


@cache
def find(name: str) -> Any:
    """Find a class, function or constant of the package, wherever it lies.

    Raises
    ------
    LookupError
        There is none of this name, or there are two.
    """
    holders = [module for module in (*modules(), *_for_tests()) if name in vars(module)]
    # Where a name is imported, it is the same object; a class or function tells where it was made.
    found = {id(vars(module)[name]): vars(module)[name] for module in holders}
    if len(found) != 1:
        raise LookupError(f"{name} is in {len(found)} places of the package: {[one.__name__ for one in holders]}")
    return next(iter(found.values()))


@cache
def _for_tests() -> list[ModuleType]:
    return [importlib.import_module("mephisto_nb.testing.simulated_workers")]


def public_names() -> dict[str, Any]:
    """Return what `import mephisto_nb as mnb` offers, by name."""
    return {name: getattr(mnb, name) for name in mnb.__all__ if not name.startswith("__")}


def plugins(kind: str) -> dict[str, type[Any]]:
    """Return the plugins that the package brings, by name; `kind` is one of `PLUGINS`."""
    shipped = [one for one in entry_points(group=f"mephisto_nb.{kind}") if one.value.startswith("mephisto_nb.")]
    return {one.name: one.load() for one in sorted(shipped, key=lambda one: one.name)}


@dataclass(frozen=True)
class Member:
    """Something public of a class."""

    name: str
    value: Any

    @property
    def function(self) -> Any:
        """What is called, or what gives the property's value."""
        if isinstance(self.value, property):
            return self.value.fget
        if isinstance(self.value, cached_property):
            return self.value.func
        return getattr(self.value, "__func__", self.value)

    @property
    def is_property(self) -> bool:
        """Whether it is read rather than called."""
        return isinstance(self.value, property | cached_property)

    @property
    def is_callable(self) -> bool:
        """Whether it is a method of any kind."""
        return inspect.isfunction(self.function) and not self.is_property

    def doc(self, owner: type[Any]) -> str:
        """Return the docstring, if need be that of the method which this one overrides."""
        return inspect.getdoc(self.function) or inspect.getdoc(getattr(owner, self.name, None)) or ""


def members(cls: type[Any]) -> list[Member]:
    """Return the public methods and properties of a class, inherited ones too, sorted by name."""
    names = sorted(name for name in dir(cls) if not name.startswith("_"))
    found = [Member(name, inspect.getattr_static(cls, name)) for name in names]
    return [one for one in found if one.is_property or one.is_callable]


def attribute_docs(cls: type[Any]) -> dict[str, str]:
    """Return what the comments that begin with ``#:`` say about a class's public attributes, by name."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("mephisto_nb."):
            for (owner, name), lines in ModuleAnalyzer.for_module(base.__module__).find_attr_docs().items():
                if owner == base.__name__ and not name.startswith("_"):
                    found[name] = "\n".join(lines).strip()
    return found


def parts(cls: type[Any]) -> dict[str, type[Any]]:
    """Return the objects that hang on what people hold, such as `run.review`: those that the class annotates."""
    if cls.__name__ not in OBJECTS:
        return {}
    found = {name: part for name, part in get_type_hints(cls).items() if not name.startswith("_")}
    return {name: part for name, part in found.items() if getattr(part, "__module__", "").startswith("mephisto_nb.")}


def called(part: type[Any]) -> Member | None:
    """Return what happens when such an object is called for its panel or frame, as in ``run.review()``."""
    if not any("__call__" in vars(base) for base in part.__mro__):
        return None
    return Member("__call__", inspect.getattr_static(part, "__call__"))
