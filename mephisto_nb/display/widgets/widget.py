"""The live display: an anywidget, what its views ask and are sent, and the code that browsers get for it.

anywidget is imported when a display is first shown: scripts, which show none, begin without waiting for it. A page gets
the widget's code from the environment of the Jupyter server, which may be another one than the kernel's. If that one
has anywidget too, displays are live. If it has no widgets at all, the page shows the still summary; if it has
ipywidgets alone, an error instead: ``pip install anywidget`` there, and reload the page.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Protocol

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.actions import act, describe_actions, preview
from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.display.words import error_words
from mephisto_nb.errors import ConfigError, UsageError
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: The least time between two messages of one source, in seconds.
INTERVAL = 0.125
#: Where a state tells the time. That it goes by is no change.
_CLOCKS = ("run.now", "now")
#: For how long a look is good, in seconds; browsers renew it every 20 s.
LEASE = 50.0


class StateSource(Protocol):
    """What can be followed: `display.dashboard.watch.RunWatch` and `display.dashboard.runs.RunList`."""

    on_change: list[Callable[[], None]]

    def state(self) -> JSONObject:
        """Return the state of now; cheap."""
        ...

    async def load(self) -> None:
        """Read what memory does not hold, and tell by `on_change` of what is new; called while somebody looks."""
        ...


class Handle(Protocol):
    """What a loop gives for a call that is to come."""

    def cancel(self) -> None:
        """Call it off."""
        ...


class Timers(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float:
        """Return the loop's time in seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call something after some seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What a topic is about: the source of its states; and the run, where one is driven from here."""

    source: StateSource
    run: DrivenRun | None = None


#: Finds what a topic is about; what it raises is shown to whoever wants to see it.
FindSubject = Callable[[str], Awaitable[Subject]]


class WidgetServer:
    """Follows what somebody sees, and does what somebody asks for. All of it runs on one event loop.

    Parameters
    ----------
    find
        Finds what a topic is about.
    send
        Sends a message to every view.
    loop
        The loop.
    """

    def __init__(self, find: FindSubject, send: Callable[[JSONObject], None], loop: asyncio.AbstractEventLoop) -> None:
        self._find, self._send, self._loop = find, send, loop
        self._subjects: dict[str, asyncio.Task[Subject]] = {}
        self._feeds: dict[str, Feed] = {}
        self._viewers, self._tasks = Viewers(), ViewTasks()
        self._expiry: asyncio.TimerHandle | None = None

    def handle(self, message: Any) -> None:
        """Take in a message of a view."""
        match message:
            case {"type": "hello"}:  # a page asks whether there is anybody
                self._send({"type": "hello"})
            case {"type": "look", "view": str(view), "topics": list(topics)}:
                self._look(view, topics, message.get("again") or [])
            case {"type": "preview", "topic": str(topic), "action": str(action), "args": dict(args)}:
                self._answer(message, self._preview(topic, action, args))
            case {"type": "act", "topic": str(topic), "action": str(action), "args": dict(args)}:
                self._answer(message, self._act(topic, action, args))
            case {"type": "ask", "topic": str(topic), "what": str(what), "args": dict(args)}:
                self._answer(message, self._ask(topic, what, args))
            case {"type": "submission", "topic": str(topic), "agent_id": str(agent_id)}:
                self._answer(message, self._submission(topic, agent_id))

    def close(self) -> None:
        """Follow nothing any more. What was asked for goes on."""
        if self._expiry is not None:
            self._expiry.cancel()
        for feed in self._feeds.values():
            feed.close()

    # -- looking ---------------------------------------------------------------------------------------------

    def _look(self, view: str, topics: list[str], again: list[str]) -> None:
        if topics:
            self._send({"type": "here", "view": view})
        for topic in self._viewers.look(view, topics, self._loop.time()) | (set(again) & set(topics)):
            if topic in self._feeds:
                self._show(topic)
            else:
                self._tasks.start(self._open(topic), self._tell_of_failure(topic, view))
        self._watch_what_is_seen()
        for topic in topics:
            if topic in self._feeds:  # a browser that looks on renews its look: other kernels tell nobody
                self._tasks.start(self._feeds[topic].source.load(), _already_told)

    def _watch_what_is_seen(self) -> None:
        seen = self._viewers.seen(self._loop.time())
        for topic, feed in self._feeds.items():
            feed.watch(topic in seen)
        if self._expiry is not None:
            self._expiry.cancel()
        when = self._viewers.next_expiry()
        self._expiry = None if when is None else self._loop.call_at(when, self._watch_what_is_seen)

    async def _open(self, topic: str) -> None:
        subject = await self._subject(topic)
        if topic not in self._feeds:
            self._feeds[topic] = Feed(topic, subject.source, self._send, self._loop)
            self._watch_what_is_seen()
        self._show(topic)
        await subject.source.load()  # which tells of it by `on_change`

    def _show(self, topic: str) -> None:
        self._feeds[topic].send_whole()

    def _tell_of_failure(self, topic: str, view: str) -> Callable[[Any, str | None], None]:
        def tell(_: Any, error: str | None) -> None:
            if error is not None:
                self._subjects.pop(topic, None)
                self._send({"type": "failed", "topic": topic, "view": view, "error": error})

        return tell

    # -- asking ----------------------------------------------------------------------------------------------

    def _answer(self, asked: JSONObject, work: Any) -> None:
        def reply(result: Any, error: str | None) -> None:
            whose = {"view": asked.get("view"), "request": asked.get("request")}
            self._send({"type": "reply", **whose, "result": result, "error": error})

        self._tasks.start(work, reply)

    async def _preview(self, topic: str, action: str, args: JSONObject) -> str:
        return preview(await self._run(topic), action, args)

    async def _act(self, topic: str, action: str, args: JSONObject) -> JSONObject:
        return asdict(await act(await self._run(topic), action, args))

    async def _ask(self, topic: str, what: str, args: JSONObject) -> JSON:
        source: Any = (await self._subject(topic)).source
        result: JSON = await source.answer(what, args)
        return result

    async def _submission(self, topic: str, agent_id: str) -> JSONObject:
        source: Any = (await self._subject(topic)).source
        result: JSONObject = await source.submission(agent_id)
        return result

    async def _run(self, topic: str) -> DrivenRun:
        run = (await self._subject(topic)).run
        if run is None:
            raise ConfigError("This run is not driven from this kernel: it can only be looked at.")
        return run

    async def _subject(self, topic: str) -> Subject:
        """Find a subject once, however many ask for it."""
        if topic not in self._subjects:
            self._subjects[topic] = asyncio.ensure_future(self._find(topic))
        return await asyncio.shield(self._subjects[topic])


def _already_told(result: Any, error: str | None) -> None:
    """Let what cannot be read be as it was: it is logged, and read again at the next look."""


class Feed:
    """Follows a source for as long as it is watched.

    The first change after a pause goes out at once (when the loop comes round), those of the next moment together,
    and the last state always gets there.

    Parameters
    ----------
    topic
        What the source is called in messages.
    source
        Whose states are sent.
    send
        Sends a message to every view.
    timers
        The event loop.
    """

    def __init__(self, topic: str, source: StateSource, send: Callable[[JSONObject], None], timers: Timers) -> None:
        self.source = source
        self._topic, self._send, self._timers = topic, send, timers
        self._rev = 0
        self._last_sent_at = -INTERVAL
        self._sent: JSONObject = {}
        self._due: Handle | None = None

    def watch(self, watched: bool) -> None:
        """Begin to send changes, or stop. A source that nobody follows can see that: its `on_change` is empty."""
        is_watched = self._note in self.source.on_change
        if watched and not is_watched:
            self.source.on_change.append(self._note)
        elif is_watched and not watched:
            self.source.on_change.remove(self._note)
        if not watched and self._due is not None:
            self._due.cancel()
            self._due = None

    def send_whole(self) -> None:
        """Send the whole state, from which later changes count."""
        self._sent = self.source.state()
        self._tell("state", state=self._sent)

    def close(self) -> None:
        """Follow the source no longer."""
        self.watch(False)

    def _note(self) -> None:
        if self._due is None:
            wait = self._last_sent_at + INTERVAL - self._timers.time()
            self._due = self._timers.call_later(max(0.0, wait), self._send_changes)

    def _send_changes(self) -> None:
        self._due = None
        state = self.source.state()
        changes = find_changes(self._sent, state)
        if any(path not in _CLOCKS for path in changes):
            self._sent = state
            self._tell("delta", set=changes)

    def _tell(self, kind: str, **content: JSONObject) -> None:
        self._rev += 1
        self._last_sent_at = self._timers.time()
        self._send({"type": kind, "topic": self._topic, "rev": self._rev, **content})


class Viewers:
    """The views of one widget, and the topics that each of them shows right now."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[frozenset[str], float]] = {}

    def look(self, view: str, topics: Sequence[str], now: float) -> set[str]:
        """Note what a view shows; return what of it the view did not show before."""
        before, until = self._views.pop(view, (frozenset[str](), now))
        if topics:
            self._views[view] = (frozenset(topics), now + LEASE)
        return set(topics) - (before if until > now else set())

    def seen(self, now: float) -> set[str]:
        """Return the topics that somebody sees."""
        self._views = {view: (topics, until) for view, (topics, until) in self._views.items() if until > now}
        return {topic for topics, _ in self._views.values() for topic in topics}

    def next_expiry(self) -> float | None:
        """Return when the next look ends unless it is renewed."""
        return min((until for _, until in self._views.values()), default=None)


class ViewTasks:
    """Runs coroutines on the loop; what one raises is sent to whoever asked, and logged unless it is their slip."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
        """Start something; `done(result, error)` is called with what came of it."""
        # A context of its own: what it prints must not land under the cell that happened to show the widget.
        task = asyncio.get_running_loop().create_task(_watched(work, done), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Call off what is still under way."""
        for task in self._tasks:
            task.cancel()


async def _watched(work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
    try:
        result = await work
    except UsageError as error:
        done(None, error_words(error))
    except Exception as error:
        logger.exception("what was asked for in a display failed")
        done(None, error_words(error))
    else:
        done(result, None)


def find_changes(old: JSONObject, new: JSONObject) -> JSONObject:
    """Return the values of `new` that differ from `old`, by dotted path; a list counts as one value.

    >>> find_changes({"units": {"open": 2, "done": 0}}, {"units": {"open": 1, "done": 0}})
    {'units.open': 1}
    """
    changes: JSONObject = {}
    _collect(old, new, "", changes)
    return changes


def _collect(old: JSONObject, new: JSONObject, prefix: str, changes: JSONObject) -> None:
    for name, value in new.items():
        before: JSON = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            _collect(before, value, f"{prefix}{name}.", changes)
        elif value != before or name not in old:
            changes[f"{prefix}{name}"] = value


_OWN_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """The module and the style sheet of one kind of widget.

    Parameters
    ----------
    name
        What its class is called. No two may share a name: a page keeps one style sheet of each.
    modules, sheets
        Names of files in ``js`` and ``css``. A module comes after those that it needs as it is loaded.
    bundle
        What is done with the module before it is served.
    tables
        What the module reads of its model beside the topic, by name; it stays as it is.
    """

    name: str
    modules: tuple[str, ...]
    sheets: tuple[str, ...]
    bundle: Callable[[str], str] = str
    tables: Mapping[str, JSON] = field(default_factory=dict)

    @cached_property
    def script(self) -> str:
        """The module."""
        sources = (_read("js", f"{name}.js") for name in self.modules)
        return self.bundle("\n".join(_EXPORT.sub("", _OWN_IMPORT.sub("", source)) for source in sources))

    @cached_property
    def styles(self) -> str:
        """The style sheet."""
        return "\n".join(_read("css", f"{name}.css") for name in self.sheets)


#: The dashboard of a run, and the list of runs.
DASHBOARD = FrontEnd(
    "Dashboard",
    ("words", "dom", "link", "place", "overview", "figures", "people", "dialogs", "steering", "run", "runs", "index"),
    ("base", "dashboard", "panels"),
    tables={"actions": describe_actions()},
)


def _read(folder: str, name: str) -> str:
    return (files("mephisto_nb.display.widgets") / folder / name).read_text(encoding="utf-8")


def can_be_live() -> bool:
    """Return whether there is a kernel with a loop that runs."""
    if "IPython" not in sys.modules:  # a kernel has imported it
        return False
    import IPython

    shell: Any = IPython.get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    return getattr(shell, "kernel", None) is not None and asyncio._get_running_loop() is not None


def still_or_live(still: Mapping[str, str], model: Callable[[], Any]) -> dict[str, Any]:
    """Return what a notebook shows, by MIME type: what is still, in the place that the widget takes while it lives.

    The widget itself is not named, as JupyterLab and Notebook 7 show an error in its stead once the kernel that made
    it is gone; its model finds its place by itself (`place.js`). VS Code and Colab make a model when it is named only.
    """
    if not can_be_live():
        return dict(still)
    widget = model()
    shown = {**still, "text/html": f'<div class="mephisto-place-{widget.place}">{still["text/html"]}</div>'}
    if not _makes_models_late():
        return shown
    bundle: dict[str, Any] = widget._repr_mimebundle_()[0]
    return {**{name: content for name, content in bundle.items() if name.startswith("application/")}, **shown}


def _makes_models_late() -> bool:
    return "google.colab" in sys.modules or any(name.startswith("VSCODE_") for name in os.environ)


def make_model(topic: str, find: FindSubject, front_end: FrontEnd = DASHBOARD) -> Any:
    """Make the widget of a topic, and the server that answers its views.

    Messages arrive on whichever thread the kernel likes, and their loop may be another one: all of them are handed
    over to the loop of this call, here and nowhere else.
    """
    loop = asyncio.get_running_loop()
    model = _model_class(front_end)(topic=topic, place=secrets.token_hex(8))

    def send(message: JSONObject) -> None:
        model.send(message)

    server = WidgetServer(find, send, loop)
    model.on_msg(lambda _, message, buffers: loop.call_soon_threadsafe(server.handle, message))
    return model


@cache
def _model_class(front_end: FrontEnd) -> Any:
    import anywidget
    import traitlets

    names = {name: traitlets.Unicode().tag(sync=True) for name in ("topic", "place")}
    tables = {name: traitlets.Any(table).tag(sync=True) for name, table in front_end.tables.items()}
    parts = {"_esm": front_end.script, "_css": front_end.styles, **names, **tables}
    return type(front_end.name, (anywidget.AnyWidget,), parts)
