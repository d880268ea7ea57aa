"""From a form, or from a function that talks with people, and some rows to a task, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb.blueprints.chat import ChatBlueprint
from mephisto_nb.blueprints.form import FormBlueprint, FormSharedState
from mephisto_nb.blueprints.form.blueprint import PROBLEMS
from mephisto_nb.blueprints.form.checks import example_answer, find_problems
from mephisto_nb.blueprints.form.model import VERSION, Form
from mephisto_nb.blueprints.form.render import render_form
from mephisto_nb.blueprints.form.sources import read_form
from mephisto_nb.blueprints.form.spec import to_spec
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.task_run_settings import blueprint_args_of
from mephisto_nb.display.preview import Preview
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.launching.launch_input import naming_parameters
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.pages import page_of, row_of
from mephisto_nb.ports.task_runner import Bot
from mephisto_nb.utils.calling import known_options


@dataclass(frozen=True, repr=False)
class FormTask:
    """A form and its rows, ready to be launched: ``await operator.launch_task_run(task)``.

    On a line of its own in a notebook it shows the form as a worker will see it, filled with the first row, and what a
    row of `results()` will hold. `forms`, `config` and `shared_state` are what it is made of; ``preview(task, row=3)``
    shows another row.

    Examples
    --------
    >>> task = form_task({"fields": {"mood": {"type": "radio", "options": ["glad", "grim"]}}}, task_name="moods")
    >>> config, shared_state = task
    """

    forms: tuple[Form, ...]
    config: DictConfig
    shared_state: FormSharedState
    _blueprint: FormBlueprint

    def __repr__(self) -> str:
        name, count = self.config.mephisto.task.get("task_name"), len(self.form.fields())
        versions = f"{len(self.forms)} forms" if len(self.forms) > 1 else "a form"
        return f"<FormTask {name!r}: {versions} of {count} questions; a notebook shows it>"

    def __iter__(self) -> Iterator[Any]:
        yield self.config
        yield self.shared_state

    @property
    def form(self) -> Form:
        """The form; of several, the one of the first row."""
        return self.forms[self._first_row.get(VERSION, 1) - 1 if len(self.forms) > 1 else 0]

    @property
    def _first_row(self) -> dict[str, Any]:
        return self._blueprint.first_row()

    def example(self, answer: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the row of `results()` that an answer becomes: its ``input.NAME`` and ``answer.NAME`` columns.

        Parameters
        ----------
        answer
            Values by the names of fields. None: something is made up for each field.

        Examples
        --------
        >>> task = form_task({"fields": {"mood": "text"}}, [{"text": "Rain."}], task_name="moods")
        >>> task.example({"mood": "grim"})[["input.text", "answer.mood"]].values.tolist()
        [['Rain.', 'grim']]
        """
        data = dict(example_answer(self.form) if answer is None else answer)
        if len(self.forms) > 1:
            data[VERSION] = self.forms.index(self.form) + 1
        frame = row_of(self._blueprint, self._first_row, {}, data)
        if answer is None:
            frame[f"answer.{PROBLEMS}"] = None  # what was made up meets no pattern
        return frame

    def find_problems(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong with an answer, by the names of fields; what a worker would be told.

        Examples
        --------
        >>> task = form_task({"fields": {"age": {"type": "number", "min": 18}}}, task_name="ages")
        >>> task.find_problems({"age": 17})
        {'age': 'Please give 18 or more.'}
        """
        return find_problems(self.form, answer)

    def _repr_html_(self) -> str:
        title = self.config.mephisto.task.get("task_title")
        page = page_of(self._blueprint, self.form.title or str(title or ""), self._first_row)
        shown = Preview(page, sources=self.config.mephisto.task.preview_sources)
        row = self.example().to_html(index=False, escape=True)
        return (
            f"{shown._repr_html_()}<p>An answer to it is a row of <code>results()</code>, such as this one, which was "
            f'made up:</p><div class="mathjax_ignore tex2jax_ignore" style="overflow-x: auto">{row}</div>'
        )


@known_options
def form_task(
    form: Any,
    data: Any = None,
    *,
    instruction: str | None = None,
    sign_url: Callable[[str], str] | None = None,
    blueprint_args: Mapping[str, Any] | None = None,
    architect_args: Mapping[str, Any] | None = None,
    provider_args: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    **task: Any,
) -> FormTask:
    """Make a task of a form and rows of data.

    Parameters
    ----------
    form
        A dataclass or a pydantic model; a description, as a dictionary; a FormComposer configuration, as it was loaded
        from its JSON; the path of a file of the latter two, or of FormComposer's folder. Or a list of forms, of which
        each row names its own in the column ``form_version``, counted from 1.
    data
        What `SharedTaskState.static_task_data` takes, such as a DataFrame; ``${name}`` in the form's texts is filled
        from it. None: the rows that FormComposer's folder holds, or else a row for each form.
    instruction
        HTML above the form, in place of its own: what there is to be judged, such as ``<p>${text}</p>``.
    sign_url
        A function of an address that gives a short-lived one, called as a worker gets a row; for FormComposer's
        presigned addresses, and for the columns that ``blueprint_args={"signed_columns": [...]}`` names.
    blueprint_args, architect_args, provider_args, overrides
        Further settings, as for `compose`.
    **task
        The settings of ``mephisto.task``, such as ``task_name`` and ``task_reward``.

    Returns
    -------
    FormTask
        To be looked at, and then launched.

    Raises
    ------
    ConfigError
        Naming the part of the form that cannot be used, or the setting.
    DataFileError
        A file cannot be read, or the rows lack what the form's texts ask for.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Mood:
    ...     mood: str
    ...     sure: bool = False
    >>> rows = [{"text": "What a day!"}]
    >>> task = form_task(Mood, rows, instruction="<p>${text}</p>", task_name="moods", task_reward=0.1)
    >>> list(task.example({"mood": "glad"}))
    ['input.text', 'answer.mood', 'answer.sure', 'answer.(problems)']
    """
    read = read_form(form)
    specs = [to_spec(one) | ({} if instruction is None else {"instruction": instruction}) for one in read.forms]
    settings: dict[str, Any] = {"form": specs[0]} if len(specs) == 1 else {"forms": specs}
    settings |= {"insertions": read.insertions or None, "signed_columns": list(read.signed_columns)}
    settings |= blueprint_args or {}
    with naming_parameters("form_task(form, data, task_name=...)"):
        config = compose(
            "form",
            task=task,
            blueprint_args=settings,
            architect_args=architect_args,
            provider_args=provider_args,
            overrides=overrides,
        )
    if data is None:
        data = read.rows or ([{}] if len(specs) == 1 else [{VERSION: number + 1} for number in range(len(specs))])
    shared_state = FormSharedState(static_task_data=data, sign_url=sign_url)
    blueprint = FormBlueprint(blueprint_args_of(config), shared_state)
    blueprint.assert_task_args()
    return FormTask(blueprint.forms, config, shared_state, blueprint)


@dataclass(frozen=True, repr=False)
class ChatTask:
    """A conversation and its rows, ready to be launched: ``await operator.launch_task_run(*chat_task)``.

    On a line of its own in a notebook it shows the page as a worker will see it, with the first row and an example of
    what is said. `config` and `shared_state` are what it is made of.

    Examples
    --------
    >>> task = chat_task(data=[{"topic": "rain"}], people=2, task_name="rain")
    >>> task
    <ChatTask 'rain': conversations of 2 people; a notebook shows it>
    >>> config, shared_state = task
    """

    config: DictConfig
    shared_state: SharedTaskState
    _blueprint: ChatBlueprint

    def __repr__(self) -> str:
        people = self._blueprint.args.units_per_assignment
        who = f"of {people} people" if people > 1 else "of one person with a program"
        return f"<ChatTask {self.config.mephisto.task.get('task_name')!r}: conversations {who}; a notebook shows it>"

    def __iter__(self) -> Iterator[Any]:
        yield self.config
        yield self.shared_state

    def _repr_html_(self) -> str:
        task = self.config.mephisto.task
        title, description = str(task.get("task_title") or ""), str(task.get("task_description") or "")
        try:
            page = page_of(self._blueprint, title, 0, description)
            return Preview(page, sources=task.preview_sources)._repr_html_()
        except ConfigError:  # the rows come one by one, and none may be taken from them
            return f"<p>{escape(repr(self))}</p>"


@known_options
def chat_task(
    conversation: Callable[..., Any] | None = None,
    data: Any = None,
    *,
    people: int = 2,
    form: Any = None,
    instruction: str | None = None,
    bot: Bot | Callable[..., Any] | None = None,
    blueprint_args: Mapping[str, Any] | None = None,
    architect_args: Mapping[str, Any] | None = None,
    provider_args: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    **task: Any,
) -> ChatTask:
    """Make a task of a conversation, to be launched: ``await operator.launch_task_run(*chat_task(...))``.

    Parameters
    ----------
    conversation
        ``async def talk(data, agents)``, or ``async def talk(data, agent)`` where `people` is 1; or a `TaskRunner`.
        None: people talk freely with each other, or each with the bot.
    data
        The rows, one a conversation, as `SharedTaskState.static_task_data` takes them. None: one that is empty.
    people
        How many people a conversation has.
    form
        What each fills in at the end, as `form_task` takes it. None: a place for a comment.
    instruction
        HTML beside the conversation, with ``${name}`` of the row.
    bot
        A `Bot`, or its function.
    blueprint_args, architect_args, provider_args, overrides
        Further settings, as for `compose`; of the blueprint, those of `ChatBlueprintArgs`.
    **task
        The settings of ``mephisto.task``, such as ``task_name`` and ``task_reward``. A worker is in one conversation
        at a time, unless ``allowed_concurrent`` says otherwise.

    Returns
    -------
    ChatTask
        To be looked at, and then launched.

    Raises
    ------
    ConfigError
        Naming the setting, or the part of the form, that cannot be used.
    DataFileError
        The rows lack what the form or the instruction asks for.

    Examples
    --------
    >>> async def greet(data, agent):
    ...     await agent.observe({"text": f"Hello, what do you think of {data['topic']}?", "id": "Interviewer"})
    ...     await agent.get_live_update()
    >>> config, shared_state = chat_task(greet, [{"topic": "rain"}], people=1, task_name="rain")
    """
    settings: dict[str, Any] = {"units_per_assignment": people, **(blueprint_args or {})}
    if form is not None:
        settings["task_html"] = render_form(read_form(form).forms[0])
    if instruction is not None:
        settings["instruction_html"] = instruction
    with naming_parameters("chat_task(conversation, data, task_name=...)"):
        config = compose(
            "chat",
            task={"allowed_concurrent": 1, **task},
            blueprint_args=settings,
            architect_args=architect_args,
            provider_args=provider_args,
            overrides=overrides,
        )
    rows = [{}] if data is None else data
    shared_state = SharedTaskState(static_task_data=rows, conversation=conversation, bot=bot)
    blueprint = ChatBlueprint(blueprint_args_of(config), shared_state)
    blueprint.assert_task_args()
    return ChatTask(config, shared_state, blueprint)
