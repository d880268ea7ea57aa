"""The remote_procedure blueprint: a bundle whose page calls Python functions of the notebook.

On the way from a page to a function of the researcher: `fit` holds a value against an annotation, `Function` is what a
page may call, `FunctionRunner` answers the calls of each unit, and the blueprint puts it all together. JSON knows few
types, so `fit` is short; a library would bring more than it saves, and words of its own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import NotJSONError, SharedTaskState, for_browsers, to_json
from mephisto_nb.ports.task_runner import LiveAgent, TaskRunner, Turn
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.user_code import CallThreads, is_async

logger = get_logger(__name__)

_MOST = 80
_LISTS = (list, Sequence, tuple, set, frozenset)
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
_NAMES |= {list: "a list", tuple: "a list", set: "a list", dict: "an object"}


class ArgumentsError(ValueError):
    """A page called a function with what its signature does not allow; the message is for whoever wrote the page."""


def fit(value: Any, wanted: Any, where: str) -> Any:
    """Return a JSON value as a function wants it.

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
    """Return the annotations of a function or class; none where they cannot be read."""
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
        """Return what is known in the form of Mephisto 1.x."""
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
        """Return the call that a page asks for.

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


#: How many calls of one worker run at a time, and how long the names that pages send may be.
_PER_WORKER, _LONGEST_ID = 8, 200
#: How much of an error's text a page is told.
_LONGEST_TEXT = 500
_ON_OUR_SIDE = "Something went wrong on our side."


class FunctionRunner(TaskRunner):
    """Calls the functions of `SharedTaskState.function_registry` for workers' pages.

    A request is stored before it is answered, and its answer before the page has it for good. A request without an
    answer, when a kernel takes a run up again, is run again: a function may be called twice, but its page gets one
    answer.

    Parameters
    ----------
    shared_state
        Holds the functions.
    threads
        How many plain functions run at a time, for all workers.
    longest_response
        The longest answer, in bytes.
    """

    replays: ClassVar[bool] = False

    def __init__(self, shared_state: SharedTaskState, *, threads: int = 8, longest_response: int = 1_000_000) -> None:
        super().__init__(shared_state)
        self._longest_response = longest_response
        registry = shared_state.function_registry
        # A run that is taken up without its functions lets calls wait, rather than answer them wrongly.
        self._functions: dict[str, Function] = read_registry(registry) if registry else {}
        self._threads = CallThreads(threads, "a function for a page")

    def get_init_data(self, init_data: JSON, history: Sequence[Turn]) -> JSON:
        """Return the data of a page, and its earlier calls, so that a reload need not repeat them."""
        return {"task_data": init_data, "previous_requests": pair_up(history)}

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Answer calls until the worker leaves or submits."""
        history = list(agent.history)
        answered = {turn.data.get("handles") for turn in history if turn.sender == "operator"}
        asked = [turn.data for turn in history if turn.sender == "worker"]
        seen: set[str] = {id_ for data in asked if (id_ := _id_of(data)) in answered and id_ is not None}
        places = asyncio.Semaphore(_PER_WORKER)
        async with asyncio.TaskGroup() as calls:
            for data in asked:
                self._take(data, seen, calls, agent, init_data, places)
            while True:
                self._take(await agent.get_live_update(), seen, calls, agent, init_data, places)

    def _take(
        self,
        data: JSONObject,
        seen: set[str],
        calls: asyncio.TaskGroup,
        agent: LiveAgent,
        init_data: JSONObject,
        places: asyncio.Semaphore,
    ) -> None:
        request_id = _id_of(data)
        if request_id is None or request_id in seen:
            return
        seen.add(request_id)
        calls.create_task(self._answer(request_id, data, agent, init_data, places))

    async def _answer(
        self, request_id: str, data: JSONObject, agent: LiveAgent, init_data: JSONObject, places: asyncio.Semaphore
    ) -> None:
        async with places:
            if not self._functions:
                why = (
                    "A page called a function, but the run was taken up without any. Take it up with them: await "
                    "operator.reconnect(..., SharedTaskState(function_registry={...}))."
                )
                await agent.report(why)
                return
            try:
                state = CallState(agent.agent_id, init_data, pair_up(agent.history))
                response = await self._call(request_id, data, state)
            except Exception as error:  # noqa: BLE001 - a researcher's function; its failure is an answer, too
                await self._tell_failure(request_id, data, agent, error)
            else:
                await agent.observe({"handles": request_id, "response": response})

    async def _call(self, request_id: str, data: JSONObject, state: CallState) -> str:
        """Return the answer of a function as JSON; raise whatever it raises."""
        function = self._functions.get(str(data.get("target")))
        if function is None:
            raise ArgumentsError(f"There is no function {str(data.get('target'))[:_LONGEST_ID]!r} to call.")
        call = function.bind(request_id, _parse(data.get("args")), state)
        result: Any = await call() if function.is_async else await self._threads.run(call)
        try:
            response = json.dumps(for_browsers(to_json(result)), ensure_ascii=False)
        except (NotJSONError, RecursionError) as error:
            raise TypeError(f"{function.name} returned what is no JSON: {error}") from error
        size = len(response.encode("utf-8", "replace"))
        if size > self._longest_response:
            raise OverflowError(
                f"{function.name} returned {size:,} bytes, and {self._longest_response:,} may be sent "
                "(mephisto.blueprint.maximum_response_in_bytes)"
            )
        return response

    async def _tell_failure(self, request_id: str, data: JSONObject, agent: LiveAgent, error: Exception) -> None:
        target = str(data.get("target"))[:_LONGEST_ID]
        told = {"type": type(error).__name__, "message": _words_for_page(error)}
        # `response` is all that npm's client hands on; ours looks at `error`, and raises it.
        answer = {"handles": request_id, "response": json.dumps({"error": told}), "error": told}
        if not isinstance(error, ArgumentsError):
            logger.error("the function %r failed for a page", target, exc_info=error)
            detail = {"function": target, "request_id": request_id, "error": repr(error)[:_LONGEST_TEXT]}
            why = f"The function {target!r} failed for a page: {repr(error)[:_LONGEST_TEXT]}."
            await agent.report(why, detail, of=f"function {target}")
        await agent.observe(answer)


def _words_for_page(error: Exception) -> str:
    """Return what a page may know: a ValueError speaks of what was sent, any other may tell secrets."""
    return str(error)[:_LONGEST_TEXT] if isinstance(error, ValueError) else _ON_OUR_SIDE


def _id_of(data: JSONObject) -> str | None:
    request_id = data.get("request_id")
    return request_id if isinstance(request_id, str) and 0 < len(request_id) <= _LONGEST_ID else None


def _parse(args: JSON) -> JSON:
    """Read arguments; npm's client sends them as JSON text, and no text at all where there are none."""
    if not isinstance(args, str):
        return args
    try:
        found: JSON = json.loads(args)
    except (ValueError, RecursionError):
        raise ArgumentsError("The arguments are not JSON.") from None
    return found


def pair_up(history: Sequence[Turn]) -> list[JSONObject]:
    """Return the calls of a unit, each with its answer (None: none yet), in the form of Mephisto 1.x."""
    answers = {turn.data.get("handles"): turn.data for turn in history if turn.sender == "operator"}
    found: dict[str, JSONObject] = {}
    for turn in history:
        request_id = _id_of(turn.data) if turn.sender == "worker" else None
        if request_id is None or request_id in found:
            continue
        answer = answers.get(request_id, {})
        found[request_id] = {
            "uuid": request_id,
            "target": turn.data.get("target"),
            "args_json": turn.data.get("args"),
            "response_json": answer.get("response"),
            "error": answer.get("error"),
        }
    return list(found.values())


@dataclass(slots=True)
class RemoteProcedureBlueprintArgs(StaticReactBlueprintArgs):
    """The bundle, its data, and how much its calls may ask for; every other setting is as in a static_react_task.

    Parameters
    ----------
    maximum_response_in_bytes
        The longest answer of a function, as JSON.
    function_threads
        How many plain functions run at a time, for all workers together. Async ones run on the kernel's loop.
    """

    _blueprint_type: str = "remote_procedure"
    maximum_response_in_bytes: int = 1_000_000
    function_threads: int = 8


class RemoteProcedureBlueprint(StaticReactBlueprint):
    """A task whose page calls the functions of `SharedTaskState.function_registry` while a worker works.

    The bundle uses `useMephistoRemoteProcedureTask` of the npm package `mephisto-task`, or ``mephisto.call`` of
    the script that every such page has. Calls run side by side; each is stored, and so is its answer:
    `run.metadata.requests()`.

    Examples
    --------
    >>> def shout(text: str, times: int = 1) -> str:
    ...     return text.upper() * times
    >>> state = SharedTaskState(static_task_data=[{"text": "hi"}], function_registry={"shout": shout})
    >>> blueprint = RemoteProcedureBlueprint(RemoteProcedureBlueprintArgs(task_source="build/bundle.js"), state)
    """

    BLUEPRINT_TYPE: ClassVar[str] = "remote_procedure"
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass = RemoteProcedureBlueprintArgs
    args: RemoteProcedureBlueprintArgs

    def make_task_runner(self) -> TaskRunner:
        """Make what answers calls, within the limits of this run."""
        limits = {"threads": self.args.function_threads, "longest_response": self.args.maximum_response_in_bytes}
        return FunctionRunner(self.shared_state, **limits)

    def assert_task_args(self) -> None:
        """Refuse what a static_react_task refuses, and functions that no page could call.

        Raises
        ------
        ConfigError
            A setting, a bundle or a function cannot work.
        DataFileError
            A file cannot be read, or a row is no object.
        """
        for key in ("maximum_response_in_bytes", "function_threads"):
            value = getattr(self.args, key)
            if value < 1:
                raise ConfigError(f"mephisto.blueprint.{key} is {value!r}. Give a number of 1 or more.")
        read_registry(self.shared_state.function_registry)
        super().assert_task_args()
