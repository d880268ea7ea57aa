"""What a process tells of its machine: few files left, little room, a directory that is gone; and how that is told."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mephisto_nb.utils import machine
from mephisto_nb.utils.machine import (
    MachineTrouble,
    MachineTroubles,
    birth_of,
    read_troubles,
    say_few_files,
    say_little_room,
    say_missing,
    write_troubles,
)


@pytest.mark.skipif(sys.platform == "win32", reason="its processes have no limit")
def test_files_that_are_open_are_counted(tmp_path: Path) -> None:
    before = machine.files_in_use()
    with open(tmp_path / "one", "w"), open(tmp_path / "two", "w"):
        assert machine.files_in_use() == before + 2
    assert machine.open_files() > before


@pytest.mark.parametrize(("used", "most", "is_told"), [(79, 100, False), (90, 100, True), (10**6, math.inf, False)])
def test_a_process_with_few_files_left_says_so(
    monkeypatch: pytest.MonkeyPatch, used: int, most: float, *, is_told: bool
) -> None:
    monkeypatch.setattr(machine, "files_in_use", lambda: used)
    monkeypatch.setattr(machine, "open_files", lambda: most)
    said = say_few_files("The router")
    assert (said is not None) is is_told
    assert said is None or said[0].startswith("The router has 90 of the 100 files")


def test_little_room_on_a_disk_is_said_with_how_much(tmp_path: Path) -> None:
    assert say_little_room(tmp_path, "the run", least=0) is None
    reason, remedy = say_little_room(tmp_path, "the run", least=10**18) or ("", "")
    assert "is nearly full" in reason
    assert "MB are left" in reason
    assert remedy.startswith("Make room")


def test_a_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    assert say_missing(tmp_path, "the run") is None
    reason, _ = say_missing(tmp_path / "gone", "the run") or ("", "")
    assert str(tmp_path / "gone") in reason
    assert say_little_room(tmp_path / "gone", "the run") is None  # one trouble is told once


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="elsewhere it is not known")
def test_a_process_is_told_from_others_of_its_number() -> None:
    assert birth_of(os.getpid()) == birth_of(os.getpid()) is not None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert birth_of(other.pid) not in (None, birth_of(os.getpid()))
    assert birth_of(other.pid) is None


def test_a_trouble_keeps_its_beginning_and_goes_when_it_is_over() -> None:
    times = iter((1.0, 2.0, 3.0))
    troubles = MachineTroubles(lambda: next(times))
    troubles.note("disk", "39 MB are left.", "Make room.")
    troubles.note("disk", "38 MB are left.", "Make room.")
    assert troubles.all() == (MachineTrouble("disk", 1.0, "38 MB are left.", "Make room."),)
    troubles.say("disk", None)
    assert troubles.all() == ()


def test_what_was_mended_stays_known_the_latest_at_last() -> None:
    troubles = MachineTroubles()
    for number in range(100):
        troubles.remark("store", f"{number}", "Keep it out.")
    assert [told.reason for told in troubles.all()] == ["95", "96", "97", "98", "99"]


def test_troubles_travel_as_json_and_nonsense_is_passed_over() -> None:
    sent = (MachineTrouble("disk", 1.0, "Full.", "Make room."), MachineTrouble("file", 2.0, "Gone.", "", is_past=True))
    assert read_troubles(write_troubles(sent)) == sent
    assert (
        read_troubles([{"what": "disk"}, None, 3, {**sent[0].to_dict(), "since": "x"}, sent[1].to_dict()]) == sent[1:]
    )
    assert read_troubles({"not": "a list"}) == ()
