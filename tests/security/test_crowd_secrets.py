"""After a whole study with a stand-in of Prolific, secrets and ids of people are nowhere but where they have to be.

Nothing in the package makes files that are fit to publish: what `run.export` and the frames write holds ids, which
is told in the guide, so those are looked through for secrets alone.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import create_engine, select

import mephisto_nb as mnb
from mephisto_nb.config import registry
from mephisto_nb.display.dashboard.watch import watch
from mephisto_nb.errors import MephistoError
from mephisto_nb.kernel.visits import telling
from mephisto_nb.operator import Operator
from mephisto_nb.providers.prolific import ProlificProvider
from mephisto_nb.run import TaskRun
from mephisto_nb.storage.tables import metadata
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.prolific import Habit, Participant, ProlificStandIn, StandInSettings
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.inside import frames_of, parts_of
from tests.kernel.conftest import data_dir, make_operator
from tests.storage.conftest import postgresql_server

__all__ = ["data_dir", "make_operator", "postgresql_server"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MESSAGE = (
    "You gave the same answer to each of the sentences, also to those that plainly say the opposite of one another."
)


EXPORTED = ("results.csv", "results.parquet", "results.xlsx")


@dataclass
class Study:
    """A study that is over, and all that was seen of it, by where: texts that anybody may read."""

    prolific: ProlificStandIn
    operator: Operator
    run: TaskRun
    folder: Path
    url: str
    log: list[str] = field(repr=False)
    seen: dict[str, str] = field(default_factory=dict, repr=False)
    errors: dict[str, str] = field(default_factory=dict, repr=False)
    given_out: set[str] = field(default_factory=set)

    @property
    def people(self) -> dict[str, str]:
        """The ids of those who came."""
        return {f"person {one.participant_id}": one.participant_id for one in self.prolific.world.submissions.values()}

    def secrets(self) -> dict[str, str]:
        """Return what is secret, by what it is."""
        [study] = self.prolific.world.studies.values()
        codes = {one["code_type"]: one["code"] for one in study.codes if one["code"] not in self.given_out}
        parts = parts_of(self.run)
        return {
            "token": self.prolific.token.reveal(),
            "hook secret": self.prolific.hooks.secrets[self.prolific.workspace_id][1],
            "run secret": (parts.directory / "link_secret").read_text().strip(),
            "router token": json.loads((parts.directory / "router_config.json").read_text())["token"],
            "events key": parts.events_url.rpartition("/")[2],
            **{f"code {kind}": code for kind, code in codes.items()},
        }

    def files(self) -> dict[str, bytes]:
        """Return what lies in the folder of runs, by its path."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}

    def columns(self) -> dict[str, str]:
        """Return what the database holds, by table and column."""
        found: dict[str, list[str]] = {}
        engine = create_engine(self.url)
        with engine.connect() as connection:
            for table in metadata.sorted_tables:
                for row in connection.execute(select(table)).mappings():
                    for name, value in row.items():
                        found.setdefault(f"{table.name}.{name}", []).append(str(value))
        engine.dispose()
        return {name: "\n".join(values) for name, values in found.items()}


def found_in(texts: Mapping[str, str], secrets: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return which of the secrets stands in which of the texts."""
    assert all(len(value) >= 8 for value in secrets.values())
    return {(what, where) for where, text in texts.items() for what, value in secrets.items() if value in text}


@pytest.fixture
async def prolific(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[ProlificStandIn]:
    async with ProlificStandIn(StandInSettings(publishing=0, processing=0, paying=0), seed=1) as standin:
        monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "own" / "config.yml"))
        monkeypatch.setattr(telling, "HEARD_WITHIN", 0.1)  # some close their tabs: nobody asks how it ended
        monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
        registry.PROVIDERS.register(ProlificProvider, replace=True)
        yield standin


@pytest.fixture
def log() -> Iterator[list[str]]:
    """All that anybody logs, of any level, with tracebacks."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record) + repr(record.args))

    root, handler, levels = logging.getLogger(), Keep(0), {}
    for name in ("", "mephisto_nb", "aiohttp", "asyncio", "websockets"):
        levels[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def study(
    request: pytest.FixtureRequest, prolific: ProlificStandIn, log: list[str], data_dir: Path
) -> AsyncIterator[Study]:
    """A study from token to payments, on each kind of database."""
    url = f"sqlite:///{data_dir / 'mephisto_nb.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_server").create()
    operator = Operator(data_dir, database=url)
    try:
        yield await made(prolific, operator, log, data_dir, url)
    finally:
        await operator.force_shutdown()


async def made(prolific: ProlificStandIn, operator: Operator, log: list[str], folder: Path, url: str) -> Study:
    registered = await mnb.register_prolific(prolific.token, name="lab", base_url=prolific.url)
    rows, config = [{"text": f"Sentence {number}."} for number in range(6)], configuration(prolific)
    forecast = mnb.forecast(config, rows, operator=operator)
    run = await operator.launch_task_run(config, rows, budget=20)
    study = Study(prolific, operator, run, folder, url, log)
    parts = parts_of(run)
    look(study, "live", run, operator, registered, forecast, config, parts, parts.provider, parts.link, parts.architect)
    study.seen["addresses"] = f"{run.url} {run.get_worker_url()} {parts.provider.get_entry_url(run.url)}"
    habits = {Habit.RETURN_BEFORE: 0.2, Habit.CLOSE_TAB: 0.2, Habit.WRONG_CODE: 0.2}
    await prolific.participants(9, seed=1, habits=habits).come(lambda entry, one: work(study, entry, one))
    await run.completed()
    await provoke(study)
    visits = run.visits()
    await run.review.reject(worker=visits["worker_name"].iloc[0], message=MESSAGE)
    await run.review.approve(bonus=0.2, message="Thank you.")
    look(study, "reviewed", run, operator, await run.reconcile(), run.reconcile, run.review, parts.provider.make_desk())
    await run.reconcile.repair()
    assert set(run.payments()["status"]) == {"confirmed"}
    frames = (run.results(), run.units(), run.agents(), run.events(), visits, run.payments(), operator.ledger())
    look(study, "frames", *frames, run.review.decisions(), operator.ledger.totals(), mnb.budgets(operator))
    for name in EXPORTED:
        run.export(folder / name)
        read = getattr(pd, f"read_{'excel' if name.endswith('xlsx') else name.rpartition('.')[2]}")
        study.seen[name] = read(folder / name).to_csv()
    return study


def configuration(prolific: ProlificStandIn, **provider: Any) -> Any:
    task = {"task_name": "moods", "task_title": "Moods", "task_description": "Name them", "task_tags": "text"}
    pay = {"task_reward": 1.2, "currency": "GBP", "units_per_visit": 2, "maximum_bonus": 1}
    own = {"requester_name": "lab", "base_url": prolific.url, "estimated_minutes": 3, **provider}
    page = {"task_html": '<p>${text}</p> <input name="mood" required>'}
    return mnb.compose("static_html", blueprint_args=page, provider="prolific", provider_args=own, task=task | pay)


async def work(study: Study, entry_url: str, one: Participant) -> str | None:
    async with PageClient() as session:
        worker = SimulatedWorker(one.id, study.run.url, session, link=entry_url)
        shown = await worker.register()
        while shown["agent_id"]:
            await worker.submit(shown["agent_id"], {"mood": "glad"})
            shown = await worker.register()
    code: str | None = shown.get("exit", {}).get("code")
    study.given_out |= {code} if code else set()
    return code


def look(study: Study, when: str, *things: Any) -> None:
    """Note how things show themselves: in text, and in a notebook."""
    for number, thing in enumerate(things):
        where = f"{when}: {type(thing).__name__} {number}"
        study.seen[where] = f"{thing!r}\n{thing}"
        if isinstance(thing, pd.DataFrame):
            study.seen[f"{where} as a file"] = thing.to_csv()
        for name in ("_repr_html_", "_repr_mimebundle_"):
            if callable(show := getattr(thing, name, None)):
                study.seen[f"{where} {name}"] = json.dumps(show(), default=str)
    study.seen[f"{when}: the dashboard"] = json.dumps(watch(frames_of(study.run)).state(), default=str)
    study.seen[f"{when}: attention"] = "\n".join(study.run.attention)


async def provoke(study: Study) -> None:
    """Have things go wrong that may, and note what is said."""
    prolific, operator, run = study.prolific, study.operator, study.run
    rows = [{"text": "One."}, {"text": "Two."}]

    async def launch(**provider: Any) -> Any:
        return await operator.launch_task_run(configuration(prolific, **provider), rows)

    provoked: dict[str, Callable[[], Any]] = {
        "wrong token": lambda: mnb.register_prolific("a wrong token", name="other", base_url=prolific.url),
        "token not taken": lambda: mnb.register_prolific("x" * 40, name="other", base_url=prolific.url),
        "unknown filter": lambda: launch(filters={"Agee": [18, 30]}),
        "pay too low": lambda: launch(estimated_minutes=60),
        "nobody registered": lambda: launch(requester_name="nobody"),
        "no such workspace": lambda: launch(workspace="Elsewhere"),
        "short rejection": lambda: run.review.reject(message="No."),
        "over budget": lambda: operator.launch_task_run(configuration(prolific), rows, budget=0.1),
    }
    for what, act in provoked.items():
        with pytest.raises(MephistoError) as caught:
            await act()
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        study.errors[what] = "".join(told.format(chain=True))


async def test_what_is_secret_is_only_where_it_has_to_be(study: Study) -> None:
    secrets, parts = study.secrets(), parts_of(study.run)
    assert {name.partition(" ")[0] for name in secrets} == {"token", "hook", "run", "router", "events", "code"}
    assert len(study.log) > 20
    assert len(study.seen) > 60
    shown = {"the log": "\n".join(study.log), **study.seen, **study.errors}
    assert found_in(shown, secrets) == set()
    assert found_in(study.columns(), secrets) == set()
    lie = {(what, path) for path, text in study.files().items() for what, of in secrets.items() if of.encode() in text}
    run = f"runs/{study.run.task_run_id}"
    has_to = {("run secret", f"{run}/link_secret"), ("run secret", f"link_secrets/{study.run.task_run_id}/link_secret")}
    has_to |= {(name, f"{run}/router_config.json") for name in ("events key", "router token")}
    assert lie == has_to
    assert {path.stat().st_mode & 0o77 for path in parts.directory.glob("*") if path.is_file()} == {0}


async def test_ids_of_people_are_only_where_they_have_to_be(study: Study) -> None:
    people = study.people
    assert len(people) >= 4  # one of whom at least has returned the place
    shown = {"the log": "\n".join(study.log), "addresses": study.seen["addresses"], **study.errors}
    assert found_in(shown, people) == set()
    assert {where for _, where in found_in(study.columns(), people)} == {"workers.worker_name"}
    whose = ("mephisto_nb.db", *EXPORTED)  # and what the router has taken, until it is the operator's
    lie = {path for path, text in study.files().items() for id_ in people.values() if id_.encode() in text}
    assert {path for path in lie if not path.startswith(whose) and "inbox" not in path} == set()
