"""Calls as people make them: a forgotten await, a wrong option, an interrupt, and what objects say of themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from omegaconf.errors import ConfigAttributeError

import mephisto_nb as mnb
from mephisto_nb.errors import ConfigError, NotAwaitedError, UnknownNameError, UnknownOptionError
from mephisto_nb.utils.calling import awaited, brief, face, known_options, quiet_interrupts


@face
class Kettle:
    async def boil(self, degrees: int = 100) -> int:
        await asyncio.sleep(0)
        return degrees

    async def whistle(self) -> None:
        await asyncio.Event().wait()

    def _what_goes_on(self) -> str:
        return "The water gets hot."


@pytest.mark.parametrize(
    "ask",
    [lambda it: it.results(), lambda it: it["answer"], list, len],
    ids=["attribute", "item", "iteration", "length"],
)
async def test_what_is_asked_of_a_forgotten_await_is_its_mend(ask: Any) -> None:
    forgotten = Kettle().boil()
    with pytest.raises(NotAwaitedError, match=r"`await` is missing.*Write: await kettle\.boil"):
        ask(forgotten)
    assert await forgotten == 100


async def test_a_forgotten_await_shows_and_warns_of_itself() -> None:
    forgotten = Kettle().boil()
    assert "Write: await kettle.boil(...)" in repr(forgotten)
    assert not hasattr(forgotten, "_repr_html_")
    with pytest.warns(RuntimeWarning, match=r"`await` is missing: kettle\.boil"):
        del forgotten


async def test_an_event_loop_takes_it_as_any_coroutine() -> None:
    kettle = Kettle()
    assert await asyncio.gather(kettle.boil(1), asyncio.create_task(kettle.boil(2))) == [1, 2]
    assert await asyncio.wait_for(kettle.boil(3), 5) == 3
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(kettle.whistle(), 0.01)
    kettle.boil().close()


def test_a_script_runs_it_to_its_end() -> None:
    assert mnb.run_sync(Kettle().boil()) == 100
    assert asyncio.run(Kettle().boil(7)) == 7


@awaited
async def pour(kettle: Kettle) -> None:
    await kettle.whistle()


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (lambda: Kettle().whistle(), "whistle() is not waited for any more"),
        (lambda: pour(Kettle()), "pour() has stopped"),
    ],
    ids=["a method, whose work goes on", "a function, which works itself"],
)
async def test_an_interrupt_says_what_goes_on_and_shows_no_frames(begin: Any, words: str) -> None:
    task = asyncio.create_task(begin())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    shown = caught.value._render_traceback_()  # type: ignore[attr-defined]
    assert shown == [f"Interrupted: {words}. The water gets hot."]


def test_a_keyboard_interrupt_of_a_plain_call_is_quiet_too() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, quiet_interrupts("Kettle.export"):
        raise KeyboardInterrupt
    assert caught.value._render_traceback_() == ["Interrupted: export() is not waited for any more."]  # type: ignore


def test_a_name_that_there_is_not_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Kettle has no 'bowl'\. Did you mean 'boil'\? It has: ") as caught:
        _ = Kettle().bowl  # type: ignore[attr-defined]
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(Kettle(), "_ipython_canary")


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: mnb.compose("static_html", blueprnt_args={}), "blueprint_args"),
        (lambda: mnb.SharedTaskState(static_task_dat=[]), "static_task_data"),  # type: ignore[call-arg]
        (lambda: mnb.Operator(datadir="x"), "data_dir"),  # type: ignore[call-arg]
        (lambda: mnb.preview({}, rows=3), "row"),  # type: ignore[call-arg]
        (lambda: Kettle().boil(degree=3), "degrees"),  # type: ignore[call-arg]
    ],
    ids=["compose", "SharedTaskState", "Operator", "preview", "a coroutine"],
)
def test_a_wrong_option_names_the_nearest(call: Any, near: str) -> None:
    with pytest.raises(UnknownOptionError, match=f"has no option .* Did you mean '{near}'"):
        call()


def test_an_option_near_to_none_is_answered_with_all() -> None:
    @known_options
    def pour(cups: int) -> int:
        return cups

    with pytest.raises(UnknownOptionError, match=r"pour\(\) has no option 'zzz'\. It has: cups\."):
        pour(zzz=1)
    assert pour(cups=2) == 2


def test_an_error_shows_the_mend_first_and_the_readers_line() -> None:
    with pytest.raises(ConfigError) as caught:
        mnb.compose("static_html", blueprint_args={"task_htm": "x"})  # the reader's line
    first, line, fold = caught.value._render_traceback_()
    assert "Did you mean 'mephisto.blueprint.task_html'?" in first
    assert "the reader's line" in line
    assert "folded" in fold
    assert "mephisto_nb/config" not in "".join((first, line, fold))


def test_an_error_shows_what_of_the_reader_it_comes_from() -> None:
    def call() -> None:
        try:
            raise ValueError("own mistake")
        except ValueError as error:
            raise ConfigError("your function failed") from error

    with pytest.raises(ConfigError) as caught:
        call()
    shown = "\n".join(caught.value._render_traceback_())
    assert shown.index("your function failed") < shown.index("own mistake")
    assert 'raise ValueError("own mistake")' in shown


@awaited
async def answer() -> int:
    return 42


async def test_a_coroutine_of_a_module_is_named_by_itself() -> None:
    assert repr(forgotten := answer()).endswith("Write: await answer(...)")
    assert await forgotten == 42


def test_dir_and_repr_of_a_face_are_what_can_be_typed() -> None:
    assert dir(Kettle()) == ["boil", "whistle"]
    assert repr(Kettle()) == "<Kettle: boil, whistle>"
    assert [name for name in dir(mnb.TaskRun) if name == "results"]


def test_a_dataclass_with_much_in_it_says_how_much() -> None:
    @brief
    @dataclass
    class Heap:
        rows: list[int] = field(default_factory=list)
        name: str = ""

    assert repr(Heap(list(range(10_000)), "x" * 500)).startswith("Heap(rows=<list of 10,000>, name='xxx")
    assert len(repr(Heap(name="x" * 500))) < 100
    assert repr(Heap()) == "Heap()"
    state = mnb.SharedTaskState(static_task_data=[{"n": n} for n in range(10_000)], on_unit_submitted=print)
    assert repr(state) == "SharedTaskState(static_task_data=<list of 10,000>, on_unit_submitted=print)"


def test_a_key_that_a_configuration_lacks_names_the_nearest() -> None:
    config = mnb.compose("static_html", task={"task_name": "moods"}, config={"mephisto": {}})
    with pytest.raises(ConfigAttributeError) as caught:
        config.mephisto.task.task_rewardd = 3
    shown = caught.value._render_traceback_()
    assert "Did you mean 'task_reward'?" in shown[0]
    assert "config.mephisto.task.task_rewardd = 3" in shown[1]
    assert "omegaconf/" not in "".join(shown)
