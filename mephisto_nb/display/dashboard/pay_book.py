"""What a driven run pays, kept up step by step: the same as `ReviewStore.read_pay` would read, without reading it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import BookedSum, KnownPayment, RunPay
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import VisitStanding
from mephisto_nb.money.costs import book
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visit_pay import standing_of, units_of

#: What units are counted by.
_Units = tuple[tuple[UnitStatus, Money], ...]


@dataclass(slots=True)
class _Touched:
    """What a step may have changed: ids of visits, and of units that are paid one by one."""

    visits: dict[str, None]
    units: dict[str, None]


class PayBook:
    """Payments, visits and units of one run, as they add up.

    Parameters
    ----------
    state
        The run as it is now; all its payments and visits are gone through once.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._payments: dict[str, KnownPayment] = {}
        self._key_of: dict[str, str] = {}
        self._booked: dict[tuple[PaymentKind, PaymentStatus], BookedSum] = {}
        #: How many payments of an answer, or a visit, count.
        self._pays: Counter[str] = Counter()
        self._visits: dict[str, tuple[VisitStanding, _Units]] = {}
        self._standings: Counter[VisitStanding] = Counter()
        #: Units that are counted otherwise than by themselves: done in a visit, or paid before they were decided on.
        self._covered: dict[str, tuple[UnitStatus, Money]] = {}
        self._elsewhere: Counter[tuple[UnitStatus, Money]] = Counter()
        touched = _Touched(dict.fromkeys(state.visits.visits), {})
        for key, payment in state.payments.items():
            self._enter(key, payment, touched)
        self._look_at(touched)

    def take(self, step: Step) -> None:
        """Take a committed step in."""
        touched = _Touched({}, {})
        for change in step.changes.changes:
            match change:
                case c.AddVisit(visit):
                    touched.visits[visit.visit_id] = None
                case c.EndVisit(visit_id):
                    touched.visits[visit_id] = None
                case c.AddAgent(agent):
                    self._touch_agent(agent.agent_id, touched)
                case c.ChangeAgent(agent_id):
                    self._touch_agent(agent_id, touched)
                case c.AddSubmission(submission):
                    self._touch_agent(submission.agent_id, touched)
                case c.ChangeUnit(unit_id, agent_id=agent_id):
                    self._touch_agent(agent_id, touched)
                    if self._pays[unit_id]:
                        touched.units[unit_id] = None
                case c.AddPayment(payment):
                    known = self._state.payments.get(payment.key)
                    if payment.key not in self._payments and known is not None:
                        self._enter(payment.key, replace(known, status=payment.status), touched)
                case c.ChangePayment(payment_id, _, after):
                    if (key := self._key_of.get(payment_id)) is not None:
                        self._enter(key, replace(self._payments[key], status=after), touched)
        self._look_at(touched)

    def settle(self, payments: Mapping[str, KnownPayment]) -> None:
        """Take in how payments stand in the database; those that it did not have yet stay as they are."""
        touched = _Touched({}, {})
        for key, payment in payments.items():
            known = self._payments.get(key)
            is_older = known is not None and known.status is PaymentStatus.CANCELLED
            if payment != known and not (is_older and payment.status is PaymentStatus.OWED):
                self._enter(key, payment, touched)
        self._look_at(touched)

    @property
    def payments(self) -> Iterable[KnownPayment]:
        """All payments."""
        return self._payments.values()

    def read(self) -> RunPay:
        """Return what the run pays as of the last step taken in."""
        units = Counter(self._state.pay)
        units.subtract(self._elsewhere)
        booked = {key: one for key, one in self._booked.items() if one.amount or one.fees}
        return RunPay(dict(+units), dict(+self._standings), booked)

    # -- within ----------------------------------------------------------------------------------------------

    def _touch_agent(self, agent_id: str | None, touched: _Touched) -> None:
        agent = self._state.agents.get(agent_id or "")
        if agent is not None and agent.visit_id is not None:
            touched.visits[agent.visit_id] = None

    def _enter(self, key: str, payment: KnownPayment, touched: _Touched) -> None:
        """Note a payment in the place of what was known of it."""
        was = self._payments.get(key)
        if was is not None:
            self._add(was, -1, touched)
        self._payments[key], self._key_of[payment.payment_id] = payment, key
        self._add(payment, 1, touched)

    def _add(self, payment: KnownPayment, sign: int, touched: _Touched) -> None:
        for place, one in book([payment]).items():
            signed = one if sign > 0 else BookedSum(-one.amount, -one.fees, -one.without_fees)
            self._booked[place] = self._booked[place] + signed if place in self._booked else signed
        if not payment.is_of_work:
            return
        paid_for = payment.visit_id or payment.unit_id
        if payment.visit_id is not None:
            touched.visits[payment.visit_id] = None
        elif payment.unit_id is not None:
            touched.units[payment.unit_id] = None
        if paid_for is not None and payment.counts:
            self._pays[paid_for] += sign

    def _look_at(self, touched: _Touched) -> None:
        for visit_id in touched.visits:
            self._count_visit(visit_id)
        for unit_id in touched.units:
            self._count_unit(unit_id)

    def _count_visit(self, visit_id: str) -> None:
        visit = self._state.visits.visits.get(visit_id)
        if visit is None:
            return
        if visit_id in self._visits:
            standing, units = self._visits[visit_id]
            self._standings[standing] -= 1
            self._elsewhere.subtract(units)
        standing = standing_of(self._state, visit, is_booked=self._pays[visit_id] > 0)
        units = tuple((unit.status, unit.pay_amount) for unit in units_of(self._state, visit))
        self._visits[visit_id] = standing, units
        self._standings[standing] += 1
        self._elsewhere.update(units)

    def _count_unit(self, unit_id: str) -> None:
        if (was := self._covered.pop(unit_id, None)) is not None:
            self._elsewhere[was] -= 1
        unit = self._state.units.get(unit_id)
        if unit is not None and unit.status is UnitStatus.COMPLETED and self._pays[unit_id] > 0:
            self._covered[unit_id] = unit.status, unit.pay_amount
            self._elsewhere[self._covered[unit_id]] += 1
