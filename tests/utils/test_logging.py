"""Logging is quiet unless asked, and harmless whatever workers write."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.utils.logging import ROOT, get_logger, neutralise, set_mephisto_log_level, tell, warn_once


@pytest.fixture(autouse=True)
def package_logger() -> Iterator[logging.Logger]:
    """The package's logger, left as it was found."""
    logger = logging.getLogger(ROOT)
    level, handlers = logger.level, list(logger.handlers)
    yield logger
    logger.setLevel(level)
    logger.handlers[:] = handlers


def test_worker_text_can_neither_steer_a_terminal_nor_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    get_logger(__name__).warning("worker wrote: %s", "\x1b]0;owned\x07\nERROR all is lost\u202e")
    assert caplog.messages == [r"worker wrote: \x1b]0;owned\x07\nERROR all is lost\u202e"]


def test_a_traceback_is_neutralised_and_keeps_its_lines(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("bad: \x1b[31m")
    except ValueError:
        get_logger(__name__).exception("failed")
    assert r"ValueError: bad: \x1b[31m" in caplog.text
    assert "\x1b" not in caplog.text
    assert "Traceback (most recent call last):\n" in caplog.text


def test_text_of_any_language_stays_as_it_is() -> None:
    assert neutralise("größe 日本 🙂 مرحبا") == "größe 日本 🙂 مرحبا"


def test_loggers_hang_below_the_package() -> None:
    assert get_logger("mephisto_nb.operations").name == "mephisto_nb.operations"
    assert get_logger("my_task").name == "mephisto_nb.my_task"


def test_asking_for_a_level_shows_it_once_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest has some of its own
    set_mephisto_log_level("info")
    set_mephisto_log_level("INFO")
    get_logger("task").info("launched")
    get_logger("task").debug("detail")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("INFO mephisto_nb.task: launched")


def test_where_logging_is_configured_our_handler_keeps_still(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    set_mephisto_log_level("info")
    get_logger("task").info("launched")
    assert (capsys.readouterr().err, caplog.messages) == ("", ["launched"])


def test_the_root_logger_is_left_alone() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    set_mephisto_log_level("debug")
    assert (root.level, root.handlers) == before


def test_an_unknown_level_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"no log level 'loud'\. There are: debug, info"):
        set_mephisto_log_level("loud")


def test_a_warning_is_given_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        warn_once(get_logger(__name__), "given once")
    assert caplog.messages == ["given once"]


def test_who_fails_on_what_is_told_keeps_nobody_from_hearing_it(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def fail(what: str) -> None:
        raise ValueError(what)

    tell([fail, heard.append], "news")
    assert (heard, "ValueError: news" in caplog.text) == (["news"], True)
