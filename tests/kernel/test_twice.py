"""A page that did not hear that something had come sends it again; the run knows of it once."""

from __future__ import annotations

from mephisto_nb.operator import Operator
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.kernel.runs import launch, rows

TIP = {"type": "tips", "tips": [{"header": "h", "text": "t"}]}


async def test_every_step_of_a_worker_taken_twice_counts_once(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    who = {"worker_name": "ann", "agent_registration_id": "page-ann", "provider_type": "link"}
    async with PageClient() as session:
        ann = SimulatedWorker("ann", run.url, session)
        first, second = [await ann.post("/request_agent", {"provider_data": who}) for _ in range(2)]
        agent = first["data"]["agent_id"]
        assert second["data"]["agent_id"] == agent
        for _ in range(2):
            await ann.post("/submit_metadata", {"USED_AGENT_ID": agent, "metadata": TIP})
            await ann.post("/log_error", {"USED_AGENT_ID": agent, "error_data": {"message": "odd"}})
        for _ in range(2):
            await ann.post("/submit_task", {"USED_AGENT_ID": agent, "final_data": {"mood": "calm"}})
    await run.completed()
    assert (len(run.agents()), len(run.results()), len(run.metadata())) == (1, 1, 1)
    assert run.results()["answer.mood"].tolist() == ["calm"]
