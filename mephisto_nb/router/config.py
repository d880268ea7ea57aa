"""What the architect writes for a router: `RouterConfig`, its `Limits`, and the files of its directory."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, MissingValueError, UnknownKeyError
from mephisto_nb.router.shape import Bounds
from mephisto_nb.utils.addresses import read_address

KIB, MIB = 1024, 1024 * 1024
#: The version of the browser package ``mephisto-task`` whose protocol is served; it warns about any other.
MEPHISTO_TASK_VERSION = "2.0.3"
_SHORTEST_TOKEN = 16
_EVENTS_KEY = re.compile("[A-Za-z0-9_-]{16,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one router takes, so that no visitor can fill its memory or its disk. Sizes are in bytes.

    Attributes
    ----------
    json_body
        One JSON body, and the text fields of one form together.
    small_body
        A body of ``/request_agent`` or ``/log_error``, which strangers may send too.
    upload_body
        One multipart body, files included.
    bodies
        Bodies of workers that are being read at the same time, as far as one worker may have a share of them.
    bodies_held
        All bodies that are on their way or wait to be read, together, as far as they are held in memory. Beyond it, the
        largest that is still on its way gives way; for those of up to `small_body` there is a quarter more.
    files
        Files in one submission.
    fields
        Text fields in one form, those of the same name counted, too.
    parts
        Parts of one form, of every kind: file inputs that were not used are parts, too.
    json_depth
        How deep objects and lists may nest: less than any reader of the packet can stand.
    json_containers
        Objects and lists in one JSON text: in memory each takes twenty times its two brackets.
    json_values, json_names, json_name
        Values of every kind and names, and names alone, in one JSON text; and how long a name may be, in bytes.
    small_values
        Values and names of a body that strangers may send too, or which has named no agent.
    message_values
        Values and names of a message on a worker's socket.
    body_seconds, body_rate
        How long nothing of a body may come; and how many bytes of it have to come in a second, in the long run.
    connections
        Open connections of every kind, as far as this process may have so many. Beyond them, the one is closed whose
        browser has had something to do for longest: to ask, to send the rest, to read, or to name its agent.
    request_head, head_seconds
        The head of one request, and how long it may take to come.
    stalled_seconds
        How long a browser may leave an answer unread.
    sockets, sockets_per_agent
        Open worker sockets. Beyond the first, the oldest that has named no agent is closed; beyond the second,
        the agent's oldest.
    naming_seconds
        How long a worker socket may take to name its agent.
    socket_message
        One message on a worker's socket.
    messages_per_second
        What one worker socket may send in the long run; four seconds' worth may come at once.
    pending_requests
        Workers who wait for an agent at the same time.
    errors_per_second
        Error reports of all those who are no agent; of each worker, as many as one may have a share of. Ten seconds'
        worth may come at once.
    errors_kept
        Error reports that wait for the operator, counted likewise.
    agent_stored, run_stored
        What one agent, and all together, may store in the course of a run: answers, files, live messages, error
        reports.
    errors_stored
        Error reports of those who are no agent, in the course of a day.
    event_body, events_per_second, events_kept, events_stored
        What a crowd posts to the run's address for events: the body of one; how many may come in the long run, where
        each 4 KiB of a body count as one more; and how many of them, and how many bytes, may wait for the operator.
    nameless_uploads
        Files that are being sent by browsers which have not yet said for which agent.
    disk_free
        How much uploads leave free on the disk, for answers without files.
    """

    json_body: int = 10 * MIB
    small_body: int = 64 * KIB
    upload_body: int = 100 * MIB
    bodies: int = 200
    bodies_held: int = 256 * MIB
    files: int = 50
    fields: int = 50
    parts: int = 200
    json_depth: int = 100
    json_containers: int = 100_000
    json_values: int = 500_000
    json_names: int = 100_000
    json_name: int = 2000
    small_values: int = 2000
    message_values: int = 50_000
    body_seconds: int = 30
    body_rate: int = 4 * KIB
    connections: int = 8000
    request_head: int = 64 * KIB
    head_seconds: int = 20
    stalled_seconds: int = 60
    sockets: int = 2000
    sockets_per_agent: int = 8
    naming_seconds: int = 30
    socket_message: int = MIB
    messages_per_second: int = 50
    pending_requests: int = 1000
    errors_per_second: int = 10
    errors_kept: int = 1000
    agent_stored: int = 512 * MIB
    run_stored: int = 100 * 1024 * MIB
    errors_stored: int = 16 * MIB
    event_body: int = 64 * KIB
    events_per_second: int = 20
    events_kept: int = 10_000
    events_stored: int = 32 * MIB
    nameless_uploads: int = 1024 * MIB
    disk_free: int = 512 * MIB

    @property
    def shape(self) -> Bounds:
        """How intricate the JSON text of a worker may be."""
        depth, containers = self.json_depth, self.json_containers
        return Bounds(depth, containers, self.json_values, self.json_names, self.json_name)

    @property
    def small_shape(self) -> Bounds:
        """How intricate the JSON text of a stranger may be."""
        return replace(self.shape, values=min(self.small_values, self.json_values))

    @property
    def message_shape(self) -> Bounds:
        """How intricate a message on a worker's socket may be."""
        return replace(self.shape, values=min(self.message_values, self.json_values))


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """The content of ``router_config.json``; its repr does not show the token."""

    run_id: str
    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    task_config: JSONObject = field(default_factory=dict, repr=False)
    content_security_policy: str = ""
    frame_ancestors: tuple[str, ...] = ()
    disconnect_after: float | None = None
    #: Files of the site that are read where they lie, while they are being worked at: name on the site, and path.
    linked_files: Mapping[str, str] = field(default_factory=dict)
    operator_absence_in_seconds: float | None = None
    #: The folder of the address that workers use, as in ``/study/``; or '', where it has none.
    folder: str = ""
    #: By which addresses browsers come, beside those that are this machine's own: hosts, or whole addresses.
    addresses: tuple[str, ...] = ()
    #: Which part of what `limits` allow to all one worker may have, over all of the worker's agents; 1 bounds nobody.
    worker_share: float = 1.0
    #: What the address ends in to which a crowd posts events, which nobody can guess; '': there is no such address.
    crowd_events_key: str = field(default="", repr=False)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of a router's directory."""

    directory: Path

    @property
    def config(self) -> Path:
        """What the architect wrote: `RouterConfig`."""
        return self.directory / "router_config.json"

    @property
    def state(self) -> Path:
        """Where the router is found, written once it listens."""
        return self.directory / "router.json"

    @property
    def lock(self) -> Path:
        """Held by the router while it lives."""
        return self.directory / "router.lock"

    @property
    def store(self) -> Path:
        """The router's SQLite database."""
        return self.directory / "inbox.db"

    @property
    def site(self) -> Path:
        """What workers may read."""
        return self.directory / "site"

    @property
    def uploads(self) -> Path:
        """What workers sent, under random names."""
        return self.directory / "files"


_Value = TypeVar("_Value")


def read_config(path: Path) -> RouterConfig:
    """Read ``router_config.json``.

    Raises
    ------
    ConfigError
        The file cannot be read, or a key or value in it is wrong.
    """
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"The router's configuration {path} cannot be read: {error}.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"The router's configuration {path} must hold one JSON object, not {type(raw).__name__}.")
    return parse_config(raw)


def parse_config(raw: JSONObject) -> RouterConfig:
    """Return a configuration that was checked; raise `ConfigError` if it is wrong."""
    _refuse_unknown(raw, RouterConfig, "router_config.json")
    config = RouterConfig(
        run_id=_get(raw, "run_id", str, None),
        token=_get(raw, "token", str, None),
        host=_get(raw, "host", str, "127.0.0.1"),
        port=_get(raw, "port", int, 0),
        task_config=_get(raw, "task_config", dict, {}),
        content_security_policy=_get(raw, "content_security_policy", str, ""),
        frame_ancestors=tuple(_get(raw, "frame_ancestors", list, [])),
        disconnect_after=_seconds(raw, "disconnect_after"),
        linked_files=_get(raw, "linked_files", dict, {}),
        operator_absence_in_seconds=_seconds(raw, "operator_absence_in_seconds"),
        folder=_get(raw, "folder", str, ""),
        worker_share=_share(raw),
        crowd_events_key=_get(raw, "crowd_events_key", str, ""),
        addresses=tuple(_get(raw, "addresses", list, [])),
        limits=_limits(_get(raw, "limits", dict, {})),
    )
    _check(config)
    return config


def _check(config: RouterConfig) -> None:
    if len(config.token) < _SHORTEST_TOKEN:
        raise ConfigError(f"router_config.json: 'token' must have {_SHORTEST_TOKEN} characters or more.")
    if config.crowd_events_key and not _EVENTS_KEY.fullmatch(config.crowd_events_key):
        raise ConfigError(
            "router_config.json: 'crowd_events_key' must have 16 letters, digits, - or _, or more, or be left out."
        )
    if not 0 <= config.port <= 65535:
        raise ConfigError(f"router_config.json: 'port' must lie between 0 and 65535, not {config.port}.")
    for name, path in config.linked_files.items():
        if not isinstance(path, str) or not Path(path).is_absolute():
            raise ConfigError(
                f"router_config.json: 'linked_files' must name absolute paths, not {path!r} for {name!r}."
            )
    if config.folder and not (config.folder.startswith("/") and config.folder.endswith("/")):
        raise ConfigError(f"router_config.json: 'folder' must have a slash at both ends, not {config.folder!r}.")
    for address in config.addresses:
        try:
            read_address(address)
        except (ValueError, AttributeError) as error:
            raise ConfigError(
                f"router_config.json: 'addresses' holds {address!r}, which is no address ({error}). Name a host, as in "
                "lab.example, or a whole address, as in https://lab.example."
            ) from error
    for text in (config.content_security_policy, *config.frame_ancestors):
        # These go into a header: a line break would start another one.
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise ConfigError("router_config.json: the content security policy must be printable ASCII text.")


def _limits(raw: JSONObject) -> Limits:
    _refuse_unknown(raw, Limits, "router_config.json, limits")
    for key, value in raw.items():
        if not _is_number(value) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"router_config.json, limits: {key!r} must be a positive integer, not {value!r}.")
    return Limits(**raw)


def _refuse_unknown(raw: Mapping[str, JSON], owner: type, where: str) -> None:
    known = {item.name for item in dataclasses.fields(owner)}
    for key in raw:
        if key not in known:
            raise UnknownKeyError(f"{where}: unknown key {key!r}. Known keys: {', '.join(sorted(known))}.")


def _get(raw: JSONObject, key: str, kind: type[_Value], default: _Value | None) -> _Value:
    if key not in raw and default is None:
        raise MissingValueError(f"router_config.json: {key!r} is missing.")
    value = raw.get(key, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"router_config.json: {key!r} must be {kind.__name__}, not {type(value).__name__}.")
    return value


def _seconds(raw: JSONObject, key: str) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if not _is_number(value) or value <= 0:
        raise ConfigError(f"router_config.json: {key!r} must be null or a positive number of seconds, not {value!r}.")
    return float(value)


def _share(raw: JSONObject) -> float:
    value = raw.get("worker_share", 1.0)
    if not _is_number(value) or not 0 < value <= 1:
        raise ConfigError(f"router_config.json: 'worker_share' must be more than 0, and 1 at most, not {value!r}.")
    return float(value)


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
