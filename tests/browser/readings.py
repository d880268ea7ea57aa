"""What a person reads off a dashboard at one moment: its visible words, and the numbers in them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

#: Gives the words of the parts of a dashboard, as they are seen: what is hidden has none.
READ = """view => {
  const words = (node) => (node?.checkVisibility() ? node.innerText.replace(/\\s+/g, " ").trim() : "");
  const all = (places, of = view) => [...of.querySelectorAll(places)];
  const rows = (places, ...parts) => all(places).map((row) => parts.map((part) => words(row.querySelector(part))));
  const tiles = all(".mnb-tile").map((tile) => [words(tile.querySelector("h4")), words(tile)]);
  return {
    state: words(view.querySelector(".mnb-state")),
    hero: words(view.querySelector(".mnb-hero")),
    units: all(".mnb-progress .mnb-legend li").map(words).filter(Boolean),
    tiles: Object.fromEntries(tiles),
    crowd: words(all(".mnb-panel")[0]),
    people: rows("tbody tr", ".mnb-who", ".mnb-where", ".mnb-time"),
    newest: rows(".mnb-newest li", ".mnb-who", ".mnb-preview", ".mnb-when"),
  };
}"""
STATUS = {"queued": "created", "open": "launched", "at work": "assigned", "to review": "completed"}
#: How long a unit of time is, and how finely it is told beside a larger one.
SIZES = {"d": 86400, "h": 3600, "min": 60, "s": 1}
MISSING = "–"


@dataclass(frozen=True)
class Range:
    """The lowest and the highest that something can be."""

    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """A number on the screen, and how much it may be off for having been rounded; None: there is a dash."""

    value: float | None
    rounding: float = 0.0

    def holds(self, expected: Range | None) -> bool:
        """Return whether the number is one of these, rounded."""
        if self.value is None or expected is None:
            return (self.value is None) == (expected is None)
        return expected.low - self.rounding <= self.value <= expected.high + self.rounding


@dataclass(frozen=True)
class Reading:
    """The numbers of a dashboard at one moment."""

    units: dict[str, int]
    answered: tuple[int, int]
    share: int
    money: dict[str, float]
    per_hour: Shown
    time_left: Shown
    time_left_low: Shown
    time_left_high: Shown
    seconds_a_unit: Shown
    pay_per_hour: Shown
    number_at_work: int
    people: list[tuple[str, str, int]]
    newest: list[tuple[str, str, Shown]]


def understand(words: dict[str, Any]) -> Reading:
    """Find the numbers in what `READ` gave."""
    tiles = words["tiles"]
    done, total, share = _find(r"([\d,]+) of ([\d,]+) answered ([\d,]+) %", words["hero"])
    counts = [_find(r"([\d,]+) (.*)", entry) for entry in words["units"]]
    return Reading(
        units={STATUS[name]: _whole(count) for count, name in counts},
        answered=(_whole(done), _whole(total)),
        share=_whole(share),
        money=_money(tiles["Cost"]),
        per_hour=_number(r"Pace (\S+)", tiles["Pace"]),
        time_left=_duration(
            r"Time left (.*?)(?: too early| likely| nothing| [\d,]+ answers? to review|$)", tiles["Time left"]
        ),
        time_left_low=_duration(r"likely (.*) to", tiles["Time left"]),
        time_left_high=_duration(r"likely .* to (.*)", tiles["Time left"]),
        seconds_a_unit=_duration(r"(?:hour|Pace –) ?(.*) a unit", tiles["Pace"]),
        pay_per_hour=_number(r"by the hour \$?(\S+)", tiles["Pay by the hour"]),
        number_at_work=_whole(found[1]) if (found := re.match(r"At work now ([\d,]+)", words["crowd"])) else 0,
        people=[(worker, unit, _stopwatch(time)) for worker, unit, time in words["people"]],
        newest=[
            (worker, preview.removeprefix("mood: "), _duration("took (.*?),", when))
            for worker, preview, when in words["newest"]
        ],
    )


def _find(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    assert found is not None, f"{pattern!r} is not in {text!r}"
    return found.groups()


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def _money(words: str) -> dict[str, float]:
    patterns = {
        "spent": r"\$([\d.,]+) (?:so far|in all)",
        "total": r"(?:so far of )?\$([\d.,]+)(?: if all| in all)",
        "committed": r"\$([\d.,]+) in progress",
        "to_come": r"\$([\d.,]+) not begun",
        "fees": r"with 20 % fees \(\$([\d.,]+)",
    }
    found = {name: re.search(pattern, words) for name, pattern in patterns.items()}
    return {name: float(match[1].replace(",", "")) if match else 0.0 for name, match in found.items()}


def _number(pattern: str, words: str) -> Shown:
    """Read a number: what is below ten has a decimal place, what is money has two."""
    (text,) = _find(pattern, words)
    if text == MISSING:
        return Shown(None)
    places = len(text.partition(".")[2]) or (1 if float(text.replace(",", "")) < 10 else 0)
    return Shown(float(text.replace(",", "")), 0.51 * 10**-places)


def _duration(pattern: str, words: str) -> Shown:
    """Read a length of time, which is as exact as its smallest unit."""
    found = re.search(pattern, words)
    if found is None or found[1] in (MISSING, "Done"):
        return Shown(None)
    if found[1] == "under 1 s":
        return Shown(0.5, 0.51)
    parts = re.findall(r"([\d,]+) (d|h|min|s)\b", found[1])
    assert parts, f"{found[1]!r} is no length of time"
    smallest = SIZES[parts[-1][1]]
    # "2 min" stands for 2 min 0 s where seconds are told, too; being off by half a minute cannot be seen there.
    return Shown(math.fsum(_whole(count) * SIZES[name] for count, name in parts), 0.51 * smallest)


def _stopwatch(text: str) -> int:
    return sum(int(part) * 60**index for index, part in enumerate(reversed(text.split(":"))))
