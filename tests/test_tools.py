"""What the tests themselves lean on."""

from __future__ import annotations

import ast
import socket
import subprocess
from typing import Any

import pytest

from tests.kinds import Kinds
from tests.router_forks import ForkedRouter
from tests.source_tree import assignments


def test_a_fork_can_be_waited_for_again_after_a_time_out() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"123\n")
    fork = ForkedRouter(ours)
    for _ in range(2):
        with pytest.raises(subprocess.TimeoutExpired):
            fork.wait(timeout=0.001)
    theirs.sendall(b"256\n")
    assert (fork.pid, fork.wait(timeout=5)) == (123, 1)
    theirs.close()


def test_a_fork_that_ended_at_once_is_known_to_have_ended() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"123\n0\n")
    assert ForkedRouter(ours).wait(timeout=5) == 0
    theirs.close()


class Item:
    """A quick test, as far as it is watched."""

    def get_closest_marker(self, name: str) -> bool:
        return name == "quick"


@pytest.mark.parametrize("watch", [Kinds.pytest_runtest_setup, Kinds.pytest_runtest_call])
def test_a_quick_test_may_start_nothing_nor_may_its_fixtures(watch: Any) -> None:
    kinds = Kinds()
    watched = watch(kinds, Item())
    next(watched)
    with pytest.raises(RuntimeError, match="_STARTERS"):
        kinds._audit("socket.bind", ())
    with pytest.raises(pytest.fail.Exception, match="not quick: socket"):
        watched.send(None)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("a, self.b = 1, x", [("a", "1"), ("self.b", "x")]),
        ("a, *b = c", [("a", None), ("b", None)]),
        ("a: int = 2", [("a", "2")]),
        ("a += 1", [("a", None)]),
        ("print(a)", []),
    ],
)
def test_all_that_a_statement_assigns_is_found(statement: str, expected: list[Any]) -> None:
    found = assignments(ast.parse(statement).body[0])
    assert [(ast.unparse(target), value and ast.unparse(value)) for target, value in found] == expected
