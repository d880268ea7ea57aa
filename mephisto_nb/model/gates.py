"""What stands between a worker and the work: onboarding, screening, gold, and checks of the work itself.

The settings of gates, which are composed onto those of any blueprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.states import AgentStatus, Gate

#: What the id of an onboarding agent begins with: the browser packages of Mephisto 1.x look at that.
ONBOARDING_PREFIX = "onboarding_"


@dataclass(slots=True)
class OnboardingAgent:
    """One worker at the introduction of a run, before any unit.

    `deadline` is the time by which it has to be handed in, `submitted_at` when it was, `data` what was.
    """

    agent_id: str
    worker_id: str
    registration_id: str
    status: AgentStatus
    started_at: float
    deadline: float | None = None
    submitted_at: float | None = None
    data: JSON = None


@dataclass(frozen=True, slots=True)
class GateRow:
    """What a screening or gold unit is made of.

    `key` tells one row from another, `shared` is what the worker sees of it, `row` all of it, with the right answers.
    """

    key: str
    shared: JSONObject
    row: JSONObject


@dataclass(frozen=True, slots=True)
class GateUnit:
    """For whom a screening or gold unit was made, and of what."""

    unit_id: str
    gate: Gate
    worker_id: str
    row: GateRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found at a gate. `agent_id` is the onboarding agent's, or that of the agent at the unit.

    `passed` is None where the function that judges has failed, and the worker was given the benefit of the doubt.
    """

    agent_id: str
    gate: Gate
    passed: bool | None
    at: float
    detail: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldArrival:
    """A page that asks for work, and is answered once its worker's last answer has been judged."""

    request_id: str
    worker_id: str
    worker_name: str
    registration_id: str
    held_at: float


@dataclass(slots=True)
class StoredGates:
    """All that is stored of the gates of a run."""

    onboarding: list[OnboardingAgent] = field(default_factory=list)
    units: list[GateUnit] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    held: list[HeldArrival] = field(default_factory=list)


#: What becomes of an answer that fails a check: it is kept and marked, or its unit is offered to somebody else.
FLAG, REPEAT = "flag", "repeat"


@dataclass(slots=True)
class GateArgs:
    """How the workers of a run are looked at. These keys stand under ``mephisto.blueprint``, whatever the blueprint.

    Parameters
    ----------
    onboarding_qualification
        Who has never been granted this is shown an introduction first, and handed it with value 1 if they pass; 0, and
        ``NAME-failed``, if they do not. It holds in all runs that name it. Needs `SharedTaskState.validate_onboarding`.
    onboarding_source, onboarding_html
        The introduction's HTML: a file, or the text itself; of use with pages that are made from a template.
    block_qualification
        Workers who hold this are kept out; who fails screening, gold or too many checks is granted it.
    use_screening_task
        Each newcomer does one screening unit first. None: if `SharedTaskState` has rows for it.
    passed_qualification_name
        Granted to those who pass; they are never screened again. ``NAME-failed`` to the others. None: made of the
        task's name.
    max_screening_units
        At most so many screening units are given out in a run, those that came back unanswered not counted. None: any
        number.
    use_golds
        Units with a known answer are mixed in. None: if `SharedTaskState` has rows for it.
    gold_qualification_base
        ``BASE-correct-golds`` and ``BASE-wrong-golds`` count, over all runs, what a worker got right and wrong;
        ``BASE-disqualified`` keeps out who got too many wrong. None: made of the task's name.
    max_gold_units
        At most so many gold units are given out in a run. None: any number.
    min_golds
        So many come first; later ones the rarer, the more a worker has done.
    max_incorrect_golds
        So many may be wrong.
    attention_checks
        By the name of an answer's field, the field of the row that holds the right answer. The page never gets to see
        that. A row that lacks it, or has null or no text there, is not checked.
    minimum_seconds
        An answer that comes sooner fails. 0: as fast as they like.
    after_failed_check
        What becomes of an answer that fails an attention check or came too soon: ``flag`` keeps and marks it,
        ``repeat`` pays for it (soft-rejected) and offers its unit to somebody else.
    max_failed_checks
        Whoever has failed more than so many in a run gets no more units. None: any number.
    failed_checks_qualification
        Granted to those who fail, with how many as its value; ``NAME-blocked`` to those who get no more. None: made of
        the task's name.
    """

    onboarding_qualification: str | None = None
    onboarding_source: str | None = None
    onboarding_html: str | None = None
    block_qualification: str | None = None
    use_screening_task: bool | None = None
    passed_qualification_name: str | None = None
    max_screening_units: int | None = None
    use_golds: bool | None = None
    gold_qualification_base: str | None = None
    max_gold_units: int | None = None
    min_golds: int = 1
    max_incorrect_golds: int = 0
    attention_checks: dict[str, str] = field(default_factory=dict)
    minimum_seconds: float = 0.0
    after_failed_check: str = FLAG
    max_failed_checks: int | None = None
    failed_checks_qualification: str | None = None


_NOT_NEGATIVE = (
    "max_screening_units", "max_gold_units", "min_golds", "max_incorrect_golds", "minimum_seconds", "max_failed_checks"
)  # fmt: skip


def check_gate_args(args: GateArgs) -> None:
    """Raise `ConfigError` for a value that no gate could follow."""
    for name in _NOT_NEGATIVE:
        value = getattr(args, name)
        if value is not None and not value >= 0:
            raise ConfigError(f"mephisto.blueprint.{name} is {value!r}; it must be 0 or more.")
    if args.after_failed_check not in (FLAG, REPEAT):
        raise ConfigError(
            f"mephisto.blueprint.after_failed_check is {args.after_failed_check!r}; it must be {FLAG!r}, which keeps "
            f"and marks the answer, or {REPEAT!r}, which offers its unit to somebody else."
        )
