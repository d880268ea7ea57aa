"""What is read from a database in one go: a whole run, or what the rules need to know of a worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb.model.gates import StoredGates
from mephisto_nb.model.packets import Packet
from mephisto_nb.model.records import Agent, Assignment, TaskRun, Unit, Worker
from mephisto_nb.model.states import UnitStatus


@dataclass(slots=True)
class RunSnapshot:
    """All that is needed to go on with a run: its rows, and how far its link had come."""

    run: TaskRun
    assignments: list[Assignment]
    units: list[Unit]
    agents: list[Agent]
    last_seq: int
    last_n: int
    outbox: list[tuple[int, Packet]]
    last_submission_at: float | None = None
    #: The names of all workers who ever took a unit of the run, by id.
    worker_names: dict[str, str] = field(default_factory=dict)
    #: What is paid beside the units' own pay, by the payment's key; cancelled or failed, it is 0.
    payments: dict[str, float] = field(default_factory=dict)
    gates: StoredGates = field(default_factory=StoredGates)


@dataclass(slots=True)
class RunPay:
    """What a run pays (US dollars): how many units, those of gates too, of a status are paid how much; and the rest.

    `owed` and `sent` are what of both is in a payment already, without the crowd's fees.
    """

    units: dict[tuple[UnitStatus, float], int] = field(default_factory=dict)
    beside: float = 0.0
    owed: float = 0.0
    sent: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What the rules need to know of a worker who arrives.

    `worker` is None for somebody never seen before; `units_elsewhere` counts the units that they hold or have
    answered in other runs of the same task, gates' units left out. `rows_seen` are the keys of the screening and gold
    rows that they were ever shown in this task.
    """

    worker: Worker | None = None
    grants: dict[str, int] = field(default_factory=dict)
    units_elsewhere: int = 0
    rows_seen: frozenset[str] = frozenset()
