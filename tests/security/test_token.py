"""Without the run's token nobody is the operator, and the token stands nowhere but in its own file."""

import ast
import hmac
import json
import os
import stat
from pathlib import Path

import pytest

from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import LinkRefusedError
from mephisto_nb.utils import proofs
from mephisto_nb.utils.proofs import Secret
from tests.inside import frames_of, parts_of
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.conftest import operator as real_operator
from tests.kernel.runs import crowd_of, launch, router_pid, rows, take
from tests.router.harness import TOKEN
from tests.security.test_fuzz import SCHEMA
from tests.source_tree import package

__all__ = ["data_dir", "make_operator", "real_operator"]


def texts_below(directory):
    """Return all files of a directory, but for the one that the token belongs into."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != "router_config.json")
    return {str(path): path.read_bytes() for path in files}


async def refusal_of_a_wrong_token(run):
    channel = WebSocketChannel(run.url, run.task_run_id, Secret("x" * 64))
    with pytest.raises(LinkRefusedError) as refused:
        await channel.connect(0)
    return str(refused.value), repr(channel)


async def test_the_token_stands_nowhere_but_in_its_file(real_operator, data_dir, caplog):
    caplog.set_level("DEBUG")
    run = await launch(real_operator, rows(2))
    config = parts_of(run).directory / "router_config.json"
    token = json.loads(config.read_text())["token"]
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"mood": "calm"})
    process = Path(f"/proc/{router_pid(run)}")
    places = {
        "displays": str([repr(run), repr(real_operator), run._repr_mimebundle_(), real_operator._repr_mimebundle_()])
        if hasattr(run, "_repr_mimebundle_")
        else repr(run),
        "objects": str(
            [
                parts_of(run),
                vars(parts_of(run).architect),
                parts_of(run).architect.get_channel(),
                frames_of(run).task_run,
            ]
        ),
        "addresses": run.url + run.get_worker_url("ann"),
        "frames": str([run.units().to_csv(), run.agents().to_csv(), run.events().to_csv(), run.results().to_csv()]),
        "processes": str([process.joinpath(name).read_bytes() for name in ("cmdline", "environ")]),
        "kernel's log": caplog.text,
        "errors": str(await refusal_of_a_wrong_token(run)),
    } | texts_below(data_dir)
    assert [place for place, text in places.items() if token in str(text)] == []
    assert stat.S_IMODE(os.stat(config).st_mode) == 0o600


def test_secrets_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or False)
    assert not proofs.matches("secret", "guess")
    assert compared == [(b"secret", b"guess")]


def test_no_code_compares_a_token_or_a_proof_by_itself():
    words = {"token", "proof", "expected", "secret"}
    compares = ((m, node) for m in package() if not m.is_testing for node in m.nodes if isinstance(node, ast.Compare))
    sides = ((m, node, side) for m, node in compares for side in (node.left, *node.comparators))
    assert [m.at(node) for m, node, side in sides if isinstance(side, ast.Name | ast.Attribute)
            and ast.unparse(side).rpartition(".")[2] in words] == []  # fmt: skip


ALMOST = ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"bearer  {TOKEN}"]


@pytest.mark.parametrize("header", [*ALMOST, TOKEN, "Bearer \xff"])
async def test_no_file_is_downloaded_without_exactly_the_token(browser, router, header):
    (router.directory / "files" / ("ab" * 16)).write_bytes(b"a worker's photo")
    answer = await browser.get(f"/download_file/{'ab' * 16}", headers={"Authorization": header})
    assert answer.status == 404
    assert "photo" not in await answer.text()


async def test_no_route_tells_a_stranger_what_workers_sent(browser, operator):
    agent = await operator.give_agent(worker_id="worker-of-ann")
    await browser.submit(agent, mood="secretly calm")
    pages = [await browser.get(path) for path, methods in SCHEMA["paths"].items() if "get" in methods]
    told = " ".join([await page.text() for page in pages])
    assert [word for word in ("secretly", "worker-of-ann", agent) if word in told] == []


async def test_no_answer_that_is_refused_repeats_an_agent_to_another(browser, operator):
    mine, yours = await operator.give_agent(), await operator.give_agent()
    _, refused = await browser.submit(mine + "x")
    assert yours not in str(refused)
