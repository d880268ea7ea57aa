"""A researcher's functions, and how a page's call becomes theirs.

Holds what a page sent against what a function's signature asks for.

JSON knows few types, so this is short; a library would bring more than it saves, and words of its own.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.utils.user_code import is_async

_MOST = 80
_LISTS = (list, Sequence, tuple, set, frozenset)
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
_NAMES |= {list: "a list", tuple: "a list", set: "a list", dict: "an object"}


class ArgumentsError(ValueError):
    """A page called a function with what its signature does not allow; the message is for whoever wrote the page."""


def fit(value: Any, wanted: Any, where: str) -> Any:
    """Give a JSON value as a function wants it.

    Lists become tuples or sets, objects dataclasses, and values members of an enumeration; a whole number will do for
    a float. What is no type of this kind is not checked.

    Raises
    ------
    ArgumentsError
        The value is of another type.
    """
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return value
    if origin is Annotated:
        return fit(value, inner[0], where)
    if origin in (Union, types.UnionType):
        return _fit_one_of(value, inner, where)
    if origin is Literal:
        return _check(value, any(value == one and type(value) is type(one) for one in inner), _said(inner), where)
    kind = origin or wanted
    if kind in _LISTS:
        return _fit_list(value, kind, inner, where)
    if kind in (dict, Mapping):
        _check(value, isinstance(value, dict), "an object", where)
        return {key: fit(one, inner[1], f"{where}[{key!r}]") for key, one in value.items()} if inner else value
    if isinstance(kind, type):
        return _fit_class(value, kind, where)
    return value


def _fit_one_of(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    errors = []
    for kind in kinds:
        try:
            return fit(value, type(None) if kind is None else kind, where)
        except ArgumentsError as error:
            errors.append(str(error))
    raise ArgumentsError(errors[0] if len(errors) == 1 else f"{where}: {' or '.join(dict.fromkeys(errors))}")


def _fit_list(value: Any, kind: Any, inner: tuple[Any, ...], where: str) -> Any:
    _check(value, isinstance(value, list), "a list", where)
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        _check(value, len(value) == len(inner), f"a list of {len(inner)}", where)
        return tuple(fit(one, each, f"{where}[{n}]") for n, (one, each) in enumerate(zip(value, inner, strict=True)))
    items = [fit(one, inner[0], f"{where}[{n}]") for n, one in enumerate(value)] if inner else value
    return items if kind in (list, Sequence) else kind(items)


def _fit_class(value: Any, kind: type[Any], where: str) -> Any:
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_check(value, is_number, _NAMES[float], where))
    if kind is int:
        return _check(value, isinstance(value, int) and not isinstance(value, bool), _NAMES[int], where)
    if kind in _NAMES:
        return _check(value, isinstance(value, kind), _NAMES[kind], where)
    if issubclass(kind, enum.Enum):
        values = tuple(member.value for member in kind)
        return kind(_check(value, value in values, _said(values), where))
    if dataclasses.is_dataclass(kind):
        return _fit_dataclass(value, kind, where)
    return value


def _fit_dataclass(value: Any, kind: type[Any], where: str) -> Any:
    _check(value, isinstance(value, dict), "an object", where)
    hints = hints_of(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    given = {field.name for field in fields}
    unknown = [name for name in value if name not in given]
    required = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in value]:
        raise ArgumentsError(f"{where} lacks {', '.join(map(repr, missing))}")
    if unknown:
        raise ArgumentsError(f"{where} has {_short(unknown[0])}, which nothing asks for")
    return kind(**{name: fit(one, hints.get(name, Any), f"{where}.{name}") for name, one in value.items()})


def hints_of(thing: Any) -> dict[str, Any]:
    """Give the annotations of a function or class; none where they cannot be read."""
    try:
        return get_type_hints(thing, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def _check(value: Any, is_right: bool, wanted: str, where: str) -> Any:
    if not is_right:
        found = _NAMES.get(type(value), "something else")
        raise ArgumentsError(f"{where} must be {wanted}, not {found} ({_short(value)})")
    return value


def _said(values: tuple[Any, ...]) -> str:
    return f"one of {', '.join(map(repr, values))}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


#: The parameter by which a function asks for what is known of the unit.
_STATE = "agent_state"
_GATHERS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(slots=True)
class CallState:
    """What a function may know of the unit in which it is called, by a parameter named ``agent_state``.

    `init_data` is the data of the unit; `requests` are the calls until now, as in ``previous_requests``.
    """

    agent_id: str
    init_data: JSONObject
    requests: list[JSONObject] = field(default_factory=list)

    def get_data(self) -> JSONObject:
        """Give what is known in the form of Mephisto 1.x."""
        return {"inputs": self.init_data, "outputs": {"final_submission": None, "requests": self.requests}}


class Function:
    """One function of a `function_registry`.

    Three forms are understood: ``f(request_id, args, agent_state)`` of Mephisto 1.x; ``f(args)``, which takes whatever
    the page sent; and any other, whose parameters are what the page sends by their names, checked against their
    annotations.

    Raises
    ------
    ConfigError
        It is no function, or takes something that no page can send.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self.function = name, function
        try:
            self._parameters = dict(inspect.signature(function).parameters)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"function_registry[{name!r}] is {function!r}, whose parameters cannot be read. Give a function: "
                "def f(text: str) -> str."
            ) from error
        names = list(self._parameters)
        self._is_of_old = len(names) == 3 and names[0].lstrip("_") == "request_id"
        self._takes_all = [one for one in names if one != _STATE] == ["args"]
        self._hints = hints_of(function)
        self._check()

    @property
    def is_async(self) -> bool:
        """Whether it is to be awaited on the loop, rather than run in a thread."""
        return is_async(self.function)

    def bind(self, request_id: str, args: JSON, state: CallState) -> Callable[[], Any]:
        """Give the call that a page asks for.

        Raises
        ------
        ArgumentsError
            The arguments are not what the function takes.
        """
        if self._is_of_old:
            return lambda: self.function(request_id, args, state)
        extra: JSONObject = {_STATE: state} if _STATE in self._parameters else {}
        if self._takes_all:
            value = fit(args, self._hints.get("args", Any), "args")
            return lambda: self.function(args=value, **extra)
        named = self._named(args)
        return lambda: self.function(**named, **extra)

    def _check(self) -> None:
        only_places = [p.name for p in self._parameters.values() if p.kind is inspect.Parameter.POSITIONAL_ONLY]
        if only_places and not self._is_of_old:
            raise ConfigError(
                f"function_registry[{self.name!r}] takes {only_places[0]!r} by its place alone, but pages send "
                "arguments by name. Take the '/' out of its parameters."
            )

    def _named(self, args: JSON) -> JSONObject:
        ours = {name: p for name, p in self._parameters.items() if name != _STATE and p.kind not in _GATHERS}
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in self._parameters.values())
        if args is None:
            args = {}
        elif len(ours) == 1 and not (isinstance(args, dict) and set(args) <= set(ours)):
            args = {next(iter(ours)): args}  # a single value needs no name
        if not isinstance(args, dict):
            raise ArgumentsError(f"{self.name} takes {_words(ours)} by name: send an object")
        required = [name for name, parameter in ours.items() if parameter.default is inspect.Parameter.empty]
        if missing := [name for name in required if name not in args]:
            raise ArgumentsError(f"{self.name} lacks {_words(missing)}")
        if not takes_any and (unknown := [name for name in args if name not in ours]):
            raise ArgumentsError(f"{self.name} takes {_words(ours)}, not {str(unknown[0])[:80]!r}")
        if _STATE in args:
            raise ArgumentsError(f"{self.name} is told {_STATE!r} by Python, not by the page")
        return {name: fit(value, self._hints.get(name, Any), name) for name, value in args.items()}


def read_registry(registry: object) -> dict[str, Function]:
    """Understand the functions of a run.

    Raises
    ------
    ConfigError
        There are none, or one of them cannot be called by a page.
    """
    if not isinstance(registry, Mapping) or not registry:
        raise ConfigError(
            "The task has no functions for its page to call. Hand them over as "
            "SharedTaskState(function_registry={'name': function})."
        )
    for name, function in registry.items():
        if not isinstance(name, str) or not callable(function):
            raise ConfigError(f"function_registry holds {name!r}: {function!r}, which is no name with a function.")
    return {name: Function(name, function) for name, function in registry.items()}


def _words(names: Any) -> str:
    return ", ".join(map(repr, names)) or "nothing"
