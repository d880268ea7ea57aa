"""The settings of gates, composed onto those of whatever blueprint there is."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

from mephisto_nb.model.gates import GateArgs


@cache
def merge(args_class: type[Any]) -> type[Any]:
    """Give a class of a blueprint's settings with those of gates beside them; what it has itself stays its own."""
    own = {one.name for one in dataclasses.fields(args_class)}
    more = [(one.name, _TYPES[one.name], _copy(one)) for one in dataclasses.fields(GateArgs) if one.name not in own]
    merged = dataclasses.make_dataclass(args_class.__name__, more, bases=(args_class,))
    merged.__module__, merged.__qualname__ = args_class.__module__, args_class.__qualname__
    return merged


def _copy(one: dataclasses.Field[Any]) -> Any:
    if one.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=one.default_factory)
    return dataclasses.field(default=one.default)


_TYPES: dict[str, Any] = inspect.get_annotations(GateArgs, eval_str=True)


def gate_args_of(blueprint_args: Any) -> GateArgs:
    """Take the settings of gates out of those of a blueprint."""
    names = [one.name for one in dataclasses.fields(GateArgs)]
    return GateArgs(**{name: getattr(blueprint_args, name) for name in names if hasattr(blueprint_args, name)})


def names_of(answer: str | Sequence[str] | None) -> tuple[str, ...]:
    """Give the names of the columns with right answers."""
    return () if answer is None else (answer,) if isinstance(answer, str) else tuple(answer)
