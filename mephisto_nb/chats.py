"""From a function and some rows to a conversation, in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from mephisto_nb.abstractions.bot import Bot
from mephisto_nb.blueprints.chat import ChatBlueprint, ChatBlueprintArgs
from mephisto_nb.blueprints.form.render import render_form
from mephisto_nb.blueprints.form.sources import read_form
from mephisto_nb.data_model.shared_state import SharedTaskState
from mephisto_nb.operations.handed_over import naming_parameters
from mephisto_nb.operations.hydra_config import compose


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
) -> tuple[DictConfig, SharedTaskState]:
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
    ChatBlueprint(ChatBlueprintArgs(**settings), shared_state).assert_task_args()
    return config, shared_state
