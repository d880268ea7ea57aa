"""A crowd that is told by us: the call itself, against a server of this computer; and secrets that settings name."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.model.outcomes import Outcome, VisitEnd
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.named_secrets import find_secret
from mephisto_nb.providers.external import ExitArgs, ExternalProvider, ExternalProviderArgs
from mephisto_nb.providers.external.calls import ask

pytestmark = pytest.mark.slow


class Crowd:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.answers: Callable[[str], tuple[int, dict[str, str], str]] = lambda path: (200, {}, "<granted/>")
        self.may_answer = threading.Event()
        self.may_answer.set()
        crowd = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                crowd.asked.append((self.command, self.path, self.rfile.read(size).decode()))
                crowd.may_answer.wait(30)
                status, headers, body = crowd.answers(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    yield made
    made.may_answer.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEPHISTO_SECRET_SONA", "c0f/fee&")
    monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "config.yml"))


def provider(call: str, **more: Any) -> ExternalProvider:
    way = ExitArgs(call=call, **more)
    args = ExternalProviderArgs(participant_parameter="id", secrets={"token": "sona"}, completed=way)
    return ExternalProvider(args)


async def finish(crowd: ExternalProvider, outcome: Outcome = Outcome.COMPLETED, who: str = "47 11") -> None:
    assert crowd.exits is not None
    await crowd.exits.finish(VisitEnd("v", who, "r", outcome))


async def test_the_crowd_is_told_of_success_and_of_nothing_else(crowd: Crowd) -> None:
    made = provider(f"{crowd.url}/credit?t={{token}}&p={{participant}}")
    assert made.exits is not None
    assert made.exits.TELLS_CROWD is True
    for outcome in Outcome:
        await finish(made, outcome)
    await finish(made)  # once more, after a kernel has died
    assert crowd.asked == [("GET", "/credit?t=c0f%2Ffee%26&p=47%2011", "")] * 2


async def test_a_post_sends_a_form(crowd: Crowd) -> None:
    await finish(provider(f"{crowd.url}/credit", call_method="POST", call_body="t={token}&p={participant}"))
    assert crowd.asked == [("POST", "/credit", "t=c0f%2Ffee%26&p=47%2011")]


FAILURES: dict[str, tuple[tuple[int, dict[str, str], str], str]] = {
    "refused": ((403, {}, "no"), "answered with 403"),
    "broken": ((500, {}, "no"), "answered with 500"),
    "no credit": ((200, {}, "<error/>"), "not with 'granted'"),
    "sent on": ((302, {"Location": "http://elsewhere.invalid/"}, ""), "sends the call on to elsewhere.invalid"),
    "sent to a file": ((302, {"Location": "file:///etc/passwd"}, ""), "answered with 302"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_the_crowd_does_not_grant_is_told_without_the_secret(
    crowd: Crowd, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, why = FAILURES[name]
    crowd.answers = lambda path: answer
    caplog.set_level(logging.DEBUG)
    with pytest.raises(WorldError, match=why) as caught:
        await finish(provider(f"{crowd.url}/c?t={{token}}", call_expects="granted"))
    assert caught.value.__cause__ is None
    assert "c0f" not in f"{caught.value} {caplog.text}"


async def test_a_redirect_on_the_same_host_is_followed(crowd: Crowd) -> None:
    crowd.answers = lambda path: (302, {"Location": "/there"}, "") if path == "/here" else (200, {}, "yes")
    await ask(f"{crowd.url}/here", expects="yes")
    assert [path for _, path, _ in crowd.asked] == ["/here", "/there"]


async def test_who_does_not_answer_is_not_waited_for(crowd: Crowd) -> None:
    crowd.may_answer.clear()
    with pytest.raises(WorldError, match=r"has not answered for 0.05 seconds|cannot be asked"):
        await ask(crowd.url, seconds=0.05)


async def test_who_is_not_there_is_told(crowd: Crowd) -> None:
    crowd.server.server_close()
    with pytest.raises(WorldError, match=r"127.0.0.1:\d+ cannot be asked"):
        await ask("http://127.0.0.1:9/x?secret=c0ffee", seconds=5)


# -- secrets that settings name ------------------------------------------------------------------------------


def test_a_secret_is_found_in_the_environment_or_in_the_own_file(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("secrets:\n  panel: from the file\n  number: 4711\n  sona: other\n")
    assert find_secret("panel", "x").reveal() == "from the file"
    assert find_secret("number", "x").reveal() == "4711"
    assert find_secret("sona", "x").reveal() == "c0f/fee&"


@pytest.mark.parametrize("name", ["nobody", "PATH", "HOME", "", "a b", "../x", "0c0ffee", "x" * 41, "é"])
def test_a_name_without_a_secret_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is none under|no name of a secret"):
        find_secret(name, "mephisto.provider.code_secret")


@pytest.mark.parametrize("pasted", ["a7f3c0ffee1b2c3d4e5f", "sk-live-123456", "c0ffee" * 20])
def test_a_secret_that_was_pasted_is_not_repeated(pasted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_secret(pasted, "mephisto.provider.code_secret")
    assert pasted not in str(caught.value)
    assert "add_config_arg('secrets', 'NAME'" in str(caught.value)


def test_a_broken_file_is_told_without_its_lines(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("secrets:\n  panel: [between us\n")
    with pytest.raises(ConfigError, match="is no valid YAML") as caught:
        find_secret("panel", "x")
    assert "between us" not in f"{caught.value} {caught.value.__cause__}"


def test_a_launch_without_its_secret_is_refused_before_anything() -> None:
    plain = TaskRunArgs(task_name="t", task_title="T", task_description="D", task_reward=0.1)
    made = ExternalProvider(ExternalProviderArgs(participant_parameter="id", secrets={"token": "nobody"}))
    with pytest.raises(ConfigError, match=r"mephisto.provider.secrets.token names a secret.*'nobody'"):
        made.assert_task_args(plain)
    provider("https://a.org").assert_task_args(plain)
