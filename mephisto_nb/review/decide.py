"""A decision on answers: checked before anything is written, foretold in numbers, and carried out.

A run that this kernel drives has its units in memory, and decides there. For any other run a step is made of the
units that are concerned, and of nothing else. Either way the database holds each unit against the status that the
decision started from: where somebody else came first, all is read, and decided, again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

from mephisto_nb.config.registry import get_crowd_provider_from_type
from mephisto_nb.errors import ClosedError, ConfigError, ConflictError, NotFoundError, UnknownTypeError
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddPayment, Change, ChangePayment, SetBlocked, SetGrant
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money, Sums, count
from mephisto_nb.model.records import Agent, TaskRun, Unit, WorkerFacts
from mephisto_nb.model.reviews import DECIDED, SAID, Decision, KeptReview, ReviewOutcome
from mephisto_nb.model.states import UNIT_ANSWERED, PaymentKind, UnitStatus
from mephisto_nb.model.task_run_args import stored_task_pay, stored_visit_rules
from mephisto_nb.money.fees import crowd_fees
from mephisto_nb.ports.crowd_desk import CrowdVerb
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.rules.run_state import RunRules, RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visit_pay import units_of
from mephisto_nb.utils.calling import brief
from mephisto_nb.utils.ids import acting_name, new_id

if TYPE_CHECKING:
    from mephisto_nb.frames.run_frames import RunFrames


#: Qualifications to grant: a name (value 1), several, or values by name.
Grants: TypeAlias = "str | Iterable[str] | Mapping[str, int] | None"

#: An amount as somebody gives it: a number in the run's currency, or text, or `Money` of that currency.
Amount: TypeAlias = "Money | Decimal | float | str"

#: What a person says, and what it makes of a unit.
VERDICTS: Mapping[str, UnitStatus] = {
    "approve": UnitStatus.ACCEPTED,
    "soft_reject": UnitStatus.SOFT_REJECTED,
    "reject": UnitStatus.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Extras:
    """What may come with a verdict.

    Parameters
    ----------
    note
        For yourself and your colleagues; the worker never sees it.
    bonus
        For each answer, in the run's currency.
    message
        For the worker, where the crowd can send one.
    category
        The crowd's own word for why an answer is rejected, where it has such, as ``LOW_EFFORT``; "": the crowd's usual.
    grant
        Qualifications that the workers get: a name (value 1), several, or values by name.
    block
        Whether the workers are offered nothing any more.
    again
        Whether an answer that was decided on before is decided on anew; otherwise it is left alone.
    who
        Who decides; None: the name that this computer knows you by.
    maximum_bonus
        How much a bonus may be this once, in the run's currency; None: ``mephisto.task.maximum_bonus`` of the run.
    """

    note: str = ""
    bonus: Amount = 0
    message: str = ""
    category: str = ""
    grant: Grants = None
    block: bool = False
    again: bool = False
    who: str | None = None
    maximum_bonus: Amount | None = None


def read_extras(given: Mapping[str, Any]) -> Extras:
    """Read what is to come with a verdict; raise `ConfigError` for what cannot."""
    known = [one.name for one in fields(Extras)]
    if unknown := sorted(given.keys() - set(known)):
        raise ConfigError(f"{unknown[0]!r} cannot come with a decision. There are: {', '.join(known)}.")
    return Extras(**given)


def make_decision(verdict: str, extras: Extras) -> Decision:
    """Make a decision of what somebody asks for, without its bonus, which `with_bonus` adds once the runs are known.

    Raises
    ------
    ConfigError
        There is no such verdict, or something that is to come with it cannot be.
    """
    if verdict not in VERDICTS:
        raise ConfigError(f"There is no verdict {verdict!r}. There are: {', '.join(VERDICTS)}.")
    if extras.bonus and verdict == "reject":
        raise ConfigError("A rejected answer gets no bonus. Soft-reject it, which pays, or leave the bonus out.")
    return Decision(
        verdict=VERDICTS[verdict],
        who=acting_name(extras.who),
        note=_text("note", extras.note),
        message=_text("message", extras.message),
        category=_text("category", extras.category),
        grants=_grants(extras.grant),
        block=bool(extras.block),
        again=bool(extras.again),
    )


def with_bonus(decision: Decision, extras: Extras, runs: Sequence[TaskRun]) -> Decision:
    """Return a decision with the bonus that somebody asks for, in the currency of the runs that it is about.

    Raises
    ------
    ConfigError
        It is no amount of that currency, more than a task allows and was allowed for this once, or for runs of several
        currencies, in each of which it is worth another thing.
    """
    own = extras.bonus.currency if isinstance(extras.bonus, Money) else DEFAULT_CURRENCY
    currencies = sorted({run.currency for run in runs}) or [own]
    bonuses = [_amount("bonus", extras.bonus, currency) for currency in currencies]
    if len(bonuses) > 1 and any(bonuses):
        raise ConfigError(
            f"These answers are of runs that pay in {' and '.join(currencies)}, where a bonus of {extras.bonus} is not "
            "the same. Decide on the answers of one currency at a time."
        )
    for run in runs:
        bonus = _amount("bonus", extras.bonus, run.currency)
        _refuse_more(run, bonus, extras.maximum_bonus)
        crowd = find_crowd(run.provider_type)
        if crowd is not None and CrowdVerb.BONUS in crowd.DESK.CAN and not bonus.is_whole:
            raise ConfigError(
                f"A bonus of {bonus} cannot be paid by {run.provider_type!r}, which pays whole units of "
                f"{run.currency}. Give {bonus.rounded_up()}, say."
            )
    return replace(decision, bonus=bonuses[0] or None)


def _refuse_more(run: TaskRun, bonus: Money, maximum: Amount | None) -> None:
    own = None if maximum is None else _amount("maximum_bonus", maximum, run.currency)
    most = stored_task_pay(run.config).maximum_bonus if own is None else own
    if bonus > most:
        whose = f"mephisto.task.maximum_bonus of {run.task_name!r}" if own is None else "the maximum_bonus given"
        raise ConfigError(
            f"A bonus of {bonus} is more than {whose}, {most}. Give less; or, if it is meant, allow it in a cell for "
            f"this one decision: maximum_bonus={bonus.decimal.normalize():f}."
        )


def _amount(name: str, amount: object, currency: str) -> Money:
    read = Money.of(amount, currency, f"The {name}")
    if read.thousandths < 0:
        raise ConfigError(f"The {name} cannot be {amount!r}. Give an amount for each answer, 0 {currency} or more.")
    return read


def _text(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"{name} is {text!r}. Give text.")
    return text


def _grants(grant: object) -> dict[str, int]:
    given = {grant: 1} if isinstance(grant, str) else grant
    pairs = given.items() if isinstance(given, Mapping) else [(name, 1) for name in _names(given)]
    for name, value in pairs:
        if not isinstance(name, str) or not name.strip() or isinstance(value, bool) or not isinstance(value, Integral):
            raise ConfigError(
                f"grant holds {name!r}: {value!r}. Give names of qualifications, each with a whole number."
            )
    return {str(name): int(value) for name, value in pairs}


def _names(given: object) -> list[object]:
    if given is not None and not isinstance(given, Iterable):
        raise ConfigError(f"grant is {given!r}. Give a qualification's name, several, or a dict of values by name.")
    return list(given or ())


#: What a decision is carried out as, and what looks up all that it has to know.
Rule: TypeAlias = Callable[[Step], list[ReviewOutcome]]
Prepare: TypeAlias = Callable[[], Rule]

_REJECTED = UnitStatus.REJECTED


class Paying:
    """A decision's rule, which notes what it comes to owe that nobody has counted on; and asks the budgets about that.

    Those are bonuses, and the pay of answers that were rejected before: what waits for a decision is committed anyway.

    Parameters
    ----------
    run
        Of which run.
    rule
        The rule.
    """

    def __init__(self, run: RunFrames, rule: Rule) -> None:
        self._run, self._rule = run, rule
        self.amounts: list[Money] = []
        #: How the other answers of the visits stood that were decided on: a visit is paid once all of them are.
        self._others: dict[str, UnitStatus] = {}

    def __call__(self, step: Step) -> list[ReviewOutcome]:
        """Apply the rule."""
        earlier = len(step.changes.changes)
        outcomes = self._rule(step)
        nothing = Money(0, self._run.task_run.currency)
        again = {one.unit_id: one.owed or nothing for one in outcomes if one.done and one.before is _REJECTED}
        added = (one.payment for one in step.changes.changes[earlier:] if isinstance(one, AddPayment))
        bonuses = [one.amount for one in added if one.kind is PaymentKind.BONUS and one.unit_id not in again]
        self.amounts = [one for one in (*again.values(), *bonuses) if one > nothing]
        self._others = _others_of_visits(step, {one.unit_id for one in outcomes if one.done})
        return outcomes

    def check(self) -> None:
        """Raise `BudgetExceededError` where it does not fit; blocks.

        Raise `ConflictError` where another answer of the same visit was decided on meanwhile: each of two who see not
        yet what the other has decided would take the visit for one that is still to be decided on, and nobody owe it.
        """
        if self._others:
            about, store = self._run.task_run.task_run_id, self._run.database.reviews
            units, _ = store.load_answers(about, list(self._others))
            if any(unit.status is not self._others[unit.unit_id] for unit in units):
                raise ConflictError("Another answer of the same visit was decided on in the meantime. Decide again.")
        spending = self._run.crowd.spending
        if self.amounts and spending is not None:
            spending.check_bonuses([(self._run.task_run, self.amounts)])


def _others_of_visits(step: Step, decided: Collection[str]) -> dict[str, UnitStatus]:
    """Return how the other answers of visits stand of which some are decided on."""
    state, found = step.state, dict[str, UnitStatus]()
    agents = (state.agents.get(state.units[unit_id].agent_id or "") for unit_id in decided)
    for visit_id in {agent.visit_id for agent in agents if agent is not None and agent.visit_id is not None}:
        visit = state.visits.visits.get(visit_id)
        for unit in units_of(state, visit) if visit is not None else ():
            if unit.unit_id not in decided:
                found[unit.unit_id] = unit.status
    return found


def foresee_owed(run: RunFrames, unit_ids: Sequence[str], rule: Rule) -> list[Money]:
    """Return what a decision would come to owe that nobody has counted on; nothing is decided. Blocks."""
    paying = Paying(run, rule)
    paying(make_step(run, unit_ids))
    return paying.amounts


#: How often is decided again; each time somebody else has decided something.
_TRIES = 20


async def carry_out(run: RunFrames, unit_ids: Sequence[str], prepare: Prepare) -> list[ReviewOutcome]:
    """Carry a decision out, in one transaction; what it could not do is listed by unit.

    Raises
    ------
    NotFoundError
        The run has no such unit.
    ConflictError
        Others decide on these units so fast that there is no getting in.
    DatabaseError
        The database cannot be written; nothing was decided.
    BudgetExceededError
        What it would owe beyond what is committed does not fit in a budget; nothing was decided.
    ClosedError
        The operator was shut down.
    """
    await in_thread(load_answers, run, unit_ids)
    for turn in range(_TRIES):
        rule = await in_thread(prepare)
        try:
            return await in_thread(explain, run, await _commit(run, unit_ids, Paying(run, rule)))
        except ConflictError:
            if turn == _TRIES - 1:
                raise
    return []


async def _commit(run: RunFrames, unit_ids: Sequence[str], rule: Paying) -> list[ReviewOutcome]:
    if (engine := run.engine) is not None:
        try:
            return await engine.do(rule, guard=rule.check)
        except ClosedError:
            pass  # the run has come to its end, or was let go of, this very moment
    step = await in_thread(make_step, run, unit_ids)
    outcomes = rule(step)
    step.changes.guard = rule.check
    if step.changes:
        await run.writer.commit(step.changes)
    return outcomes


def load_answers(run: RunFrames, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
    """Read units, and who holds them; raise `NotFoundError` for one that is none of this run's."""
    units, agents = run.database.reviews.load_answers(run.task_run.task_run_id, unit_ids)
    unknown = set(unit_ids) - {unit.unit_id for unit in units}
    if unknown:
        raise NotFoundError(
            f"Run {run.task_run.task_run_id} of {run.task_run.task_name!r} has no unit {min(unknown)!r}. "
            "Take ids from the column unit_id of its frames."
        )
    return units, agents


def make_step(run: RunFrames, unit_ids: Sequence[str]) -> Step:
    """Make a step that has these units alone, and the others of the visits in which they were done."""
    about = run.task_run
    rules = RunRules(about.provider_type, Money(0, about.currency))
    visits, _, also = run.database.reviews.load_visit_books(about.task_run_id, unit_ids)
    if visits:
        rules = replace(rules, visits=stored_visit_rules(about.config))
    state = RunState(about.task_run_id, rules, about.opened_at, ended_at=about.ended_at)
    state.visits.load(visits, ())
    units, agents = load_answers(run, list(dict.fromkeys([*unit_ids, *also])))
    for unit in units:
        state.add_unit(unit)
    for agent in agents:
        state.add_agent(agent)
    for visit in visits:
        visit.done = sum(unit.status in UNIT_ANSWERED for unit in units_of(state, visit))
    return Step(state, run.clock.now(), new_id)


def read_standing(run: RunFrames, worker_ids: Iterable[str]) -> Mapping[str, WorkerFacts]:
    """Read what workers of a run hold, and whether they are blocked, by id."""
    about, wanted = run.task_run, set(worker_ids)
    if not wanted:
        return {}
    agents = run.database.runs.read_agents([about.task_run_id])
    names = {agent["worker_name"] for agent in agents if agent["worker_id"] in wanted}
    found = run.database.people.get_worker_facts(about.task_run_id, about.provider_type, sorted(names))
    return {facts.worker.worker_id: facts for facts in found.values() if facts.worker is not None}


def explain(run: RunFrames, outcomes: list[ReviewOutcome]) -> list[ReviewOutcome]:
    """Say who was first where somebody was."""
    lost = [one.unit_id for one in outcomes if one.why == DECIDED]
    kept = run.database.reviews.find_kept_reviews(run.task_run.task_run_id, lost)
    return [replace(one, why=_story(one, kept.get(one.unit_id))) if one.why == DECIDED else one for one in outcomes]


def _story(outcome: ReviewOutcome, kept: KeptReview | None) -> str:
    if kept is None:
        return f"has changed since it was seen: it is {outcome.before.value} now"
    when = datetime.fromtimestamp(kept.review.at, UTC)
    return f"was {SAID[kept.review.after]} by {kept.review.who} at {when:%Y-%m-%d %H:%M} UTC"


@brief
@dataclass(frozen=True, slots=True)
class ReviewPreview:
    """What a decision, or its undoing, would do now; ``str()`` says it in sentences.

    Attributes
    ----------
    verdict
        ``approved``, ``soft-rejected``, ``rejected`` or ``undone``.
    units, workers
        How many would be decided on, and whose they are.
    reward, bonus, fees
        What would be owed from then on: the units' own pay, bonuses, and what the crowd takes on top; each by currency.
    payments_cancelled
        How many payments would be owed no longer.
    grants, blocks
        How many grants would be changed, and workers blocked or unblocked.
    refused
        How many units would be left alone, by reason.
    remarks
        What the crowd does not do by itself.
    """

    verdict: str
    units: int = 0
    workers: int = 0
    reward: Sums = Sums()
    bonus: Sums = Sums()
    fees: Sums = Sums()
    payments_cancelled: int = 0
    grants: int = 0
    blocks: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def total(self) -> Sums:
        """All that would be owed, fees included."""
        return self.reward + self.bonus + self.fees

    def __str__(self) -> str:
        said = [f"{count(self.units, 'answer')} of {count(self.workers, 'worker')} will be {self.verdict}."]
        if self.total:
            parts = {"pay": self.reward, "bonuses": self.bonus, "fees": self.fees}
            made_of = ", ".join(f"{sums} of {what}" for what, sums in parts.items() if sums)
            said.append(f"{self.total} will be owed: {made_of}.")
        if self.payments_cancelled:
            said.append(f"{count(self.payments_cancelled, 'payment')} will be owed no longer.")
        if self.grants:
            said.append(f"{count(self.grants, 'grant')} will be changed.")
        if self.blocks:
            said.append(f"{count(self.blocks, 'worker')} will be {'un' * (self.verdict == 'undone')}blocked.")
        left = (f"{number:,} {why}" for why, number in self.refused.items())
        if self.refused:
            said.append(f"{count(sum(self.refused.values()), 'answer')} will be left alone: {'; '.join(left)}.")
        return " ".join([*said, *self.remarks])

    def __add__(self, other: ReviewPreview) -> ReviewPreview:
        """Return what both would do; workers of several runs count for each."""
        numbers = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        refused = Counter(self.refused) + Counter(other.refused)
        remarks = tuple(dict.fromkeys((*self.remarks, *other.remarks)))
        return replace(self, **numbers, refused=refused, remarks=remarks)


_NUMBERS = ("units", "workers", "reward", "bonus", "fees", "payments_cancelled", "grants", "blocks")


def find_crowd(provider_type: str) -> type[CrowdProvider[Any]] | None:
    """Return the class of a provider; None where it is not installed, as for runs of long ago."""
    try:
        return get_crowd_provider_from_type(provider_type)
    except UnknownTypeError:
        return None


def describe(
    verdict: str,
    outcomes: Sequence[ReviewOutcome],
    changes: Iterable[Change],
    provider_type: str,
    decision: Decision | None,
) -> ReviewPreview:
    """Say what these outcomes come to."""
    crowd, changes = find_crowd(provider_type), list(changes)
    payments = [change.payment for change in changes if isinstance(change, AddPayment)]
    reward = Sums.of(one.amount for one in payments if one.kind is PaymentKind.REWARD)
    bonus = Sums.of(one.amount for one in payments if one.kind is PaymentKind.BONUS)
    done = [one for one in outcomes if one.done]
    return ReviewPreview(
        verdict=verdict,
        units=len(done),
        workers=len({one.worker_id for one in done}),
        reward=reward,
        bonus=bonus,
        fees=(reward + bonus).share(crowd_fees(provider_type).most),
        payments_cancelled=sum(isinstance(change, ChangePayment) for change in changes),
        grants=sum(isinstance(change, SetGrant) for change in changes),
        blocks=sum(isinstance(change, SetBlocked) for change in changes),
        refused=Counter(one.why for one in outcomes if not one.done),
        remarks=tuple(_remarks(provider_type, crowd, decision, {one.kind for one in payments})),
    )


#: By what a payment is for: what a crowd must be able to do, and what the payment is called.
_PAYING = {PaymentKind.REWARD: (CrowdVerb.APPROVE, "pay of answers"), PaymentKind.BONUS: (CrowdVerb.BONUS, "bonuses")}


def _remarks(
    provider_type: str, crowd: type[CrowdProvider[Any]] | None, decision: Decision | None, owed: Collection[PaymentKind]
) -> Iterable[str]:
    can = crowd.DESK.CAN if crowd else frozenset()
    if crowd is None:
        yield f"The provider {provider_type!r} is not installed, so its fees are not known."
    by_hand = [what for kind, (verb, what) in _PAYING.items() if kind in owed and verb not in can]
    if by_hand:
        pays, stays = ("nobody", "the sum stays") if len(by_hand) == len(owed) else (f"no {by_hand[0]}", "that stays")
        yield f"The provider {provider_type!r} pays {pays}: {stays} owed until operator.payments.mark_paid()."
    if decision is not None and decision.message and CrowdVerb.MESSAGE not in can:
        yield f"The provider {provider_type!r} sends no messages: yours is kept, and not sent."
