"""What somebody should look at: each with its reason, its remedy and, where a click can do it, an action."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TypeAlias

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions.limits import ChangeLimits
from mephisto_nb.display.actions.pause import Resume
from mephisto_nb.display.dashboard.moment import Moment
from mephisto_nb.display.words import count, duration
from mephisto_nb.display.words import money as written
from mephisto_nb.model.money import Money, total
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.money.costs import visits_to_come
from mephisto_nb.money.paying import is_in_doubt
from mephisto_nb.rules.gates.table import all_words
from mephisto_nb.rules.run_state import ends_by_itself

#: From which share of workers on who return, drop out or run out of time something is wrong, and how many of them have
#: to have come to an end before that is said.
OUT_OF_LINE, ENOUGH_ENDED = 0.25, 10
#: From how many answers on pay by the hour is judged.
ENOUGH_ANSWERS = 5
#: How long nobody may come while work is on offer (seconds).
LONELY = 600.0

_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to look at. `key` stays the same while it lasts; all text is plain.

    `action` is what a click can do about it, by what `Action.offer` gives, or an ``address`` to open, with a ``label``.
    """

    key: str
    severity: str
    reason: str
    remedy: str
    action: JSONObject | None = None


Notices: TypeAlias = Iterator[Notice]


def describe_attention(moment: Moment, money: JSONObject) -> list[JSONObject]:
    """List what needs attention, the worst first."""
    found = [notice for look in _LOOKS for notice in look(moment)]
    found += _pay(moment, money)
    return [asdict(notice) for notice in sorted(found, key=lambda notice: _ORDER[notice.severity])]


# -- what has failed -----------------------------------------------------------------------------------------


def _failure(moment: Moment) -> Notices:
    run = moment.live
    if run is None:
        return
    if run.failure is not None:
        remedy = f"What workers sent is safe. Take the run up again: await operator.reconnect({run.task_run_id!r})."
        yield Notice("failed", "error", f"The run stopped working: {run.failure!r}.", remedy)
    if run.launch_failure is not None:
        reason = f"The task's data failed, so no more work is created: {run.launch_failure!r}."
        remedy = "Mend the data, and resume the run when it has ended: resume_incomplete_run=true."
        yield Notice("data", "error", reason, remedy)
    if run.failed_hooks:
        reason = f"on_unit_submitted failed {_times(len(run.failed_hooks))}: {run.failed_hooks[-1]!r}."
        yield Notice("hook", "warning", reason, "Answers are stored all the same. Mend the function for the next run.")


def _gates(moment: Moment) -> Notices:
    if moment.live is not None and moment.live.is_running:
        for key, reason in moment.statistics.state.gates.notices.items():
            yield Notice(f"gate {key}", "warning", reason, "run.gates() shows who was looked at, and what was found.")


def _troubles(moment: Moment) -> Notices:
    run = moment.live
    if run is None or not run.is_running or run.done.is_set():
        return  # a run whose units are done lets its router go
    engine, link = run.parts.engine, run.parts.link
    if engine.trouble is not None:
        yield Notice("database", "error", engine.trouble, "Make the database reachable: the run goes on by itself.")
    if link.trouble is not None:
        yield Notice("router", "error", link.trouble, "It is tried again by itself. The router's log says more.")
    elif moment.away_since is not None:
        away = duration(moment.now - moment.away_since)
        reason = f"The task's server (router) has not been reached for {away}."
        yield Notice("router", "error", reason, "It is tried again by itself. What workers send waits in the router.")


def _machine(moment: Moment) -> Notices:
    """Name what is wrong with files, disks and processes, since when; and what was, and has been mended."""
    run = moment.live
    for number, trouble in enumerate(run.parts.machine_troubles if run is not None else ()):
        if run is None or not (run.is_running or trouble.is_past):
            continue
        when = duration(max(0.0, moment.now - trouble.since))
        reason = f"{trouble.reason} ({when} ago.)" if trouble.is_past else f"{trouble.reason} (For {when}.)"
        key = f"{trouble.what} {number}" if trouble.is_past else trouble.what
        yield Notice(key, "warning" if trouble.is_past else "error", reason, trouble.remedy)


def _detached(moment: Moment) -> Notices:
    if moment.status == "detached" and moment.driver is not None:
        reason = f"This run is driven by {moment.driver}: what workers send is taken in there, and can be read here."
        yield Notice("detached", "info", reason, "Nothing has to be done. Its buttons are in that notebook.")
    elif moment.status == "detached":
        reason = "This kernel does not drive the run. Workers can go on, and what they send waits in the router."
        remedy = f"Take it up: run = await operator.reconnect({moment.task_run_id!r})"
        yield Notice("detached", "info", reason, remedy)


def _absence(moment: Moment) -> Notices:
    absence = moment.live.parts.link.absence if moment.live is not None and moment.live.is_running else None
    if absence is not None and str(absence):
        blocked = "Let no cell block the kernel: await what takes long, or run it in a thread."
        nobody = "No kernel drove the run then. Nothing was lost by it."
        yield Notice("absence", "info", str(absence), nobody if absence.was_nobody else blocked)


def _ending(moment: Moment) -> Notices:
    """Say that a run ends by itself, soon or already: somebody set that, perhaps for another one."""
    state = moment.statistics.state
    if state.closing is not None and state.steering.closed_by == "clock":
        reason = f"The run ended by itself: {state.closing}. The units that were open then have expired."
        remedy = "Go on with it: launch the task again with resume_incomplete_run=True, and with another limit or none."
        yield Notice("ended", "warning", reason, remedy)
    elif state.closing is None and moment.status in ("live", "paused") and (end := ends_by_itself(state)) is not None:
        when, setting = end
        unless = " unless an answer comes before" if setting == "no_submission_patience" else ""
        reason = f"The run ends by itself in {duration(max(0.0, when - moment.now))}{unless}, as {setting} says."
        yield Notice("ends", "info", reason, "Time in which nobody could be served does not count.")


# -- why units wait ------------------------------------------------------------------------------------------


def _paused(moment: Moment) -> Notices:
    waiting = moment.count(UnitStatus.CREATED, UnitStatus.LAUNCHED)
    if moment.status == "paused" and waiting:
        reason = f"The run is paused: {count(waiting, 'unit')} will not be handed out until it goes on."
        yield Notice("paused", "info", reason, "Resume it when you are ready.", Resume().offer())


#: Why those who came got nothing, by the code of their refusal; and what can be done about it.
_BECAUSE = {
    "not_qualified": ("without a qualification that is asked for", "grant it to more workers, or ask for less"),
    "blocked": ("blocked", "invite others"),
    "max_for_task": ("done with as many as one worker may do", "raise maximum_units_per_worker, or invite others"),
    "no_available_units": ("done with all that is open to them", "invite others"),
    **{words.code: (words.about, words.remedy) for words in all_words()},
    "checks_failed": ("shut out after failed checks", "invite others"),
    "not_judged": ("waiting for a function to be mended", "mend the function that judges"),
    "trouble": ("waiting for rows to be found", "mend what gives the rows"),
}


def _nobody_eligible(moment: Moment) -> Notices:
    on_offer = moment.count(UnitStatus.LAUNCHED)
    if moment.live is None or not moment.hands_out or not on_offer:
        return
    codes = Counter(code for code in moment.live.parts.tally.turned_away.values() if code in _BECAUSE)
    turned_away = sum(codes.values())
    if not turned_away:
        return
    why = ", ".join(f"{count:,} {_BECAUSE[code][0]}" for code, count in codes.most_common())
    reason = (
        f"{count(on_offer, 'unit')} on offer, but nobody who came since the last one was taken may do them: "
        f"of {count(turned_away, 'worker')}, {why}."
    )
    remedies = "; ".join(dict.fromkeys(_BECAUSE[code][1] for code, _ in codes.most_common()))
    yield Notice(
        "nobody_eligible", "warning", reason, f"{remedies[0].upper()}{remedies[1:]}.", _raise_limit(moment, codes)
    )


def _raise_limit(moment: Moment, codes: Counter[str]) -> JSONObject | None:
    limit = moment.statistics.rules.maximum_units_per_worker
    if "max_for_task" not in codes or not limit:
        return None
    return ChangeLimits().offer(f"Let one worker do {2 * limit:,}", maximum_units_per_worker=2 * limit)


def _lonely(moment: Moment) -> Notices:
    run = moment.live
    on_offer = moment.count(UnitStatus.LAUNCHED)
    if run is None or not moment.hands_out or not on_offer or moment.statistics.at_work:
        return
    tally, statistics = run.parts.tally, moment.statistics
    opened = max(statistics.opened_at, statistics.steering.resumed_at or 0.0, tally.since)
    quiet = moment.now - max(opened, tally.last_arrival_at or 0.0)
    if quiet > LONELY:
        reason = f"Nobody has come for {duration(quiet)}, though {count(on_offer, 'unit')} can be taken."
        if advice := run.parts.provider.get_lonely_advice(run.url):
            remedy = advice
        elif run.has_own_links:
            remedy = 'Send workers their links: run.get_worker_url("NAME"), with their name in place of NAME.'
        else:
            remedy = f"Share the link with workers: {run.url}"
        yield Notice("lonely", "warning", reason, remedy)


def _stuck(moment: Moment) -> Notices:
    units = [(count, unit) for unit, count in moment.statistics.often_left.items() if moment.is_open(unit)]
    if not units:
        return
    worst = ", ".join(f"{moment.label_of(unit)} ({_times(count)})" for count, unit in sorted(units, reverse=True)[:3])
    verb = "was" if len(units) == 1 else "were"
    reason = f"{count(len(units), 'unit')} {verb} given back or abandoned again and again: {worst}."
    yield Notice("stuck", "warning", reason, "Look at their data: something in it may keep the page from working.")


def _partners(moment: Moment) -> Notices:
    waiting = moment.num_waiting
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        reason = f"{count(waiting, 'worker')} {verb} for a partner."
        yield Notice("partners", "info", reason, "They go on as soon as enough workers have come. Share the link.")


# -- what workers go through ---------------------------------------------------------------------------------


def _page_errors(moment: Moment) -> Notices:
    reports = sum(moment.page_errors.values())
    if reports:
        workers = moment.num_with_errors
        reason = f"{count(reports, 'error')} in workers' pages, met by {count(workers, 'worker')}."
        remedy = "Open the task as a worker would. run.events() has what their pages said."
        task = (
            {"address": moment.live.url, "label": "Open the task"}
            if moment.live is not None and moment.live.is_running
            else None
        )
        yield Notice("page_errors", "warning", reason, remedy, task)


def _own_code(moment: Moment) -> Notices:
    for number, told in enumerate(moment.live.parts.tally.troubles if moment.live is not None else ()):
        reason, _, remedy = told.partition(". ")
        yield Notice(f"trouble_{number}", "error", f"{reason.rstrip('.')}.", remedy or "run.events() says more.")


def _crowd(moment: Moment) -> Notices:
    """Name what a crowd would not do, and where its books are otherwise than ours."""
    for key, told in moment.live.parts.tally.crowd.items() if moment.live is not None else ():
        reason, _, remedy = told.partition(". ")
        yield Notice(f"crowd {key}", "warning", f"{reason.rstrip('.')}.", remedy or "await run.reconcile() says more.")


def _remarks(moment: Moment) -> Notices:
    for number, told in enumerate(moment.live.parts.tally.noted.remarks if moment.live is not None else ()):
        reason, _, remedy = told.partition(". ")
        yield Notice(f"remark_{number}", "info", f"{reason.rstrip('.')}.", remedy or "Look at a preview of the task.")


_LEFT = {
    AgentStatus.RETURNED: (
        "returned",
        "gave their unit back",
        "Is the task what its title promises, and does it work?",
    ),
    AgentStatus.DISCONNECT: ("dropped", "lost their connection", "Does the page stay connected? Try it as a worker."),
    AgentStatus.TIMEOUT: ("timed_out", "ran out of time", "Give more time: assignment_duration_in_seconds."),
}


def _rates(moment: Moment) -> Notices:
    if moment.num_ended < ENOUGH_ENDED:
        return
    for status, (key, what, remedy) in _LEFT.items():
        share = moment.share_left(status)
        if share is not None and share > OUT_OF_LINE:
            left = moment.statistics.left[status]
            reason = (
                f"{share:.0%} of workers {what} ({left:,} of {moment.num_ended:,}); "
                f"more than {OUT_OF_LINE:.0%} is out of line."
            )
            yield Notice(key, "warning", reason, remedy)


def _pay(moment: Moment, money: JSONObject) -> Notices:
    per_hour, minimum, currency = money["per_hour"], money["minimum_per_hour"], money["currency"]
    if moment.num_answered < ENOUGH_ANSWERS or not minimum or not money["below"]:
        return
    least = written(minimum, currency)
    if not money["below_minimum"]:
        severity = "warning" if money["below"] > OUT_OF_LINE * money["timed"] else "info"
        reason = f"{money['below']:,} of {count(money['timed'], 'answer')} earned less than {least} an hour."
        yield Notice("pay_of_some", severity, reason, "Think of a bonus for those whose work took longer.")
        return
    rules = moment.statistics.rules
    reward = rules.visit_pay
    enough = Money(math.ceil(reward.thousandths * minimum / per_hour), currency).rounded_up()
    reason = f"Half of the answers earned less than {written(per_hour, currency)} an hour; the minimum is {least}."
    waiting = moment.count(UnitStatus.CREATED, UnitStatus.LAUNCHED)
    visits = 0 if rules.visits is None else visits_to_come(moment.statistics.pay, rules.visits)
    # Units that fill up visits which go on are paid by these, whose reward stays.
    nobody_would_get_it = not waiting or (rules.visits is not None and not visits)
    if moment.status not in ("live", "paused") or nobody_would_get_it or _is_reward_fixed(moment):
        yield Notice("pay", "warning", reason, "Think of a bonus for those who have worked, and pay more next time.")
        return
    remedy = f"Pay {enough} for {_those(waiting, visits)}, and think of a bonus for those who have worked already."
    fees = ", fees included" if money["fee_rate"] else ""
    more = (enough - reward) * visits if visits else _price_of(moment, enough)
    label = f"Raise pay to {enough} ({more + more.share(Decimal(str(money['fee_rate'])))} more{fees})"
    yield Notice("pay", "warning", reason, remedy, ChangeLimits().offer(label, task_reward=float(enough)))


def _is_reward_fixed(moment: Moment) -> bool:
    study = None if moment.live is None else moment.live.parts.study
    return study is not None and study.was_offered


def _those(units: int, visits: int) -> str:
    number, noun, done = (visits, "visit", "has begun") if visits else (units, "unit", "has yet")
    return f"the {noun} that nobody {done}" if number == 1 else f"each of the {number:,} {noun}s that nobody {done}"


def _price_of(moment: Moment, reward: Money) -> Money:
    """Return what it costs to pay so much for the units that nobody has yet, beyond what they cost anyway."""
    waiting = (UnitStatus.CREATED, UnitStatus.LAUNCHED)
    pay = moment.statistics.pay.units.items()
    return total(((reward - paid) * count for (status, paid), count in pay if status in waiting), reward.currency)


# -- money ---------------------------------------------------------------------------------------------------


def _doubts(moment: Moment) -> Notices:
    """Name the payments of which nobody knows whether they were made, as `Ledger.doubts` lists them."""
    doubts = [one for one in moment.books.asked if is_in_doubt(one, moment.now)]
    if not doubts:
        return
    one = min(doubts, key=lambda payment: payment.asked_at or 0.0)
    kind = "Pay" if one.is_of_work else "A bonus"
    since = "" if one.asked_at is None else f" {duration(moment.now - one.asked_at)} ago"
    more = f" {count(len(doubts), 'payment')} stand so: operator.ledger.doubts()." if len(doubts) > 1 else ""
    reason = f"{kind} of {one.amount} was asked for{since}, and nobody heard whether it was made.{more}"
    call = f"await operator.ledger.settle({one.payment_id!r}, paid=True)"
    remedy = f"Look at the crowd's own page, and say: {call}, or paid=False if it was not made."
    yield Notice("in_doubt", "warning", reason, remedy)


def _budgets(moment: Moment) -> Notices:
    """Name each budget that leaves less than what is committed of it: owed, undecided, and work that is out."""
    for one, booked in moment.books.budgets:
        left = one.limit - booked.spent
        if booked.committed > left:
            leaves = str(left) if left.thousandths > 0 else "nothing"
            reason = (
                f"{one} is {one.limit}; {booked.spent} of it is spent, which leaves {leaves}, but what is owed, "
                f"undecided and open may come to {booked.committed}, with fees."
            )
            remedy = f"Raise the budget ({one.source}), or pause the run and expire what is open."
            yield Notice(f"budget {one}", "warning", f"{reason[:1].upper()}{reason[1:]}", remedy)
    if moment.books.trouble:
        yield Notice("budgets", "warning", "Nobody can tell what budgets there are.", moment.books.trouble)


_LOOKS = (
    _failure, _troubles, _machine, _gates, _nobody_eligible, _lonely, _stuck, _page_errors, _own_code, _crowd, _rates,
    _doubts, _budgets, _partners, _paused, _detached, _absence, _ending, _remarks,
)  # fmt: skip


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
