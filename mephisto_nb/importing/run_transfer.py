"""One run of Mephisto 1.x becomes the changes that store it here, all in one transaction; and what became of each row.

Payments are made up as today's: 1.x noted bonuses alone, and its crowds paid what it approved.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.frames.spreadsheets import Frame
from mephisto_nb.frames.uploads import safe_name
from mephisto_nb.importing import old_data as t
from mephisto_nb.importing.old_data import OldAnswer, OldFiles, to_seconds
from mephisto_nb.importing.old_mephisto import agent_status, message_key, unit_status
from mephisto_nb.model import changes as c
from mephisto_nb.model.answers import EVERYTHING
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Assignment, Event, Payment, Submission, TaskRun, Unit
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.states import (
    AGENT_ACTIVE,
    UNIT_ANSWERED,
    UNIT_OPEN,
    UNIT_PAID_FOR,
    AgentStatus,
    PaymentKind,
    PaymentStatus,
    UnitStatus,
)

REPORT_COLUMNS = ("table", "found", "imported", "already_there", "left_out", "remarks")


@dataclass(slots=True)
class ImportReport:
    """Counts rows by table: each is imported, already there, or left out for a reason."""

    found: dict[str, int] = field(default_factory=dict)
    imported: Counter[str] = field(default_factory=Counter)
    already_there: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    remarks: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def leave_out(self, table: str, why: str, count: int = 1) -> None:
        """Note rows that are not imported."""
        if count:
            self.left_out[table][why] += count

    def remark(self, table: str, what: str, count: int = 1) -> None:
        """Note something about rows that were imported otherwise than they are."""
        if count:
            self.remarks[table][what] += count

    def add(self, other: ImportReport, *, is_new: bool) -> None:
        """Take over what was found of one run; where it is not new, what would be imported is already there."""
        (self.imported if is_new else self.already_there).update(other.imported)
        for table, reasons in other.left_out.items():
            self.left_out[table].update(reasons)
        for table, reasons in other.remarks.items() if is_new else ():
            self.remarks[table].update(reasons)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a table, columns `REPORT_COLUMNS`.

        ``found`` rows are ``imported``, ``already_there`` (from an earlier import, or known here anyway) or
        ``left_out``; ``remarks`` lists why, and what was changed on the way, each with its number.
        """
        rows = []
        for table, found in self.found.items():
            left, said = self.left_out.get(table, Counter()), self.remarks.get(table, Counter())
            told = [f"{count:,} left out: {why}" for why, count in left.items()]
            told += [f"{count:,} {what}" for what, count in said.items()]
            numbers = (found, self.imported[table], self.already_there[table], left.total(), told)
            rows.append((table, *numbers))
        return Frame(rows, columns=list(REPORT_COLUMNS))


#: What is said of units that their crowd may have paid without 1.x.
LEFT_OPEN = (
    "answered, and not decided on in 1.x: a crowd may have approved and paid them by itself (MTurk does after "
    "auto_approve_delay); look there before you approve them here, which pays them again"
)


def pays(review: JSONObject) -> bool:
    """Return whether 1.x paid an answer with this decision."""
    return review["after"] in UNIT_PAID_FOR and review["before"] not in UNIT_PAID_FOR


def make_reward(unit: Unit, run_id: str, came_at: float, paid_at: float | None) -> Payment:
    """Make the payment of a unit's own pay; `paid_at` is None where 1.x does not say when it was approved."""
    about: dict[str, Any] = {"worker_id": str(unit.worker_id), "unit_id": unit.unit_id, "sent_at": paid_at}
    return _sent(
        f"{unit.unit_id}-reward",
        f"{run_id}:1.x:reward:{unit.unit_id}",
        kind=PaymentKind.REWARD,
        amount=unit.pay_amount,
        reason="your answer; paid by Mephisto 1.x",
        created_at=came_at if paid_at is None else paid_at,
        task_run_id=run_id,
        **about,
    )


def make_bonus(review: JSONObject, run_id: str, at: float, **about: Any) -> Payment:
    """Make the payment of a bonus, which 1.x notes when it has been sent."""
    return _sent(
        key=f"{run_id}:1.x:{review['review_id']}",
        kind=PaymentKind.BONUS,
        amount=Money.nearest(float(review["bonus"])),
        reason="a bonus for your work; paid by Mephisto 1.x",
        created_at=at,
        sent_at=at,
        task_run_id=run_id,
        **about,
    )


def _sent(payment_id: str, key: str, **fields: Any) -> Payment:
    return Payment(payment_id=payment_id, key=key, status=PaymentStatus.SENT, **fields)


#: Ids from here on are random, and nobody else's; smaller ones are counted, in every database alike.
_RANDOM = 1_000_000
_STATUSES = {status.value for status in UnitStatus}
_AT_WORK = {AgentStatus.NONE, *AGENT_ACTIVE} - {AgentStatus.PARTNER_DISCONNECT}
_DEAD_RUN = "open in 1.x, and expired here: their run is over"


@dataclass(frozen=True, slots=True)
class OldRun:
    """What the tables of 1.x hold of one run; `indexes` counts its assignments, `worker_ids` are ours by theirs."""

    run: TaskRun
    old_id: str
    assignments: Sequence[JSONObject]
    units: Sequence[JSONObject]
    agents: Sequence[JSONObject]
    onboardings: Sequence[JSONObject]
    reviews: Sequence[JSONObject]
    worker_ids: Mapping[str, str]
    indexes: Mapping[str, int]


def run_id_of(old: Mapping[str, Any], task_name: str) -> str:
    """Return the id under which a run of 1.x stands here: always the same, and no other run's."""
    return own_id(old["task_run_id"], digest(old["creation_date"], old["init_params"], task_name))


def digest(*about: object) -> str:
    """Return a few characters that stand for these values, the same ones each time."""
    return sha256(repr(about).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def own_id(old_id: str, scope: str) -> str:
    """Keep an id that is random, and make one that is counted the scope's own."""
    is_random = old_id.isascii() and old_id.isdecimal() and len(old_id) < 40 and int(old_id) >= _RANDOM
    return old_id if is_random else f"{old_id}-{scope}"


@dataclass(slots=True)
class RunTransfer:
    """Makes the changes that store one run, and counts what becomes of its rows.

    Without `files`, rows are only counted. `copies` are files to copy before the changes are committed: from where, and
    where to below the run's own folder.
    """

    old: OldRun
    files: OldFiles | None
    report: ImportReport = field(default_factory=ImportReport)
    copies: list[tuple[Path, str]] = field(default_factory=list)
    _changes: list[c.Change] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _answers: dict[str, OldAnswer] = field(default_factory=dict)
    _unit_data: dict[str, tuple[JSONObject, list[JSONObject]]] = field(default_factory=dict)
    #: By the unit's id in 1.x, those who were paid, and by what payment.
    _paid_units: dict[str, Unit] = field(default_factory=dict)
    _rewards: dict[str, str] = field(default_factory=dict)
    _last_at: float = 0.0

    def check(self, files: OldFiles) -> None:
        """Raise `DataFileError` where an id of the run, or a link in its folder, leads elsewhere."""
        named = [(one["assignment_id"], one["agent_id"]) for one in self.old.agents if one["assignment_id"]]
        named += [("onboarding", f"onboarding_{one['onboarding_agent_id']}") for one in self.old.onboardings]
        files.check(self.old.old_id, [one["assignment_id"] for one in self.old.assignments], named)

    def make(self) -> c.Changes:
        """Make the changes; reads the run's files."""
        run = self.old.run
        units = self._units()
        self._read_files(units)
        self._add_assignments(units)
        agents = self._add_agents(units)
        for agent_id, agent in agents.items():
            self._add_work(agent_id, agent)
        self._add_onboardings()
        self._add_rewards(agents)
        self._add_reviews(units, agents)
        ended_at = max(self._last_at, run.created_at)
        self._log(ended_at, "run", run.task_run_id, "imported from Mephisto 1.x", after="ended")
        stored = {name: getattr(run, name) for name in TaskRun.__slots__} | {"ended_at": ended_at}
        return c.Changes(run.task_run_id, [c.AddRun(TaskRun(**stored)), *self._changes], self._events)

    def _id(self, old_id: str) -> str:
        return own_id(old_id, self.old.run.task_run_id.rpartition("-")[2])

    def _log(self, at: float, subject: str, subject_id: str, why: str, **fields: Any) -> None:
        given = {"before": None, "after": None, "who": t.WHO, **fields}
        self._events.append(Event(at=at, subject=subject, subject_id=subject_id, why=why, **given))

    # -- units and assignments -------------------------------------------------------------------------------

    def _units(self) -> dict[str, JSONObject]:
        known = {one["assignment_id"] for one in self.old.assignments}
        kept = {}
        for unit in self.old.units:
            if unit["assignment_id"] not in known:
                self.report.leave_out("units", "their assignment is missing")
            elif unit["status"] not in _STATUSES:
                self.report.leave_out("units", f"no unit can be {unit['status']!r}")
            else:
                kept[unit["unit_id"]] = unit
        return kept

    def _read_files(self, units: Mapping[str, JSONObject]) -> None:
        if self.files is None:
            self._unit_data = {one["assignment_id"]: ({}, []) for one in self.old.assignments}
            return
        for agent in self.old.agents:
            if (unit := units.get(agent["unit_id"])) is not None:
                place = (self.old.old_id, unit["assignment_id"], agent["agent_id"])
                has_answered = agent["status"] in t.UNIT_OF_AGENT
                if (found := self.files.read_agent(*place, has_answered=has_answered)) is not None:
                    self._answers[agent["agent_id"]] = found
        for one in self.old.assignments:
            data = self.files.read_assignment(self.old.old_id, one["assignment_id"])
            self._unit_data[one["assignment_id"]] = data if data is not None else self._inputs_of(one, units)

    def _inputs_of(
        self, assignment: JSONObject, units: Mapping[str, JSONObject]
    ) -> tuple[JSONObject, list[JSONObject]]:
        """Return what its workers' own files say of an assignment whose own file is missing."""
        self.report.remark("assignments", "whose data could not be read")
        ids = [unit["agent_id"] for unit in units.values() if unit["assignment_id"] == assignment["assignment_id"]]
        found = (self._answers[id_].inputs for id_ in ids if id_ in self._answers)
        return next((one for one in found if isinstance(one, dict)), {}), []

    def _add_assignments(self, units: Mapping[str, JSONObject]) -> None:
        run, assignments = self.old.run.task_run_id, []
        for one in self.old.assignments:
            shared, unit_data = self._unit_data[one["assignment_id"]]
            index = self.old.indexes[one["assignment_id"]]
            assignments.append(Assignment(self._id(one["assignment_id"]), run, index, shared, unit_data))
        agents = {one["agent_id"]: one for one in self.old.agents if one["unit_id"] in units}
        made = [self._make_unit(unit, agents.get(unit["agent_id"] or "")) for unit in units.values()]
        self._changes.append(c.AddAssignments(assignments, made))
        self.report.imported.update({"assignments": len(assignments), "units": len(made)})

    def _make_unit(self, unit: JSONObject, agent: JSONObject | None) -> Unit:
        agent = agent if agent is not None and self._can_come(agent) else None
        status = UnitStatus(unit_status(unit, agent))
        if status in UNIT_OPEN:
            self.report.remark("units", _DEAD_RUN)
            status = UnitStatus.EXPIRED
        elif status in UNIT_ANSWERED and agent is None:
            self.report.remark("units", f"{status.value} by nobody, and expired here")
            status = UnitStatus.EXPIRED
        elif status is UnitStatus.COMPLETED:
            self.report.remark("units", LEFT_OPEN)
        made = Unit(
            unit_id=self._id(unit["unit_id"]),
            assignment_id=self._id(unit["assignment_id"]),
            unit_index=int(unit["unit_index"] or 0),
            pay_amount=Money.nearest(float(unit["pay_amount"] or 0.0)),
            status=status,
            agent_id=self._id(agent["agent_id"]) if agent else None,
            worker_id=self.old.worker_ids[agent["worker_id"]] if agent else None,
        )
        if status in UNIT_PAID_FOR and made.pay_amount:
            self._paid_units[unit["unit_id"]] = made
        return made

    # -- agents ----------------------------------------------------------------------------------------------

    def _can_come(self, agent: JSONObject) -> bool:
        return agent["worker_id"] in self.old.worker_ids and agent_status(agent) is not None

    def _add_agents(self, units: Mapping[str, JSONObject]) -> dict[str, JSONObject]:
        kept = {}
        for agent in self.old.agents:
            status = agent_status(agent)
            if agent["unit_id"] not in units:
                self.report.leave_out("agents", "their unit is missing")
            elif agent["worker_id"] not in self.old.worker_ids:
                self.report.leave_out("agents", "their worker is missing")
            elif status is None:
                self.report.leave_out("agents", f"no agent can be {agent['status']!r}")
            else:
                kept[agent["agent_id"]] = agent
                self._changes.append(c.AddAgent(self._make_agent(agent, status)))
        self.report.imported["agents"] += len(kept)
        return kept

    def _make_agent(self, agent: JSONObject, status: AgentStatus) -> Agent:
        if status in _AT_WORK:
            self.report.remark("agents", _DEAD_RUN)
            status = AgentStatus.EXPIRED
        found, came_at = self._answers.get(agent["agent_id"]), to_seconds(agent["creation_date"])
        started_at = (found.started_at if found else None) or came_at or self.old.run.created_at
        return Agent(
            agent_id=self._id(agent["agent_id"]),
            unit_id=self._id(agent["unit_id"]),
            worker_id=self.old.worker_ids[agent["worker_id"]],
            registration_id=f"1.x {agent['agent_id']}",
            status=status,
            accepted_at=started_at,
        )

    def _add_work(self, old_agent_id: str, agent: JSONObject) -> None:
        found, is_answer = self._answers.get(old_agent_id), agent["status"] in t.UNIT_OF_AGENT
        if found is None:
            if is_answer:
                self.report.remark("agents", "who answered, but whose files are missing")
            return
        agent_id = self._id(old_agent_id)
        came_at = found.started_at or to_seconds(agent["creation_date"]) or self.old.run.created_at
        at = found.ended_at or came_at
        self._last_at = max(self._last_at, at)
        if is_answer and not found.has_state:
            self.report.remark("agents", "who answered, but whose answer could not be read")
        metadata = dict(found.metadata)
        files: list[JSONObject] = []
        if is_answer:
            files = self._copy(agent_id, found)
            self._changes.append(
                c.AddSubmission(Submission(agent_id, found.outputs, found.ended_at, files, EVERYTHING))
            )
        elif found.outputs:
            self.report.remark("agents", "who left, whose unfinished answer is kept beside (unfinished)")
            metadata["unfinished"] = found.outputs
        if metadata:
            said = {"metadata": metadata, "files": _attached(metadata, files)}
            self._changes.append(c.AddMetadata(agent_id, said, at))
        for message in found.messages:
            said_at = to_seconds(message.get("timestamp")) or came_at
            said = {**message, "update_id": message_key(message)}
            self._changes.append(c.AddLiveUpdate(agent_id, "operator", said, said_at))

    def _copy(self, agent_id: str, found: OldAnswer) -> list[JSONObject]:
        sent, taken = list[JSONObject](), set[str]()
        for file in found.files:
            # One of a name may be in the agent's own folder, and another in that of its uploads; some systems make no
            # difference between capital letters and others.
            plain = safe_name(file.name)
            numbered = (f"{number} {plain}" for number in itertools.count(len(taken)))
            own = next(one for one in itertools.chain([plain], numbered) if one.casefold() not in taken)
            taken.add(own.casefold())
            name = f"{agent_id}/{own}"
            self.copies.append((file, name))
            sent.append({"fieldname": "(files)", "filename": name})
        return sent

    # -- onboarding, and decisions ---------------------------------------------------------------------------

    def _add_onboardings(self) -> None:
        for one in self.old.onboardings:
            place = (self.old.old_id, one["onboarding_agent_id"])
            found = self.files.read_onboarding(*place) if self.files is not None else None
            at = to_seconds(one["creation_date"]) or self.old.run.created_at
            detail = {"worker_id": self.old.worker_ids.get(one["worker_id"]), "answer": found and found.outputs}
            id_ = f"onboarding_{self._id(one['onboarding_agent_id'])}"
            self._log(at, "onboarding", id_, "onboarding in Mephisto 1.x", after=one["status"], detail=detail)
        self.report.imported["onboarding_agents"] += len(self.old.onboardings)
        self.report.remark("onboarding_agents", "kept as rows of their run's events()", len(self.old.onboardings))

    def _add_rewards(self, agents: Mapping[str, JSONObject]) -> None:
        """Keep the pay of what was approved: in the books it stands as sent."""
        paid_at = {one["unit_id"]: one["at"] for one in reversed(self.old.reviews) if pays(one)}
        came = {self._id(one["agent_id"]): one["creation_date"] for one in agents.values()}
        for old_id, unit in self._paid_units.items():
            came_at = to_seconds(came[str(unit.agent_id)]) or self.old.run.created_at
            payment = make_reward(unit, self.old.run.task_run_id, came_at, paid_at.get(old_id))
            self._changes.append(c.AddPayment(payment))
            self._rewards[old_id] = payment.payment_id

    def _add_reviews(self, units: Mapping[str, JSONObject], agents: Mapping[str, JSONObject]) -> None:
        for one in self.old.reviews:
            agent = agents.get((units.get(one["unit_id"] or "") or {}).get("agent_id") or "")
            at = one["at"] or self.old.run.created_at
            self._last_at = max(self._last_at, at)
            if agent is None or one["after"] is None:
                self._keep_as_event(one, at)
            else:
                self._changes.append(c.AddReview(self._make_review(one, agent, at)))
                if one["revoked"]:
                    worker, detail = self.old.worker_ids[agent["worker_id"]], {"revoked": one["revoked"]}
                    self._log(at, "worker", worker, "reviewed in Mephisto 1.x", detail=detail)
            self.report.imported["worker_review"] += 1

    def _keep_as_event(self, review: JSONObject, at: float) -> None:
        """Keep what a reviewer did to a worker, but to no unit, as an event."""
        self.report.remark("worker_review", "about no answer, kept as rows of a run's events()")
        worker = self.old.worker_ids.get(review["worker_id"] or "", review["worker_id"] or "nobody")
        names = ("granted", "revoked", "blocked", "bonus", "note")
        detail = {name: review[name] for name in names if review[name]}
        if review["bonus"] and review["worker_id"] in self.old.worker_ids:
            self._pay(review, at, worker)
        self._log(at, "worker", worker, "reviewed in Mephisto 1.x", after=review["after"], detail=detail)

    def _make_review(self, review: JSONObject, agent: JSONObject, at: float) -> Review:
        worker = self.old.worker_ids[agent["worker_id"]]
        effects: JSONObject = {"blocked": True} if review["blocked"] else {}
        if review["granted"]:
            effects["granted"] = {name: [value, None] for name, value in review["granted"].items()}
        return Review(
            review_id=self._id(f"{review['review_id']}-review"),
            unit_id=self._id(review["unit_id"]),
            agent_id=self._id(agent["agent_id"]),
            worker_id=worker,
            before=UnitStatus(review["before"]),
            after=UnitStatus(review["after"]),
            note=review["note"],
            message="",
            who=t.WHO,
            at=at,
            reward_payment_id=self._rewards.pop(review["unit_id"], None) if pays(review) else None,
            bonus_payment_id=self._pay(review, at, worker, self._id(review["unit_id"])) if review["bonus"] else None,
            effects=effects,
        )

    def _pay(self, review: JSONObject, at: float, worker_id: str, unit_id: str | None = None) -> str:
        about = {"payment_id": self._id(f"{review['review_id']}-bonus"), "worker_id": worker_id, "unit_id": unit_id}
        payment = make_bonus(review, self.old.run.task_run_id, at, **about)
        self._changes.append(c.AddPayment(payment))
        return payment.payment_id


def _attached(metadata: JSONObject, files: list[JSONObject]) -> list[JSONObject]:
    """Return those of an agent's files that came with what was said beside the answer."""
    opinion = metadata.get("worker_opinion")
    attachments = opinion.get("attachments") if isinstance(opinion, dict) else None
    names = {one.get("filename") for one in attachments or [] if isinstance(one, dict)}
    return [file for file in files if str(file["filename"]).partition("/")[2] in names]
