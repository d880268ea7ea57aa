"""The settings of a chat."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mephisto_nb.blueprints.static_html import StaticHTMLBlueprintArgs
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.partner_rules import PartnerRules, WhenLeft, WhenWaited
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.bot import Bot
from mephisto_nb.rules.gates.table import unit_gates

#: What is asked at the end where nothing else is.
DEFAULT_FORM = (
    '<label for="comment">Is there anything else that we should know? (You may leave this empty.)</label>\n'
    '<textarea id="comment" name="comment"></textarea>'
)


@dataclass(slots=True)
class ChatBlueprintArgs(StaticHTMLBlueprintArgs):
    """Who talks with whom, and what holds when somebody waits or leaves. Durations are in seconds, money in US dollars.

    `task_html` or `task_source` is the form that each fills in at the end; all other settings of a static_html task
    that are not named here are as there.

    Parameters
    ----------
    units_per_assignment
        How many people a conversation has. 1: each talks with the task's code, or with `SharedTaskState.bot`.
    instruction_html, instruction_source
        HTML beside the conversation, with ``${field}`` of the row: the text itself, or a file.
    names
        What people are called, by seat. None: Person 1, Person 2 ...
    take_turns
        Whether people write only when it is their turn: when the task's code waits for them.
    num_turns
        Without code of your own, how often each says something. 0: until all say that they are done.
    talk_seconds
        Without code of your own, after how long the conversation is over. 0: never.
    waiting_room_timeout
        How long somebody waits for the others at most.
    when_waited
        What then happens: ``send_home``, ``pay`` (sent home, and owed `waiting_pay`), ``bot`` (`SharedTaskState.bot`
        takes the empty seats) or ``fewer`` (those begin who are there, if they are `minimum_agents`).
    minimum_agents
        How many are enough for ``fewer``.
    waiting_pay
        What those are owed who have waited in vain, once a run.
    when_left
        What happens when somebody leaves in the middle: ``end`` (the others may send the form, and are paid),
        ``continue``, ``bot`` (goes on in that seat) or ``requeue`` (the others wait for somebody else, and begin anew).
    absence
        Whose page is gone for so long has left. A reload or a short break of the connection is no leaving.
    custom_source_bundle
        A page of your own instead of ours: a bundle of the npm package ``bootstrap-chat``, as in Mephisto 1.x.
    custom_source_dir
        A folder that is copied beside that bundle.
    num_conversations
        How many conversations there are, where no data is given.
    context_csv, context_jsonl
        Mephisto 1.x's names for `data_csv` and `data_jsonl`.
    task_description_file
        Mephisto 1.x's name for `instruction_source`.
    chat_title
        What stands above the conversation. None: the task's title.
    world_file
        Known to Mephisto 1.x and refused when set: ParlAI's worlds become an ``async def`` here.
    code
        The name of the task's code, which is noted by itself.
    """

    _blueprint_type: str = "chat"
    units_per_assignment: int = 2
    instruction_html: str | None = None
    instruction_source: str | None = None
    names: list[str] = field(default_factory=list)
    take_turns: bool = False
    num_turns: int = 0
    talk_seconds: float = 0.0
    waiting_room_timeout: float = 300.0
    when_waited: str = "send_home"
    minimum_agents: int = 2
    waiting_pay: float = 0.0
    when_left: str = "end"
    absence: float = 120.0
    custom_source_bundle: str | None = None
    custom_source_dir: str | None = None
    num_conversations: int | None = None
    context_csv: str | None = None
    context_jsonl: str | None = None
    task_description_file: str | None = None
    chat_title: str | None = None
    world_file: str | None = None
    code: str | None = None


_WORLD = (
    "mephisto.blueprint.world_file is {0!r}, but ParlAI's worlds are not run here. Turn the world into a function, and "
    "hand it over as SharedTaskState(conversation=...): `async def talk(data, agents)`, where `agent.act()` becomes "
    "`await agent.get_live_update()`, `agent.observe(act)` becomes `await agent.observe(act)`, `parley` is a turn "
    "of its loop, and its end is `episode_done`. Remove the key."
)


def with_own_names(args: ChatBlueprintArgs) -> None:
    """Understand the names that Mephisto 1.x has for our settings, and fill in what has a default."""
    for old, new in (
        ("context_csv", "data_csv"),
        ("context_jsonl", "data_jsonl"),
        ("task_description_file", "instruction_source"),
    ):
        if given(getattr(args, old)) and not given(getattr(args, new)):
            setattr(args, new, getattr(args, old))
    if not given(args.task_html) and not given(args.task_source):
        args.task_html = DEFAULT_FORM


def partner_rules(args: ChatBlueprintArgs) -> PartnerRules:
    """Give the rules of the waiting room, and of leaving."""
    return PartnerRules(
        waiting_timeout=args.waiting_room_timeout,
        when_waited=WhenWaited(args.when_waited),
        minimum=args.minimum_agents,
        waiting_pay=args.waiting_pay,
        when_left=WhenLeft(args.when_left),
    )


def check_chat_args(args: ChatBlueprintArgs, shared_state: SharedTaskState) -> None:
    """Raise `ConfigError` for settings of a conversation that cannot work."""
    if given(args.world_file):
        raise ConfigError(_WORLD.format(args.world_file))
    _check_gates(args, shared_state)
    if given(args.instruction_html) and given(args.instruction_source):
        raise ConfigError("mephisto.blueprint.instruction_html and instruction_source are both set. Remove one.")
    for key, choices in (("when_waited", WhenWaited), ("when_left", WhenLeft)):
        value = getattr(args, key)
        if value not in list(choices):
            raise ConfigError(f"mephisto.blueprint.{key} is {value!r}. It may be: {', '.join(choices)}.")
        if value == "bot" and shared_state.bot is None:
            raise ConfigError(
                f"mephisto.blueprint.{key} is 'bot', but there is none. Hand one over: "
                "SharedTaskState(bot=mnb.Bot(reply))."
            )
    if shared_state.bot is not None and not callable(Bot.of(shared_state.bot).reply):
        raise ConfigError(
            f"SharedTaskState.bot is {shared_state.bot!r}, which cannot be called. Give mnb.Bot(reply), or a function."
        )
    _check_numbers(args)
    if given(args.custom_source_bundle) and not Path(args.custom_source_bundle or "").expanduser().is_file():
        raise ConfigError(
            f"mephisto.blueprint.custom_source_bundle is {args.custom_source_bundle!r}, which is no file. "
            "Build it first."
        )


def _check_gates(args: ChatBlueprintArgs, shared_state: SharedTaskState) -> None:
    for gate in unit_gates():  # their rows have right answers, which conversations cannot have
        key = gate.USE
        is_wanted = getattr(args, key, None)
        rows = [f"SharedTaskState.{name}" for name in gate.given(shared_state)]
        if is_wanted or (is_wanted is None and rows):
            what = " and ".join([f"mephisto.blueprint.{key}"] * bool(is_wanted) + rows)
            raise ConfigError(
                f"{what} is set, but a conversation has no right answer that is known beforehand. Remove it. Newcomers "
                "may go through an introduction instead (mephisto.blueprint.onboarding_qualification), and what they "
                "write in the form at the end can be held against the row (mephisto.blueprint.attention_checks)."
            )


#: The least that each may be.
_LEAST = {"waiting_room_timeout": 1, "absence": 30, "waiting_pay": 0, "num_turns": 0, "talk_seconds": 0}


def _check_numbers(args: ChatBlueprintArgs) -> None:
    for key, least in _LEAST.items():
        if not getattr(args, key) >= least:
            raise ConfigError(f"mephisto.blueprint.{key} is {getattr(args, key)!r}. Give {least} or more.")
    if args.when_waited == "pay" and not args.waiting_pay > 0:
        raise ConfigError(
            "mephisto.blueprint.when_waited is 'pay', but waiting_pay is 0. Set waiting_pay to what waiting is worth."
        )
    if args.when_waited == "fewer" and not 1 <= args.minimum_agents <= args.units_per_assignment:
        raise ConfigError(
            f"mephisto.blueprint.minimum_agents is {args.minimum_agents!r}, but a conversation has "
            f"{args.units_per_assignment} people. Give a number from 1 to that."
        )
    if args.names and len(args.names) < args.units_per_assignment:
        raise ConfigError(
            f"mephisto.blueprint.names has {len(args.names)} names, but a conversation has {args.units_per_assignment} "
            "people. Give each a name, or leave the key out."
        )
