"""A worker's visit: how it begins, which way it ends, and what is due for it.

Where a run has visits, a worker does one unit after another in each, and asking for the next is how their page learns
that it is over: `rules.arrivals` leads them, and leans on this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.gates import OnboardingAgent
from mephisto_nb.model.money import Money, total
from mephisto_nb.model.outcomes import ExitLink, Outcome, VisitEnd
from mephisto_nb.model.packets import SEALED_EXIT, PacketType
from mephisto_nb.model.records import Agent, Raise, Worker, WorkerFacts
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_ANSWERED, AgentStatus, UnitStatus
from mephisto_nb.model.visits import Short, ShortPay, Visit, VisitBooks, VisitRules
from mephisto_nb.rules.departures import leave
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.gates import verdicts
from mephisto_nb.rules.gates._base import GateRules
from mephisto_nb.rules.visit_pay import outcome_of, pay_visits, short_of
from mephisto_nb.rules.visit_steps import add_visit, change_visit_deadline, end_visit

if TYPE_CHECKING:
    from mephisto_nb.rules.run_state import RunState
    from mephisto_nb.rules.step import Step

#: What a page says that gives a unit back because its worker does not agree to take part.
NO_CONSENT = "no_consent"
#: What they read who leave before they have sent anything.
NOTHING_PAID = "As nothing was sent, nothing is paid."
#: And they who have sent all.
PAID_LATER = "You are paid once they are accepted."
#: Who was kept waiting beyond their time has so much at least (seconds).
_LEAST = 60.0


def check_visits(rules: VisitRules | None, gates: GateRules, *, together: bool) -> None:
    """Raise `ConfigError` for visits that could not be; `together`: several people do an assignment together."""
    if rules is None:
        return
    if together and rules.units > 1:
        raise ConfigError(
            f"mephisto.task.units_per_visit is {rules.units}, but several people do an assignment together, and would "
            "have to wait for each other again and again. Leave it at 1, or let everybody work alone."
        )
    for gate in gates.unit_gates:
        first = getattr(gate.settings, "min_golds", 1) if gate.TAKES_PLACE else 0
        if first >= rules.units:
            raise ConfigError(
                f"A visit holds {rules.units} units (mephisto.task.units_per_visit), and {first} {gate.NAME} units "
                "come first, which take places among them: newcomers would do nothing else. Raise units_per_visit, or "
                f"lower min_{gate.NAME}s."
            )


# -- coming ------------------------------------------------------------------------------------------------------


def find(state: RunState, worker_id: str, registration_id: str) -> Visit | None:
    """Return the visit of a registration; where links serve again, of another one, the visit that its worker is in."""
    if state.rules.visits is None:
        return None
    return state.visits.find(worker_id, registration_id, by_worker=state.rules.visits.serves_again)


def begin(step: Step, worker: Worker, registration_id: str, captured: JSONObject, facts: WorkerFacts) -> Visit | None:
    """Let a worker begin a visit; None: the run has none."""
    rules, state = step.state.rules.visits, step.state
    if rules is None:
        return None
    standing = verdicts.standing_of(state, worker.worker_id, facts)
    before = [gate for gate in state.rules.gates.unit_gates if not gate.TAKES_PLACE and gate.is_due(standing)]
    ends_at = step.now + state.rules.assignment_duration
    asked = rules.units + len(before)
    about = registration_id, dict(captured), asked, step.now, ends_at
    visit = Visit(step.new_id(), worker.worker_id, *about, reward=state.rules.visit_pay)
    state.worker_names[worker.worker_id] = worker.worker_name
    add_visit(step, visit)
    return visit


def too_many(state: RunState, worker_id: str) -> Refusal | None:
    """Return the refusal for a worker who may begin no further visit; None: they may."""
    rules = state.rules.visits
    if rules is None or not rules.most_per_worker or state.visits.num_used(worker_id) < rules.most_per_worker:
        return None
    text = "You have taken part already, as often as one person may. Thank you!"
    return Refusal(RefusalCode.MAX_FOR_TASK, text, outcome=Outcome.QUOTA_FULL)


def go_on(step: Step, visit: Visit) -> None:
    """Let somebody go on in their visit, with as much time as they had when they sent their last answer.

    Where their time is over by then, they have waited for us: a kernel that is there ends a visit at its deadline.
    """
    newest = step.state.visits.newest.get(visit.visit_id)
    since = visit.begun_at if newest is None or newest.submitted_at is None else newest.submitted_at
    if visit.deadline <= step.now:
        left = min(max(0.0, visit.deadline - since), step.state.rules.assignment_duration)
        change_visit_deadline(step, visit, step.now + max(left, _LEAST))


def over(state: RunState, visit: Visit) -> Refusal:
    """Return what a page of a visit that has ended is told; the same each time."""
    state.visits.unheard.discard(visit.visit_id)
    return Refusal(RefusalCode.VISIT_OVER, visit.why, visit_id=visit.visit_id)


def place_of(state: RunState, agent: Agent | OnboardingAgent) -> JSONObject | None:
    """Return which one of how many units of a visit an agent is at (``position``, ``of``); None: there is no visit.

    The introduction is before the first, at 0.
    """
    visit = visit_of(state, agent)
    if visit is None:
        return None
    is_work = isinstance(agent, Agent)
    number = visit.done + (agent.status not in AGENT_ANSWERED) if is_work else 0
    return {"position": min(number, visit.asked), "of": visit.asked}


def visit_of(state: RunState, agent: Agent | OnboardingAgent) -> Visit | None:
    """Return the visit that an agent belongs to; None: to none."""
    if isinstance(agent, Agent):
        return state.visits.visits.get(agent.visit_id or "")
    if state.rules.visits is None:
        return None
    return state.visits.find(agent.worker_id, agent.registration_id, by_worker=True)


# -- ending ------------------------------------------------------------------------------------------------------


def end(step: Step, visit: Visit, outcome: Outcome, who: str, why: str = "") -> None:
    """Let a visit come to its end; one that has ended stays as it is. What its worker holds is free for others at once.

    `why` is what they read; '': the usual words. What it means for their pay is said behind it.
    """
    if visit.ended_at is not None:
        return
    short = short_of(visit, outcome)
    said = f"{why or _words(step.state, visit, outcome, short)} {_about_pay(step.state, visit, outcome, short)}"
    end_visit(step, visit, outcome, short, said.rstrip(), who)
    # Its answers may have been decided on already; nothing is booked for a visit that goes on.
    pay_visits(step, [VisitBooks(visit.visit_id)], who)
    held = step.state.visits.agent_at_work(visit)
    if held is not None:
        how = AgentStatus.TIMEOUT if outcome is Outcome.TIMED_OUT else AgentStatus.EXPIRED
        leave(step, held.agent_id, how, "its visit has ended", who)
    newcomer = step.state.gates.current(visit.worker_id)
    if newcomer is not None and newcomer.status is AgentStatus.ONBOARDING:
        leave(step, newcomer.agent_id, AgentStatus.EXPIRED, "its visit has ended", who)


def finish(step: Step, visit: Visit, who: str) -> None:
    """Let a visit end with which its worker is through, or for which there is nothing left."""
    end(step, visit, Outcome.COMPLETED, who)


def refused(
    step: Step, worker: Worker | None, visit: Visit | None, refusal: Refusal, captured: JSONObject, registration_id: str
) -> Refusal:
    """Return what somebody is told who gets nothing, and let their visit end by it if that is how it is.

    Where the crowd sends each person once, a visit that could not even begin is kept as one that has ended.
    """
    state, rules = step.state, step.state.rules.visits
    if rules is None or refusal.outcome is None or _may_still_come(state, visit, refusal):
        return refusal
    if visit is None:
        if rules.serves_again or worker is None:
            return refusal
        visit = begin(step, worker, registration_id, captured, WorkerFacts())
    if visit is None or visit.ended_at is not None:
        return refusal
    if visit.done and refusal.outcome is not Outcome.FAILED_CHECKS:
        finish(step, visit, "operator")
        return over(state, visit)
    end(step, visit, refusal.outcome, "operator", refusal.text)
    return replace(over(state, visit), code=refusal.code)


def _may_still_come(state: RunState, visit: Visit | None, refusal: Refusal) -> bool:
    """Return whether it is worth it for somebody who gets nothing now to wait for something."""
    if not refusal.may_pass:
        return False
    is_waited_for = state.next_created() is not None or not state.generator_done
    return visit is None or not visit.done or is_waited_for


def note_answer(step: Step, agent: Agent) -> None:
    """Count an answer for its visit, which ends by it if it was the last, or one wrong too many."""
    visit = step.state.visits.visits.get(agent.visit_id or "")
    if visit is None:
        return
    visit.done += 1
    if not step.state.gates.is_unjudged(agent.worker_id, agent.agent_id):
        settle(step, agent.worker_id, WorkerFacts())


def settle(step: Step, worker_id: str, facts: WorkerFacts) -> None:
    """Let the visits of a worker end that have come to it, unless an answer of theirs is still being judged.

    `facts` are what is known of the worker; without their record, it is looked only at what this step has granted.
    """
    state = step.state
    if not state.visits.of_worker.get(worker_id) or worker_id in state.gates.unjudged:
        return
    for visit in state.visits.open_of(worker_id):
        refusal = _shut_out(step, worker_id, facts)
        if refusal is not None and refusal.outcome is not None:
            end(step, visit, refusal.outcome, "operator", refusal.text)
        elif visit.done >= visit.asked:
            finish(step, visit, "worker")


def _shut_out(step: Step, worker_id: str, facts: WorkerFacts) -> Refusal | None:
    if facts.worker is not None:
        return verdicts.turned_away(step.state, worker_id, verdicts.facts_now(step, worker_id, facts))
    granted, rules = step.granted.get(worker_id, {}), step.state.rules.gates
    return verdicts.checks_failed() if rules.checks and granted.get(rules.checks_blocked) else None


def give_back(step: Step, agent_id: str, reason: str, why: str, who: str) -> bool:
    """Let a worker give back what they hold, and end their visit by that; return whether they held it.

    `reason` is ``no_consent`` where they do not agree to take part, or ''.
    """
    state, outcome = step.state, Outcome.RETURNED
    if reason == NO_CONSENT:
        why, outcome = "did not agree to take part", Outcome.NO_CONSENT
    if not leave(step, agent_id, AgentStatus.RETURNED, why, who):
        return False
    agent = state.agents.get(agent_id) or state.gates.onboarding.get(agent_id)
    visit = None if agent is None else visit_of(state, agent)
    if visit is not None and visit.ended_at is None:
        end(step, visit, outcome, who)
    return True


def pass_time(step: Step) -> None:
    """Let visits end whose time is over. Called after what they hold was looked at (`departures.pass_time`)."""
    state, rules = step.state, step.state.rules.visits
    if rules is None:
        return
    for agent in step.ended:
        visit = state.visits.visits.get(agent.visit_id or "")
        if agent.status is AgentStatus.TIMEOUT and visit is not None and visit.ended_at is None:
            _time_out(step, visit)
    for visit in list(state.visits.overdue(step.now)):
        held = state.visits.agent_at_work(visit)
        if held is not None and (held.deadline is None or held.deadline > step.now):
            # They wait for partners, say, and have their time from then on.
            change_visit_deadline(step, visit, held.deadline or step.now + state.rules.assignment_duration)
        else:
            _time_out(step, visit)


def _time_out(step: Step, visit: Visit) -> None:
    # Who has sent all that they got, and waits for more, has not let their time go by.
    newest = step.state.visits.newest.get(visit.visit_id)
    if newest is not None and newest.status in AGENT_ANSWERED:
        finish(step, visit, "clock")
    else:
        end(step, visit, Outcome.TIMED_OUT, "clock")


def end_all(step: Step) -> None:
    """End the visits that are open when their run is over."""
    for visit_id in list(step.state.visits.open):
        visit = step.state.visits.visits[visit_id]
        text = "This task has ended: no more work is given out."
        if visit.done:
            finish(step, visit, "operator")
        else:
            end(step, visit, Outcome.QUOTA_FULL, "operator", text)


# -- what the crowd, and the worker, are told ------------------------------------------------------------------------


def end_for_crowd(state: RunState, visit: Visit) -> VisitEnd:
    """Return how a visit has ended, as the crowd is told of it; raise `UsageError` if it has not."""
    rules = state.rules.visits or VisitRules()
    return VisitEnd(
        visit_id=visit.visit_id,
        worker_name=state.worker_names.get(visit.worker_id, ""),
        registration_id=visit.registration_id,
        outcome=outcome_for_crowd(visit, rules),
        done=visit.done,
        asked=visit.asked,
        captured=visit.captured,
        short=None if visit.short is None else visit.short.value,
    )


def sure_end(step: Step, agent: Agent) -> VisitEnd | None:
    """Return how the visit of an agent ends by its answer, whatever else happens; None: that is not for certain.

    It is for the last unit that was asked for, unless a check, a gate with units of its own, partners, or an
    introduction that is being judged may still have a say.
    """
    state, visit = step.state, step.state.visits.visits.get(agent.visit_id or "")
    if visit is None or visit.ended_at is not None or agent.status not in AGENT_ACTIVE:
        return None
    gates = state.rules.gates
    is_judged = bool(gates.checks or gates.unit_gates) or agent.worker_id in state.gates.unjudged
    if is_judged or state.rules.partners is not None or visit.done + 1 < visit.asked:
        return None
    ended = replace(visit, outcome=Outcome.COMPLETED, ended_at=step.now, done=visit.done + 1)
    return end_for_crowd(state, ended)


def end_in_vain(
    state: RunState, worker: Worker | None, name: str, registration_id: str, about: JSONObject
) -> VisitEnd | None:
    """Return how it ends for somebody who waits for work until the run is over; `about` is what their crowd gave along.

    None: they are in a visit, and hear of its own end. Before that, nobody gets to see what success is shown by.
    """
    if worker is not None and find(state, worker.worker_id, registration_id) is not None:
        return None
    units = 1 if state.rules.visits is None else state.rules.visits.units
    return VisitEnd("", name, registration_id, Outcome.QUOTA_FULL, 0, units, about)


def take_back_exits(step: Step, worker_id: str) -> None:
    """Have the router forget how a worker goes back by what they hold: its end is not for certain any more."""
    for agent_id in sorted(step.state.active_agents.get(worker_id, ())):
        agent = step.state.agents[agent_id]
        if agent.visit_id is not None:
            step.send(PacketType.UPDATE_STATUS, agent_id, {"status": agent.status.value, **seal(None)})


def outcome_for_crowd(visit: Visit, rules: VisitRules) -> Outcome:
    """Return how the crowd is to treat a visit that has ended.

    One that is short, because its worker has stopped or there was no more, is completed where the run pays for it, and
    returned where it does not; whatever else it is called here.
    """
    outcome = outcome_of(visit)
    if visit.short is None or outcome not in (Outcome.COMPLETED, Outcome.RETURNED):
        return outcome
    return Outcome.RETURNED if rules.when(visit.short) is ShortPay.RETURN else Outcome.COMPLETED


def tell_rules(rules: VisitRules, *, is_paid: bool, seconds: float) -> JSONObject:
    """Return what workers read of the rules of a visit: what it holds (``about``), and what stopping earlier means.

    ``units`` is how many it holds, for somebody who need not be screened before; ``if_stopped`` and ``when_stopped``
    are the same rule, beforehand and at the moment; ``if_nothing`` is what it means to leave before anything was sent,
    and ``when_done`` what it means to have sent all.
    """
    minutes = max(1, round(seconds / 60))
    time = f"{minutes} minutes" if minutes > 1 else "a minute"
    about = f"items, one after the other. You have {time} for all of them."
    before, then = _STOPPING[rules.when_stopped_early] if is_paid else _STOPPING_UNPAID
    told = {"units": rules.units, "about": about, "if_stopped": before, "when_stopped": then}
    return {**told, "if_nothing": NOTHING_PAID if is_paid else "", "when_done": PAID_LATER if is_paid else ""}


_STOPPING = {
    ShortPay.PAY_FULL: (
        "If you stop earlier, you are paid in full all the same.",
        "You are paid in full.",
    ),
    ShortPay.PAY_BY_UNIT: (
        "If you stop earlier, you are paid for the items that you have sent.",
        "You are paid for the items that you have sent.",
    ),
    ShortPay.RETURN: (
        "If you stop earlier, you are not paid.",
        "As you have not finished, you are not paid.",
    ),
}  # fmt: skip
_STOPPING_UNPAID = ("You may stop earlier: what you have sent is kept.", "What you have sent is kept.")
_FEWER = {
    ShortPay.PAY_FULL: "You are paid in full.",
    ShortPay.PAY_BY_UNIT: "You are paid for the items that you have sent.",
    ShortPay.RETURN: "As there was not enough work for a whole visit, please return it.",
}
_ENDED = {
    Outcome.COMPLETED: "All your answers have arrived.",
    Outcome.NO_CONSENT: "You chose not to take part. Thank you for your time.",
    Outcome.TIMED_OUT: "Your time for this task is over, so no more can be sent.",
    Outcome.RETURNED: "You have given this task back.",
}


def _words(state: RunState, visit: Visit, outcome: Outcome, short: Short | None) -> str:
    """Return what a worker reads of how their visit has ended."""
    if short is None:
        return _ENDED[outcome]
    rules, is_paid = state.rules.visits or VisitRules(), bool(state.rules.pay_amount)
    if short is Short.FEWER_UNITS:
        pay = _FEWER[rules.when_fewer_units] if is_paid else ""
        return f"Your answers have arrived, and there is nothing left to do. {pay}".strip()
    how = "" if outcome is Outcome.RETURNED else _ENDED[outcome]
    _, pay = _STOPPING[rules.when_stopped_early] if is_paid else _STOPPING_UNPAID
    return f"{how} {visit.done} of {visit.asked} answers have arrived. {pay}".lstrip()


def _about_pay(state: RunState, visit: Visit, outcome: Outcome, short: Short | None) -> str:
    """Return what an end means for the worker's pay, where `_words` does not say it, and it is not for the crowd."""
    if not state.rules.pay_amount or short is not None:
        return ""
    if outcome is Outcome.COMPLETED:
        return PAID_LATER
    if outcome is Outcome.FAILED_CHECKS and visit.done:
        return "What you have sent is looked at, and paid if it is accepted."
    return NOTHING_PAID if outcome in (Outcome.NO_CONSENT, Outcome.TIMED_OUT, Outcome.RETURNED) else ""


def seal(link: ExitLink | None) -> JSONObject:
    """Return what is added to an agent's details, or status, for its router to keep until the answer is taken.

    None takes back what was said before. What is not said at all leaves it as it is.

    Examples
    --------
    >>> seal(None)
    {'sealed_exit': None}
    """
    return {SEALED_EXIT: None if link is None else link.to_dict()}


# -- how many there have to be -----------------------------------------------------------------------------------------

#: Ends after which a crowd gives the place to somebody else by itself.
_GIVEN_BACK = frozenset({Outcome.RETURNED, Outcome.TIMED_OUT, Outcome.NO_CONSENT})


def count_visits_needed(state: RunState) -> int:
    """Return how many visits are needed beside those that are under way, for all units that are open."""
    visits = (state.visits.visits[id_] for id_ in state.visits.open)
    under_way = sum(max(0, visit.asked - visit.done) for visit in visits)
    return -(-max(0, state.num_open - under_way) // _per_visit(state))


def raise_to(state: RunState, reward: Money) -> Raise:
    """Return what another reward comes to: of visits that nobody has begun, or of the units that nobody has.

    A unit may pay otherwise than the others, as one that somebody had while the reward was changed.
    """
    before, visits = state.rules.visit_pay, state.rules.visits
    if visits is not None and visits.units > 1:
        number = count_visits_needed(state)
        return Raise(before, reward, number, "visit", (reward - before) * number)
    units = state.units_in(UnitStatus.CREATED, UnitStatus.LAUNCHED)
    cost = total((reward - unit.pay_amount for unit in units), reward.currency)
    return Raise(before, reward, len(units), "unit", cost)


def _per_visit(state: RunState) -> int:
    return 1 if state.rules.visits is None else state.rules.visits.units


def count_places_used(state: RunState) -> int:
    """Return how many places the visits of a run take up at their crowd, as far as is known here."""
    rules = state.rules.visits or VisitRules()
    return sum(1 for visit in state.visits.visits.values() if _takes_place(visit, rules))


def _takes_place(visit: Visit, rules: VisitRules) -> bool:
    return visit.outcome is None or outcome_for_crowd(visit, rules) not in _GIVEN_BACK


def places_wanted(taken: int, coming: int, needed: int) -> int:
    """Return how many places a crowd should have altogether.

    Parameters
    ----------
    taken
        How many of them the crowd counts as taken.
    coming
        How many of those are taken by people who are on their way, and have not come here.
    needed
        How many visits are needed, as `count_visits_needed` says.

    Examples
    --------
    >>> places_wanted(taken=3, coming=1, needed=1), places_wanted(taken=3, coming=0, needed=2)
    (3, 5)
    """
    return taken - coming + max(coming, needed)
