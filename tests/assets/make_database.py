"""Write ``schema-<revision>.db``: run this once for each new revision of the schema, and never again for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mephisto_nb.model import changes as c
from mephisto_nb.model.gates import GateVerdict, HeldArrival
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Steering
from mephisto_nb.model.states import AgentStatus, Gate
from mephisto_nb.model.visits import UnvouchedArrival, Visit
from mephisto_nb.storage.connect import REVISIONS
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.testing.contracts._samples import SampleRun, grant_to, make_event

#: What was steered of the run, in databases that know of it (0002 and later).
STEERING = Steering(paused_at=1500.0, max_num_concurrent_units=2, task_reward=Money.of("0.5"))


def main() -> None:
    """Make a small database with a few rows of each kind."""
    file = Path(__file__).with_name(f"schema-{REVISIONS[-1]}.db")
    if file.exists():
        raise FileExistsError(f"{file} is there already: what an old version wrote must stay as it was.")
    database = SQLDatabase(f"sqlite:///{file}")
    run = SampleRun(database, task_name="old survey")
    ann = run.add_answered_unit({"label": "kůň"}, worker_name="ann")
    run.add_units(2)
    run.commit(c.Steer(STEERING), events=[make_event()], last_seq=3)
    run.commit(c.AddPayment(bonus := run.make_payment(ann)))
    run.review(ann, bonus_payment_id=bonus.payment_id)
    bob = run.add_onboarding("bob")
    run.commit(
        c.AddOnboardingAnswer(bob.agent_id, {"sure": "yes"}, 1010.0),
        c.ChangeOnboarding(bob.agent_id, bob.status, AgentStatus.WAITING),
        c.HoldArrival(HeldArrival("request", bob.worker_id, "bob", "page", 1010.0)),
        c.AddVerdict(GateVerdict(ann.agent_id, Gate.TIME, True, 1010.0)),
    )
    cyd = run.add_worker("cyd")
    visit = Visit("visit of cyd", cyd.worker_id, "session", {"STUDY_ID": "s1"}, 3, 1020.0, 1080.0)
    run.commit(c.AddVisit(visit), c.AwaitVouching(UnvouchedArrival("waiting", {"token": "t"}, 1020.0)))
    run.commit(c.EndVisit(visit.visit_id, 1030.0, Outcome.RETURNED, None, "You have given this task back."))
    database.runs.keep_crowd_memory(run.id, {"study_id": "s1"})
    grant_to(database, "careful", "ann", 5)
    database.close()
    _shrink(file)


def _shrink(file: Path) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in ("PRAGMA journal_mode=DELETE", "PRAGMA page_size=512", "VACUUM"):
        connection.execute(statement)
    connection.close()
    Path(f"{file}.migrating").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
