"""From a function and some rows to a conversation, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from omegaconf import DictConfig

from mephisto_nb.blueprints.chat import ChatBlueprint, ChatBlueprintArgs
from mephisto_nb.blueprints.form.render import render_form
from mephisto_nb.blueprints.form.sources import read_form
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.display.preview import Preview
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.launch.plan import naming_parameters
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.pages.unit_page import page_of
from mephisto_nb.ports.bot import Bot


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
            return Preview(page_of(self._blueprint, title, 0, description))._repr_html_()
        except ConfigError:  # the rows come one by one, and none may be taken from them
            return f"<p>{escape(repr(self))}</p>"


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
    blueprint = ChatBlueprint(ChatBlueprintArgs(**settings), shared_state)
    blueprint.assert_task_args()
    return ChatTask(config, shared_state, blueprint)
