"""Minimum time: an answer that comes sooner than anybody could give it fails.

Stands alone because each gate is a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb.model.gates import GateFinding
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import AnswerCheck, SentAnswer


@dataclass(slots=True)
class MinimumTimeSettings:
    """The settings of the minimum time.

    Parameters
    ----------
    minimum_seconds
        An answer that comes sooner fails. 0: as fast as they like.
    """

    minimum_seconds: float = 0.0


class MinimumTimeCheck(AnswerCheck[MinimumTimeSettings]):
    """Fails an answer that came too soon after its unit was taken, by the server's times."""

    NAME, STORED_AS = Gate.TIME.value, Gate.TIME
    SETTINGS = MinimumTimeSettings
    NOT_NEGATIVE = ("minimum_seconds",)

    @classmethod
    def is_open(cls, settings: MinimumTimeSettings, shared: SharedTaskState) -> bool:
        """Return whether there is a minimum."""
        return bool(settings.minimum_seconds)

    def look(self, sent: SentAnswer) -> GateFinding | None:
        """Hold the time that it took against the minimum."""
        if sent.seconds is None:
            return None
        minimum = self.settings.minimum_seconds
        return self.found(sent.seconds >= minimum, {"seconds": round(sent.seconds, 3), "minimum_seconds": minimum})
