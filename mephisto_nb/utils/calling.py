"""Calls as people in a notebook make them: a forgotten ``await``, an option that there is not, an interrupt.

A coroutine that was not awaited looks like a result and is none; whatever is asked of it first says what to write
instead. An option or a name that nothing knows is answered with the nearest one. And who stops a cell that waits has
made no mistake: they read what goes on without them, and no frames.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from mephisto_nb.errors import LoopError, NotAwaitedError, UnknownNameError, UnknownOptionError
from mephisto_nb.utils.run_sync import HomeLoop

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

#: What people call the object that has a method, by its class.
_HOLDERS = {
    "TaskRun": "run",
    "RunSteering": "run.steering",
    "RunReview": "run.review",
    "OperatorReview": "operator.review",
    "Payments": "operator.payments",
    "RunPayments": "run.payments",
    "Qualifications": "operator.qualifications",
    "Workers": "operator.workers",
}


def face(cls: C) -> C:
    """Make a class fit for a person's hands: its coroutines are `awaited`, and ``dir`` gives what they may type.

    What goes on after an interrupt is said by the class's method ``_what_goes_on``, if it has one. Its ``_home`` is the
    `HomeLoop` that its coroutines belong to: on another they raise `LoopError` before they do anything.
    """
    for name, function in list(vars(cls).items()):
        if not name.startswith("_") and inspect.iscoroutinefunction(function):
            setattr(cls, name, awaited(function))
    cls.__dir__ = _typed_names  # type: ignore[method-assign, assignment]
    cls.__getattr__ = _name_the_nearest  # type: ignore[attr-defined]
    if "__repr__" not in vars(cls):
        cls.__repr__ = _name_what_can_be_typed  # type: ignore[method-assign, assignment]
    return cls


def _typed_names(self: object) -> list[str]:
    return [name for name in object.__dir__(self) if not name.startswith("_")]


def _name_the_nearest(self: object, name: str) -> Any:
    if name.startswith("_") or hasattr(type(self), name):
        return object.__getattribute__(self, name)  # raises what was raised, or what Python says
    near = _nearest(name, dir(self))
    raise UnknownNameError(f"{type(self).__name__} has no {name!r}. {near}It has: {', '.join(dir(self))}.")


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}? " if near else ""


def _name_what_can_be_typed(self: object) -> str:
    return f"<{type(self).__name__}: {', '.join(dir(self))}>"


#: How long a value may be where an object says what it is made of.
_LONGEST = 60


def brief(cls: C) -> C:
    """Have a dataclass say in short what it is made of: no defaults, of long lists how many, of functions the name."""
    cls.__repr__ = _say_briefly  # type: ignore[method-assign, assignment]
    return cls


def _say_briefly(self: Any) -> str:
    told = []
    for one in (one for one in fields(self) if one.repr):
        value = getattr(self, one.name)
        is_default = one.default_factory is not MISSING and value == one.default_factory()
        if not is_default and (one.default is MISSING or value is not one.default):
            told.append(f"{one.name}={_in_brief(value)}")
    return f"{type(self).__name__}({', '.join(told)})"


def _in_brief(value: Any) -> str:
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    if isinstance(value, Sized) and not isinstance(value, str) and len(value) > 5:
        return f"<{type(value).__name__} of {len(value):,}>"
    words = repr(value) if not isinstance(value, str) else repr(value[: 2 * _LONGEST])
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."


def awaited(function: F) -> F:
    """Have what a coroutine gives say so where it is not awaited, or interrupted."""
    return _give_unawaited(function)  # type: ignore[return-value]


def known_options(function: F) -> F:
    """Have a function, or the making of a class, name the nearest option that it knows, where it knows one not."""
    if inspect.isclass(function):
        function.__init__ = known_options(function.__init__)  # type: ignore[method-assign]
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _check_options(function, kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def _check_options(function: Callable[..., Any], given: dict[str, Any]) -> None:
    known = inspect.signature(function).parameters
    if any(one.kind is one.VAR_KEYWORD for one in known.values()):
        return
    for name in given.keys() - known.keys():
        names = [one for one in known if one not in ("self", "cls")]
        hint = _nearest(name, names)
        called = function.__qualname__.removesuffix(".__init__").removesuffix(".__new__")
        raise UnknownOptionError(f"{called}() has no option {name!r}. {hint}It has: {', '.join(names) or 'none'}.")


def _give_unawaited(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Unawaited]:
    @functools.wraps(function)
    def give(*args: Any, **kwargs: Any) -> Unawaited:
        _check_options(function, kwargs)
        holder = args[0] if args else next(iter(kwargs.values()), None)
        what_goes_on = getattr(holder, "_what_goes_on", None)
        name = function.__qualname__.rpartition("<locals>.")[2]
        return Unawaited(function(*args, **kwargs), name, what_goes_on, getattr(holder, "_home", None))

    return give


@contextmanager
def quiet_interrupts(name: str, what_goes_on: Callable[[], str] | None = None) -> Iterator[None]:
    """Have a notebook show a sentence in place of frames if this is interrupted; the interrupt itself goes on.

    Parameters
    ----------
    name
        What was called, as ``Operator.launch_task_run``.
    what_goes_on
        Says what goes on in the background.
    """
    try:
        yield
    except (asyncio.CancelledError, KeyboardInterrupt) as error:
        owner, _, called = name.rpartition(".")
        # A method waits for what goes on in the kernel; a function does its work itself.
        words = f"Interrupted: {called}() {'is not waited for any more' if owner else 'has stopped'}."
        if what_goes_on is not None:
            words += f" {what_goes_on()}"
        error._render_traceback_ = lambda *_: [words]  # type: ignore[union-attr]
        raise


class Unawaited(Coroutine[Any, Any, Any]):
    """What a coroutine of this package gives: it does its work when it is awaited, and nothing before.

    Parameters
    ----------
    work
        The coroutine.
    name
        What was called, as ``Operator.launch_task_run``.
    what_goes_on
        Says what goes on if it is interrupted.
    home
        The loop that it has to be awaited on; None: any.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        name: str,
        what_goes_on: Callable[[], str] | None = None,
        home: HomeLoop | None = None,
    ) -> None:
        self._work, self._name, self._what_goes_on, self._home = work, name, what_goes_on, home
        self._running: Coroutine[Any, Any, Any] | None = None

    def send(self, value: Any) -> Any:
        """Go on with it; called by an event loop."""
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error in it; called by an event loop."""
        return self._begun().throw(*error)

    def close(self) -> None:
        """Never do it, or stop."""
        self._begun().close()
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._begun().__await__()

    def _begun(self) -> Coroutine[Any, Any, Any]:
        if self._running is None:
            self._running = self._quietly()
        return self._running

    async def _quietly(self) -> Any:
        if self._home is not None:
            try:
                self._home.enter(f"{self._name}()")
            except LoopError:
                self._work.close()
                raise
        with quiet_interrupts(self._name, self._what_goes_on):
            return await self._work

    def __repr__(self) -> str:
        return self._mend

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_", "gi_")):
            raise AttributeError(name)
        raise NotAwaitedError(self._mend)

    def __getitem__(self, key: Any) -> Any:
        raise NotAwaitedError(self._mend)

    def __iter__(self) -> Iterator[Any]:
        raise NotAwaitedError(self._mend)

    def __len__(self) -> int:
        raise NotAwaitedError(self._mend)

    def __bool__(self) -> bool:
        return True

    def __del__(self) -> None:
        if self._running is None:
            self._work.close()
            warnings.warn(self._mend, RuntimeWarning, stacklevel=2)

    @property
    def _mend(self) -> str:
        owner, _, method = self._name.rpartition(".")
        call = f"{_HOLDERS.get(owner, owner.lower())}.{method}(...)".removeprefix(".")
        return f"`await` is missing: {call} has not done anything yet. Write: await {call}"
