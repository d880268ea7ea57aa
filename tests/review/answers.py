"""Runs with answers in them, without a router: as they are once their kernel has gone."""

from __future__ import annotations

from typing import Any

from mephisto_nb._typing import JSON
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Submission
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import SampleRun, change_agent, change_unit
from tests.inside import frames_of
from tests.kernel.runs import ABOUT

#: (item, worker, answer, seconds)
Row = tuple[int, str, JSON, float]


def stored_run(
    operator: Operator, rows: list[Row], task_name: str = "moods", crowd: str = "link", **fields: Any
) -> Any:
    """Store an ended run of these answers, each a unit of its item, and look it up; a unit is paid 0.25 (USD)."""
    sample = sample_run(operator, task_name, crowd, **fields)
    add_answers(sample, rows)
    return operator.get_task_run(sample.id)


def sample_run(operator: Operator, task_name: str, crowd: str = "link", **fields: Any) -> SampleRun:
    """Store an ended run that nobody has answered."""
    database: Database = operator._runs.database
    task = {**ABOUT, "task_reward": 0.25, "task_name": task_name, "currency": fields.get("currency", "USD")}
    config = resolve_config(compose("mock", provider=crowd, task=task)).as_dict()
    given = {"ended_at": 2000.0, "config": config, "generator_done": True}
    return SampleRun(database, task_name=task_name, provider_type=crowd, **given | fields)


def add_answers(run: SampleRun, rows: list[Row]) -> None:
    """Store answers, each with a unit of its item, as another kernel does: nobody here is told."""
    items = sorted({item for item, *_ in rows})
    pay = Money.of("0.25", run.run.currency)
    work = {item: run.make_work(sum(row[0] == item for row in rows), pay=pay) for item in items}
    run.commit(*work.values())
    left = {item: list(work[item].units) for item in items}
    known = frames_of(run).database.people.get_worker_facts(run.id, run.run.provider_type, [row[1] for row in rows])
    workers = {name: facts.worker for name, facts in known.items()}
    for item, name, answer, seconds in rows:
        worker = workers.get(name) or run.add_worker(name)
        workers[name] = worker
        unit = left[item].pop(0)
        run.commit(change_unit(unit, UnitStatus.LAUNCHED))
        agent = run.add_agent(unit, worker)
        agent.status = AgentStatus.IN_TASK
        run.commit(
            c.AddSubmission(Submission(agent.agent_id, answer, agent.accepted_at + seconds)),
            change_agent(agent, AgentStatus.COMPLETED),
            change_unit(unit, UnitStatus.COMPLETED, agent),
        )


def stored_page_run(operator: Operator, html: str, rows: list[Row], task_name: str = "pages") -> Any:
    """Store a run as `stored_run` does, of a task made of HTML, with the page that its workers had."""
    task = {"task_name": task_name, "task_title": "t", "task_description": "d", "task_tags": "t", "task_reward": 0.25}
    config = resolve_config(compose("static_html", task=task, blueprint_args={"task_html": html})).as_dict()
    run = stored_run(operator, rows, task_name, config=config, blueprint_type="static_html")
    blueprint = StaticHTMLBlueprint(
        StaticHTMLBlueprintArgs(task_html=html, preview_with_sample=False), SharedTaskState(static_task_data=[{}])
    )
    blueprint.build_site(frames_of(run).directory / "site")
    return run


def said(item: int, worker: str, tone: str, seconds: float = 10.0) -> Row:
    """One answer to a question with few choices."""
    return item, worker, {"tone": tone}, seconds
