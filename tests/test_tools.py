"""What the tests themselves lean on."""

from __future__ import annotations

import socket
import subprocess

import pytest

from tests.router_forks import ForkedRouter


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
