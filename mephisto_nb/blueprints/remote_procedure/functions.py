"""A researcher's functions, and how a page's call becomes theirs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.remote_procedure.functions import ArgumentsError, fit, hints_of
from mephisto_nb.errors import ConfigError
from mephisto_nb.utils.user_code import is_async

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
