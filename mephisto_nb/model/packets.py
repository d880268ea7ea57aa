"""The packets that travel between worker, router and operator.

The names are those of the Mephisto 1.x browser packages (``mephisto-task`` 2.0.x), which the router serves
unmodified. `RETURN_UNIT`, `AGENT_DISCONNECTED`, `ROUTER_AWAY` and `CROWD_EVENT` are ours. `ROUTER_AWAY` is the router's
own: since when and until when (``since`` and ``until``, in epoch seconds) no page could reach it. `CROWD_EVENT` is what
a crowd has posted to the run's address for events: some of its ``headers``, and its ``body`` in base 64.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum

from mephisto_nb._typing import JSONObject


class PacketType(StrEnum):
    """What a packet says."""

    # worker → router → operator: numbered, kept in the inbox until the operator has acknowledged them
    REGISTER_AGENT = "register_agent"
    SUBMIT_ONBOARDING = "submit_onboarding"
    SUBMIT_UNIT = "submit_unit"
    SUBMIT_METADATA = "submit_metadata"
    LIVE_UPDATE_TO_OPERATOR = "mephisto_bound_live_update"
    LOG_ERROR = "log_error"
    RETURN_UNIT = "return_unit"
    AGENT_DISCONNECTED = "agent_disconnected"
    ROUTER_AWAY = "router_away"
    CROWD_EVENT = "crowd_event"
    # operator → router → worker: numbered, kept in the database until the router has acknowledged them
    AGENT_DETAILS = "agent_details"
    UPDATE_STATUS = "update_status"
    LIVE_UPDATE_TO_CLIENT = "client_bound_live_update"
    # worker ↔ router only
    ALIVE = "alive"
    HEARTBEAT = "heartbeat"


#: What an operator's link to a router begins with, and the code that closes it where the run's token is not known;
#: and the code where the router can store nothing.
LINK_PROTOCOL = 1
BAD_PROOF, STORE_FAILED = 4401, 4503
#: No frame of a link is larger (bytes), in either direction. So many bytes of packets share one, if there are several:
#: whoever reads a frame does nothing else meanwhile.
LARGEST_FRAME, SHARED_FRAME = 8 * 1024 * 1024, 1024 * 1024
#: The name under which an operator tells a router how a worker goes back to their crowd, if their answer is taken and
#: nothing else was said since; and how large that may be (characters of JSON). Pages get it with what confirms the
#: answer, and not before.
SEALED_EXIT, LONGEST_EXIT = "sealed_exit", 8000
#: The subject of packets that concern no agent.
SYSTEM_SUBJECT = "mephisto"
#: Under this name stands whose work is left out of an answer as it is stored: it is made anew should it be sent later.
MADE_ANEW = "made_anew_for"
#: What is kept of an error that a page reports: so many items, and so many characters of each name and each text.
_REPORT_ITEMS, _REPORT_NAME, _REPORT_TEXT = 20, 100, 4000
#: So many characters are kept of all texts of a report whose sender is unknown.
STRANGERS_REPORT = 4000


_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Packet:
    """One message: what it says, about whom (an agent, a request or `SYSTEM_SUBJECT`), and its content."""

    packet_type: PacketType
    subject_id: str
    data: JSONObject = field(default_factory=dict)
    #: What the database keeps of `data`, where the rest can be found there again; None: all of it.
    kept: JSONObject | None = field(default=None, repr=False, compare=False)
    _text: str | None = field(default=None, init=False, repr=False, compare=False)

    def to_text(self) -> str:
        """Return the packet as JSON text of ASCII alone, which is made once: it may be large.

        Raises
        ------
        ValueError
            It holds NaN or infinity, which are no JSON.
        """
        if self._text is None:
            object.__setattr__(self, "_text", _ENCODE(self.to_dict()))
        return self._text or ""

    def to_stored_text(self) -> str:
        """Return what the database keeps of the packet until the router has it, as JSON text."""
        return self.to_text() if self.kept is None else Packet(self.packet_type, self.subject_id, self.kept).to_text()

    def to_dict(self) -> JSONObject:
        """Return the packet as it travels."""
        return {"packet_type": self.packet_type.value, "subject_id": self.subject_id, "data": self.data}

    @classmethod
    def from_text(cls, text: str) -> Packet:
        """Read what `to_text` made; raise `ValueError` where it is no packet."""
        packet = cls.from_dict(json.loads(text))
        object.__setattr__(packet, "_text", text)
        return packet

    @classmethod
    def from_dict(cls, raw: JSONObject) -> Packet:
        """Read a packet; raise `ValueError` where it is none."""
        subject, data = raw.get("subject_id"), raw.get("data", {})
        if not (isinstance(subject, str) and isinstance(data, dict)):
            raise ValueError("a packet needs a string 'subject_id' and an object 'data'")  # noqa: TRY004 - one error for all that is wrong with what came in
        return cls(PacketType(str(raw.get("packet_type"))), subject, data)


@dataclass(frozen=True, slots=True)
class Received:
    """A packet as it comes out of a router's inbox: its number, and when the router got it (epoch seconds)."""

    seq: int
    received_at: float
    packet: Packet


def cut_report(told: JSONObject, most: int = _REPORT_ITEMS * _REPORT_TEXT) -> JSONObject:
    """Return what is kept of an error that a page reports, as texts; of all of them together `most` characters.

    Examples
    --------
    >>> cut_report({"message": "x is not defined", "line": 7})
    {'message': 'x is not defined', 'line': '7'}
    """
    report: JSONObject = {}
    for name, value in list(told.items())[:_REPORT_ITEMS]:
        text = str(value)[: min(_REPORT_TEXT, most)]
        report[name[:_REPORT_NAME]] = text
        most -= len(text)
    return report
