"""What an operator sends: frames are checked here, and nowhere else. Pure functions."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass, replace
from typing import TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.packets import LONGEST_EXIT, SEALED_EXIT, Packet, PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router import codec
from mephisto_nb.router.inbox.writes import Effect

#: The largest whole number that SQLite holds.
_LARGEST = 2**63 - 1

log = logging.getLogger(__name__)


class BadFrame(ValueError):
    """An operator sent what the protocol does not know."""


@dataclass(frozen=True, slots=True)
class AckFrame:
    """The operator has everything up to `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class EffectsFrame:
    """The operator's decisions, up to number `last_n`; those that could not be understood are left out."""

    effects: list[Effect]
    last_n: int


@dataclass(frozen=True, slots=True)
class AheadFrame:
    """A live update for a worker, ahead of the same one in an `EffectsFrame`; `after` is the id of the one before it.

    `update` is None where it makes no sense: it is passed over.
    """

    after: str
    update: Effect | None


@dataclass(frozen=True, slots=True)
class FinishFrame:
    """The run is over; the router may end after `linger` seconds."""

    linger: float


@dataclass(frozen=True, slots=True)
class SyncFrame:
    """The operator wants to know when it has been sent all that is in the inbox now.

    `last`: the run is over, and nothing more shall come into the inbox, until another link is opened. `newest_n` is the
    number of the last effect that it has to send, 0 where it has none, or is of an earlier version and does not say it.
    `late_exit` is how those go back who come after the last one.
    """

    last: bool = False
    newest_n: int = 0
    late_exit: JSONObject | None = None


def read_object(text: str) -> JSONObject:
    """Read one frame of an operator; raise `BadFrame` if it is no JSON object."""
    try:
        # Python's own NaN is no JSON and would end in a browser, hence null.
        frame = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise BadFrame("a frame must be JSON text") from None
    if not isinstance(frame, dict):
        raise BadFrame("a frame must be a JSON object")
    return frame


def whole(value: JSON, what: str) -> int:
    """Return a number that is never negative; raise `BadFrame` if it is none, and say `what` it is."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise BadFrame(f"{what} must be a whole number")
    return value


Frame: TypeAlias = AckFrame | EffectsFrame | AheadFrame | FinishFrame | SyncFrame


def read_frame(text: str) -> Frame:
    """Read one frame of an authenticated operator; raise `BadFrame` if the protocol does not know it."""
    frame = read_object(text)
    kind = frame.get("type")
    if kind == "ack":
        return AckFrame(whole(frame.get("seq"), "seq"))
    if kind == "effects":
        return _effects(frame.get("effects"))
    if kind == "ahead":
        return _ahead(frame)
    if kind == "sync":
        newest_n = whole(frame.get("n", 0), "n")
        return SyncFrame(frame.get("last") is True, newest_n, _late_exit(frame.get("late_exit")))
    if kind == "finish":
        return FinishFrame(_linger(frame.get("linger")))
    raise BadFrame("unknown type of frame")


def _linger(value: JSON) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise BadFrame("linger must be a number of seconds")
    return float(value)


def _ahead(frame: JSONObject) -> AheadFrame:
    after, update = frame.get("after"), read_effect(0, frame.get("packet"))
    if not isinstance(after, str):
        raise BadFrame("after must be the id of a live update")
    is_live = update is not None and update.packet.packet_type is PacketType.LIVE_UPDATE_TO_CLIENT
    return AheadFrame(after, update if is_live else None)


def _effects(raw: JSON) -> EffectsFrame:
    if not isinstance(raw, list) or not raw:
        raise BadFrame("effects must be a list, not empty")
    effects: list[Effect] = []
    last_n = 0
    for item in raw:
        if not isinstance(item, list) or len(item) != 2:
            raise BadFrame("an effect must be a pair of its number and a packet")
        n = whole(item[0], "n")
        if n <= last_n:
            raise BadFrame("the numbers of effects must rise")
        last_n = n
        effect = read_effect(n, item[1])
        if effect is not None:
            effects.append(effect)
    return EffectsFrame(effects, last_n)


def read_effect(n: int, raw: JSON) -> Effect | None:
    """Read one effect; `None`, and a line in the log, where it makes no sense.

    Such an effect is passed over rather than refused: it would make no more sense when it is sent again, and
    everything behind it would wait for ever.
    """
    try:
        packet = Packet.from_dict(raw if isinstance(raw, dict) else {})
        packet, sealed = _take_exit(n, packet)
        packet = _CHECKS[packet.packet_type](packet)
        return Effect(n, packet, codec.dump(packet.to_dict()), sealed)
    except (ValueError, KeyError, RecursionError):
        log.error("The operator's effect %d makes no sense and is passed over.", n)
        return None


def _take_exit(n: int, packet: Packet) -> tuple[Packet, str | None]:
    """Take out of a packet how its agent goes back: that is for its answer alone, and no page gets it before.

    What makes no sense is as if nobody had said how: the rest of the packet counts.
    """
    if packet.packet_type is PacketType.LIVE_UPDATE_TO_CLIENT or SEALED_EXIT not in packet.data:
        return packet, None
    rest = {key: value for key, value in packet.data.items() if key != SEALED_EXIT}
    exit_ = packet.data[SEALED_EXIT]
    if exit_ is not None and not _is_exit(exit_):
        log.error("The way back in the operator's effect %d makes no sense and is passed over.", n)
        exit_ = None
    return replace(packet, data=rest), "" if exit_ is None else codec.dump(exit_)


def _is_exit(value: JSON) -> bool:
    """Return whether this is a way back that a page may take: no address but one of the web."""
    if not isinstance(value, dict) or not isinstance(value.get("outcome"), str):
        return False
    url, code = value.get("url"), value.get("code")
    is_of_web = url is None or (isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable())
    return is_of_web and isinstance(code, str | None) and len(codec.dump(value)) <= LONGEST_EXIT


def _late_exit(value: JSON) -> JSONObject | None:
    """Return a way back for those who come too late; None, and a line in the log, where it makes no sense."""
    if value is None:
        return None
    if _is_exit(value) and isinstance(value, dict) and _has_its_host(value.get("url")):
        names = value.get("parameters")
        if isinstance(names, dict) and all(isinstance(one, str) for one in names.values()):
            return value
    log.error("How people go back who come too late makes no sense, and is passed over.")
    return None


def _has_its_host(url: str | None) -> bool:
    """Return whether an address says itself where it leads: values of people stand behind its host alone."""
    return url is None or "{" not in "/".join(url.split("/", 3)[:3])


def _check_details(packet: Packet) -> Packet:
    data = packet.data
    if data.get("agent_id") is not None:
        _check_id(data["agent_id"])
        AgentStatus(data["status"])
    # Explicit nulls: the browser package looks at `agent_id` before it looks whether there is one.
    nulls = dict.fromkeys(("request_id", "worker_id", "agent_id", "init_task_data", "failure_reason"))
    return replace(packet, data={**nulls, **data})


def _check_status(packet: Packet) -> Packet:
    _check_id(packet.subject_id)
    AgentStatus(packet.data["status"])
    return packet


def _check_update(packet: Packet) -> Packet:
    _check_id(packet.subject_id)
    update_id = packet.data.get("update_id")
    if isinstance(update_id, str):
        return packet
    # The browser package drops an update whose id it has seen, and `undefined` it has seen after the first.
    return replace(packet, data={**packet.data, "update_id": secrets.token_hex(16)})


def _check_id(value: object) -> None:
    if not codec.is_id(value):
        raise ValueError("an id must be printable ASCII text without blanks")


_CHECKS = {
    PacketType.AGENT_DETAILS: _check_details,
    PacketType.UPDATE_STATUS: _check_status,
    PacketType.LIVE_UPDATE_TO_CLIENT: _check_update,
}
