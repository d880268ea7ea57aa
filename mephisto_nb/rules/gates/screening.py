"""Screening: each newcomer does one unit first whose right answer is known."""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import GateDecision, GateSetup, GateWords, Standing, UnitGate

#: What those hear for whom a gate has no unit.
NO_ROOM = (
    "This task first looks at how its workers do, and can do so for nobody new at the moment. It has nothing to do "
    "with you. You may try again later."
)


@dataclass(slots=True)
class ScreeningSettings:
    """The settings of screening.

    Parameters
    ----------
    use_screening_task
        Each newcomer does one screening unit first. None: if `SharedTaskState` has rows for it.
    passed_qualification_name
        Granted to those who pass; they are never screened again. ``NAME-failed`` to the others. None: made of the
        task's name.
    max_screening_units
        At most so many screening units are given out in a run, those that came back unanswered not counted. None: any
        number.
    """

    use_screening_task: bool | None = None
    passed_qualification_name: str | None = None
    max_screening_units: int | None = None


class ScreeningGate(UnitGate[ScreeningSettings]):
    """Return who was never granted its qualification one unit, and lets in who does it right."""

    NAME, KIND, UNIT_INDEX, TAKES_PLACE = Gate.SCREENING.value, Gate.SCREENING, -1, False
    SETTINGS = ScreeningSettings
    NOT_NEGATIVE = ("max_screening_units",)
    USE, LIMIT = "use_screening_task", "max_screening_units"
    ROWS, OTHER, ANSWER = "screening", "screening_data_factory", "screening_answer"
    FUNCTION = "judge_screening"
    QUALIFICATION, DEFAULT_ENDING, ENDINGS = "passed_qualification_name", "-screening", ("-failed",)
    FAILED = GateWords(
        "screening_failed",
        "Thank you for the first item, which was a try-out. It was not done as this task needs it, so there is no "
        "more of this work for you.",
        "failed screening",
    )
    FULL = GateWords(
        "screening_full", NO_ROOM, "not to be screened any more", "raise max_screening_units, or give more rows"
    )

    @classmethod
    def check_setup(cls, setup: GateSetup[ScreeningSettings]) -> None:
        """Refuse what cannot work. Raises `ConfigError`."""
        if cls.is_open(setup.settings, setup.shared) and setup.shared.screening_data_factory is False:
            raise ConfigError(
                "SharedTaskState.screening_data_factory is False: to screen on the work itself is not done here. Give "
                "rows whose answers you know (screening=..., screening_answer=...); or let judge_attention="
                "f(answer, row) judge the work, with mephisto.blueprint.max_failed_checks=0: nobody gets more before "
                "they are judged."
            )
        super().check_setup(setup)

    def is_shut_to(self, standing: Standing) -> bool:
        """Return whether a worker did not pass."""
        return f"{self.name}-failed" in standing.grants

    def is_due(self, standing: Standing) -> bool:
        """Return whether a worker was never let in."""
        return not standing.grants.get(self.name)

    def decide(self, standing: Standing, *, passed: bool) -> GateDecision:
        """Let a worker in, or keep them out."""
        if passed:
            return GateDecision("passed screening", [(self.name, 1)])
        why = "did not pass screening"
        return GateDecision(why, shut_out=f"{self.name}-failed", why_out=why)
