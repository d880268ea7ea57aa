"""What is particular to a conversation: its settings, and who speaks when.

`ChatRunner` is the code that runs beside the pages: the researcher's own function, or people and programs who talk
freely or in turns. `ChatBlueprintArgs` is checked here too, before a launch.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprintArgs
from mephisto_nb.blueprints.static_html.args import check_sources, given, remark
from mephisto_nb.blueprints.static_html.bundles import check_eval
from mephisto_nb.blueprints.static_html.extra_files import list_files
from mephisto_nb.errors import ConfigError, PartnerLeftError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.task_run_args import PartnerRules, WhenLeft, WhenWaited
from mephisto_nb.ports.task_runner import Bot, LiveAgent, LiveAgents, TaskRunner, Turn
from mephisto_nb.rules.gates.table import unit_gates
from mephisto_nb.utils.foreign import as_path, named_file

#: What is asked at the end where nothing else is.
DEFAULT_FORM = (
    '<label for="comment">Is there anything else that we should know? (You may leave this empty.)</label>\n'
    '<textarea id="comment" name="comment"></textarea>'
)


@dataclass(slots=True)
class ChatBlueprintArgs(StaticHTMLBlueprintArgs):
    """Who talks with whom, and what holds when somebody waits or leaves. Durations are in seconds.

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
        What those are owed who have waited in vain, once a run, in the run's currency (``mephisto.task.currency``).
    when_left
        What happens when somebody leaves in the middle: ``end`` (the others may send the form, and are paid),
        ``continue``, ``bot`` (goes on in that seat) or ``requeue`` (the others wait for somebody else, and begin anew).
    absence
        Whose page is gone for so long has left. A reload or a short break of the connection is no leaving.
    custom_source_bundle
        A page of your own instead of ours: a bundle of the npm package ``bootstrap-chat``, as in Mephisto 1.x.
    custom_source_dir
        A folder that is copied beside that bundle. (Mephisto 1.x builds what lies there; here it is built beforehand.)
    allow_eval, allow_inline_styles, extra_sources
        What that bundle may do, as in a static_react_task: run text as code (None: if it was built for development),
        add styles, and load from other sites.
    num_conversations
        How many conversations there are, where no data is given.
    context_csv, context_jsonl
        Mephisto 1.x's names for `data_csv` and `data_jsonl`.
    task_description_file
        Mephisto 1.x's name for `instruction_source`.
    chat_title
        What stands above the conversation. None: the task's title.
    world_file
        Known to Mephisto 1.x: ParlAI's worlds become an ``async def`` here. Refused where none is handed over.
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
    allow_eval: bool | None = None
    allow_inline_styles: bool = True
    extra_sources: list[str] = field(default_factory=list)
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
    "of its loop, and its end is `episode_done`."
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
    """Return the rules of the waiting room, and of leaving."""
    return PartnerRules(
        waiting_timeout=args.waiting_room_timeout,
        when_waited=WhenWaited(args.when_waited),
        minimum=args.minimum_agents,
        waiting_pay=args.waiting_pay,
        when_left=WhenLeft(args.when_left),
    )


def check_chat_args(args: ChatBlueprintArgs, shared_state: SharedTaskState) -> None:
    """Raise `ConfigError` for settings of a conversation that cannot work."""
    if given(args.world_file) and shared_state.conversation is None:
        raise ConfigError(_WORLD.format(args.world_file))
    if given(args.world_file):
        remark(f"mephisto.blueprint.world_file is {args.world_file!r}, whose place SharedTaskState.conversation takes.")
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
    _check_bundle(args)


def _check_bundle(args: ChatBlueprintArgs) -> None:
    what = "mephisto.blueprint.custom_source_dir"
    folder = as_path(args.custom_source_dir or "", what) if given(args.custom_source_dir) else None
    if folder is not None and not folder.is_dir():
        raise ConfigError(
            f"mephisto.blueprint.custom_source_dir is {args.custom_source_dir!r}, which is not a folder (looked for "
            f"{folder.absolute()}). Correct the path."
        )
    if not given(args.custom_source_bundle):
        if folder is not None:
            raise ConfigError(
                f"mephisto.blueprint.custom_source_dir is {args.custom_source_dir!r}, whose sources are not built "
                "here. Build them with the package bootstrap-chat, and set custom_source_bundle to the bundle."
            )
        return
    bundle = named_file(args.custom_source_bundle or "", "mephisto.blueprint.custom_source_bundle")
    if not bundle.is_file():
        raise ConfigError(
            f"mephisto.blueprint.custom_source_bundle is {args.custom_source_bundle!r}, which is no file. "
            "Build it first."
        )
    if folder is not None:
        list_files(str(folder), setting="custom_source_dir")  # refuses what it must not publish, before a launch
    check_sources(args.extra_sources, "extra_sources")
    check_eval(args, bundle, "custom_source_bundle")


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


_YOUR_TURN: JSONObject = {"task_data": {"live_update_requested": True}}


class TurnTaker:
    """Somebody who is told that it is their turn whenever the code waits for them."""

    def __init__(self, agent: LiveAgent) -> None:
        self.agent = agent

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self.agent.agent_id

    @property
    def name(self) -> str:
        """What the others call this one."""
        return self.agent.name

    @property
    def data(self) -> JSONObject:
        """What this one's page was given to work on."""
        return self.agent.data

    @property
    def is_bot(self) -> bool:
        """Whether a program sits here."""
        return self.agent.is_bot

    @property
    def has_left(self) -> bool:
        """Whether this one has left the others."""
        return self.agent.has_left

    @property
    def history(self) -> Sequence[Turn]:
        """All that was said until now, in order."""
        return self.agent.history

    def time(self) -> float:
        """Return what time it is for the run."""
        return self.agent.time()

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page."""
        await self.agent.observe(data)

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Tell the page that it is its turn, and wait for what comes."""
        await self.agent.observe(_YOUR_TURN)
        return await self.agent.get_live_update(timeout)

    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Call a function, and keep what it gives."""
        return await self.agent.once(function, *args)

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        await self.agent.report(why, detail, of=of)


class TurnTakers:
    """Several of them; where the code waits for whoever speaks first, it is everybody's turn."""

    def __init__(self, agents: LiveAgents) -> None:
        self._agents = agents
        self._takers = [TurnTaker(agent) for agent in agents]

    def __len__(self) -> int:
        return len(self._takers)

    def __iter__(self) -> Iterator[LiveAgent]:
        return iter(self._takers)

    def __getitem__(self, seat: int) -> LiveAgent:
        return self._takers[seat]

    async def observe(self, data: JSONObject, *, but: LiveAgent | None = None) -> None:
        """Send something to everybody, or to everybody but one."""
        await self._agents.observe(data, but=but.agent if isinstance(but, TurnTaker) else but)

    async def get_live_update(self, timeout: float | None = None) -> tuple[LiveAgent, JSONObject]:
        """Wait for the next message of anybody."""
        await self._agents.observe(_YOUR_TURN)
        agent, message = await self._agents.get_live_update(timeout)
        return next(taker for taker in self._takers if taker.agent is agent), message


#: ``talk(data, agent)`` or ``talk(data, agents)``.
Conversation: TypeAlias = Callable[[JSONObject, Any], Awaitable[None]]


_EXAMPLE = "Hello! This is an example: so it looks when somebody says something."


class ChatRunner(TaskRunner):
    """Greets the pages, lets people talk, and tells the pages when it is over.

    Parameters
    ----------
    shared_state
        What the researcher handed over.
    args
        The settings.
    """

    def __init__(self, shared_state: SharedTaskState, args: ChatBlueprintArgs) -> None:
        super().__init__(shared_state)
        self._args = args
        #: Pages of the package bootstrap-chat take a line only once they are asked for it.
        self._asks = args.take_turns or given(args.custom_source_bundle)
        code = shared_state.conversation
        self._inner = code(shared_state) if inspect.isclass(code) and issubclass(code, TaskRunner) else None
        self._function: Conversation | None = code if self._inner is None else None

    def get_init_data(self, init_data: JSON, history: Sequence[Turn]) -> JSON:
        """Return the row, and what a page has to show again, under the name that ``mephisto-task`` looks for."""
        row = init_data if isinstance(init_data, dict) else {}
        return {**row, "past_live_updates": [turn.data for turn in history]}

    def get_example_turns(self) -> Sequence[Turn]:
        """Return a line to be looked at, of a partner or a program; it is the viewer's turn."""
        name = "Interviewer" if self.shared_state.bot is None else Bot.of(self.shared_state.bot).name
        if self._args.units_per_assignment > 1:
            name = self._args.names[1] if self._args.names else "Person 2"
        said: JSONObject = {"text": _EXAMPLE, "id": name, "update_id": "example"}
        return (Turn("operator", {**said, "task_data": {"live_update_requested": True}}),)

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Talk with one person."""
        await self._greet([agent])
        spoken_to: LiveAgent = TurnTaker(agent) if self._asks else agent
        if self._inner is not None:
            await self._inner.run_unit(init_data, spoken_to)
        elif self._function is not None:
            await self._function(init_data, spoken_to)
        else:
            await _talk_with_bot(spoken_to, Bot.of(self.shared_state.bot), self._args)
        await self._end([agent])

    async def run_assignment(self, init_data: JSONObject, agents: LiveAgents) -> None:
        """Let several people talk."""
        await self._greet(agents)
        spoken_to: LiveAgents = TurnTakers(agents) if self._asks else agents
        if self._inner is not None:
            await self._inner.run_assignment(init_data, spoken_to)
        elif self._function is not None:
            await self._function(init_data, spoken_to)
        elif self._args.take_turns:
            await _talk_in_turns(spoken_to, self._args)
        else:
            await _talk_freely(spoken_to, self._args)
        await self._end(agents)

    async def _greet(self, agents: LiveAgents | list[LiveAgent]) -> None:
        for agent in agents:
            state = {"agent_display_name": agent.name, "live_update_requested": not self._args.take_turns}
            await agent.observe({"task_data": state})

    async def _end(self, agents: LiveAgents | list[LiveAgent]) -> None:
        for agent in agents:
            await agent.observe({"task_data": {"task_done": True}})


def as_said_by(agent: LiveAgent, message: JSONObject) -> JSONObject:
    """Return a message as the others hear it: under the name of who said it, and as the one message that it is."""
    heard = {"text": str(message.get("text", "")), "id": agent.name, "task_data": {}}
    return {**heard, "update_id": message["update_id"]} if "update_id" in message else heard


async def _talk_freely(agents: LiveAgents, args: ChatBlueprintArgs) -> None:
    """Let everybody hear everybody, until all people are done, or have said as much as they may."""
    people = {agent.agent_id for agent in agents}
    said: Counter[str] = Counter()
    left = await _clock_of(agents, args)
    # A program that has taken somebody's seat is never done, and nobody waits for that.
    while any(agent.agent_id in people and not agent.is_bot for agent in agents):
        try:
            agent, message = await agents.get_live_update(timeout=left())
        except TimeoutError:
            return
        except PartnerLeftError as error:
            people.discard(error.agent_id)
            continue
        if message.get("text"):
            await agents.observe(as_said_by(agent, message), but=agent)
            said[agent.agent_id] += 1
        if message.get("done") is True or (args.num_turns and said[agent.agent_id] >= args.num_turns):
            people.discard(agent.agent_id)


async def _talk_in_turns(agents: LiveAgents, args: ChatBlueprintArgs) -> None:
    """Let people speak one after the other, until all are done or have said as much as they may."""
    done: set[str] = set()
    turns, left = 0, await _clock_of(agents, args)
    while not args.num_turns or turns < args.num_turns:
        for agent in agents:
            if agent.agent_id in done:
                continue
            try:
                message = await agent.get_live_update(timeout=left())
            except PartnerLeftError:
                done.add(agent.agent_id)
                continue
            except TimeoutError:
                if not agent.is_bot:
                    return
                continue
            if message.get("text"):
                await agents.observe(as_said_by(agent, message), but=agent)
            if message.get("done") is True:
                done.add(agent.agent_id)
        turns += 1
        if all(agent.agent_id in done for agent in agents if not agent.is_bot):
            return


async def _clock_of(agents: LiveAgents, args: ChatBlueprintArgs) -> Callable[[], float | None]:
    """Return how much time is left, from when people began; a time in which they could not talk is not counted."""
    if not args.talk_seconds:
        return lambda: None
    first = agents[0]

    async def now() -> float:
        return first.time()

    began = await first.once(now)
    end = float(began if isinstance(began, (int, float)) else first.time()) + args.talk_seconds
    return lambda: max(0.0, end - first.time())


async def _talk_with_bot(agent: LiveAgent, bot: Bot, args: ChatBlueprintArgs) -> None:
    """Let one person talk with a program, which answers each message."""
    chat: list[dict[str, str]] = []
    turns = 0
    while not args.num_turns or turns < args.num_turns:
        message = await agent.get_live_update()
        if message.get("text"):
            turns += 1
            chat.append({"role": "user", "content": str(message["text"])})
            reply = await agent.once(_ask, agent, bot, list(chat))
            if isinstance(reply, dict):
                if reply.get("text"):
                    chat.append({"role": "assistant", "content": str(reply["text"])})
                await agent.observe(reply)
        if message.get("done") is True:
            return


async def _ask(agent: LiveAgent, bot: Bot, chat: list[dict[str, str]]) -> JSON:
    """Ask a program; what it cannot answer in time it has not said, and the page is not told why."""
    try:
        reply = await bot.ask_again(chat, agent)
    except Exception:  # noqa: BLE001 - a researcher's function; its failure must not end the talk
        return {"text": "(No answer came. Please write on, or say that you are done.)", "id": ""}
    return None if reply is None else {"id": bot.name, **reply}
