"""The numbers of a run and its router, and what it means where they do not agree when the two meet again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mephisto_nb.model.money import count
from mephisto_nb.ports.architect import Known, RouterStanding
from mephisto_nb.rules.step import Step

_ASK = (
    "Whoever is concerned is among run.agents(): those who sent something and are still at work there. Answers that "
    "were lost can only be asked for again, or found in a newer copy of the file"
)


@dataclass(slots=True)
class LinkNumbers:
    """How far a run and its router have come with each other, beside what is committed.

    `received_seq` is the number of the last message that came, and `delivered_n` of the last packet that the router
    has. `era` is what the router calls its numbers now, and `committed_era` what it called them when the last message
    came whose effect is stored; None: not known.
    """

    received_seq: int = 0
    delivered_n: int = 0
    era: str | None = None
    committed_era: str | None = None
    _told: tuple[bool, int, int] | None = field(default=None, init=False, repr=False)

    @property
    def known(self) -> Known:
        """What a router is told of its inbox, beside the number of the last message whose effect is stored."""
        return Known(self.committed_era, self.received_seq)

    def meet(self, standing: RouterStanding | None, last_seq: int, *, was_replaced: bool) -> list[str]:
        """Note how far the router of a new channel is, and return what `find_gaps` does, unless it was found before.

        A link may break and be opened again many times until the next message makes the two agree.
        """
        gaps = find_gaps(standing, last_seq, was_replaced=was_replaced)
        if standing is None:
            return gaps
        self.era = standing.era
        found = (standing.is_strange, standing.missing, standing.acknowledged)
        is_known, self._told = found == self._told and not was_replaced, found if gaps else None
        return [] if is_known else gaps

    def note_handled(self, step: Step, seq: int) -> None:
        """Note in a step that it handles all messages up to `seq`."""
        step.changes.last_seq = step.state.last_seq = seq
        if self.era != self.committed_era:
            step.changes.era = self.era


def find_gaps(standing: RouterStanding | None, last_seq: int, *, was_replaced: bool) -> list[str]:
    """Return what may be lost, and what to do, as sentences; nothing where the numbers go on from each other.

    Parameters
    ----------
    standing
        How far the router is; None: it does not tell.
    last_seq
        The number of the last message that the run has taken in.
    was_replaced
        Whether the packets that the router has are not those that the run has sent.
    """
    found: list[str] = []
    if standing is not None and standing.is_strange:
        found.append(
            "The router's database (inbox.db) was replaced by an older copy, or emptied: the run has its messages up "
            f"to number {last_seq}, and the router knows nothing of that. What pages were told has arrived, and was "
            f"not taken in by then, is lost; what is in the router now is taken in. {_ASK}."
        )
    elif standing is not None and standing.missing:
        found.append(
            "There is a gap in the numbers of the router's inbox (inbox.db): "
            f"{count(standing.missing, 'message')} that pages were told had arrived are no longer in it. {_ASK}."
        )
    if standing is not None and not standing.is_strange and standing.acknowledged > last_seq:
        found.append(
            "There is a gap in the numbers: the router was told that its messages up to number "
            f"{standing.acknowledged} are stored, and the run's database has them up to {last_seq}. It was replaced "
            "by an older copy: "
            f"{count(standing.acknowledged - last_seq, 'message')} of workers are missing. {_ASK} of the database."
        )
    if was_replaced and not found:
        found.append(
            "The router's database (inbox.db), or that of the run, was replaced by an older copy: the router does not "
            f"have what it was sent, or has more than that. All was sent to it anew. {_ASK}."
        )
    return found


def note_gaps(step: Step, gaps: Sequence[str]) -> None:
    """Report what may be lost, in the event log and in `run.attention`."""
    for gap in gaps:
        reason, _, _ = gap.partition(". ")
        step.log("run", step.state.task_run_id, None, None, reason, "router")
        step.failures.append((f"numbers: {reason[:40]}", gap))
