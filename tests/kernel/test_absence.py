"""What a run says of a kernel that was away."""

from __future__ import annotations

from mephisto_nb.kernel.client_io_handler import Absence
from mephisto_nb.model.packets import Packet, PacketType, Received


def sent(at: float, *kinds: PacketType) -> list[Received]:
    return [Received(seq, at, Packet(kind, "a")) for seq, kind in enumerate(kinds)]


def test_what_waited_is_counted_with_how_long_it_waited() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT, PacketType.SUBMIT_UNIT, PacketType.REGISTER_AGENT), now=143.0)
    assert str(absence) == "The kernel was away for 43 s; 2 answers and 1 arrival were caught up."


def test_all_that_came_during_an_absence_belongs_to_it() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT), now=143.0)
    absence.note(sent(130.0, PacketType.SUBMIT_UNIT), now=144.0)
    assert str(absence) == "The kernel was away for 43 s; 2 answers and 0 arrivals were caught up."


def test_a_later_absence_is_another() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT), now=143.0)
    absence.note(sent(200.0, PacketType.REGISTER_AGENT), now=205.0)
    assert str(absence) == "The kernel was away for 5 s; 0 answers and 1 arrival was caught up."


def test_a_kernel_that_is_there_says_nothing() -> None:
    absence = Absence()
    absence.note(sent(100.0, PacketType.SUBMIT_UNIT), now=100.1)
    absence.note([], now=200.0)
    assert str(absence) == ""
