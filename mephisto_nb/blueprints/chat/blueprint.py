"""The chat blueprint: conversations, with a form at their end."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.chat.runner import (
    ChatBlueprintArgs,
    ChatRunner,
    check_chat_args,
    partner_rules,
    with_own_names,
)
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, task_data
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.blueprint import PAGE_FOLDER
from mephisto_nb.blueprints.static_html.bundles import make_policy
from mephisto_nb.blueprints.static_html.extra_files import copy_files, list_files
from mephisto_nb.blueprints.static_html.task_data import read_text
from mephisto_nb.blueprints.static_html.template import Template, columns_of, read_template
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.task_run_args import PartnerRules
from mephisto_nb.ports.task_runner import TaskRunner
from mephisto_nb.utils.foreign import named_file
from mephisto_nb.utils.user_code import is_async

_PAGE = Path(__file__).parent / "page"
#: Where our page of a static_html task is made into that of a chat.
_MARKER, _SCRIPT = "<!-- beside the form -->", "worker_page/worker.js"
_HEAD_END, _SHEET = "</head>", '  <link rel="stylesheet" href="worker_page/chat.css">\n  </head>'
#: A hundredth of a second of nothing, as a WAV file.
_SILENCE = (
    b"RIFF" + (116).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") + b"\x01\x00\x01\x00"
    b"\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data" + (80).to_bytes(4, "little") + b"\x80" * 80
)


class ChatBlueprint(StaticHTMLBlueprint):
    """People talk with each other, with a program, or with the task's own code; then each sends a form.

    The code is ``SharedTaskState(conversation=...)``: ``async def talk(data, agents)``, or ``async def talk(data,
    agent)`` where `units_per_assignment` is 1. Without any, people hear each other until all say that they are done.

    Examples
    --------
    >>> async def interview(data, agent):
    ...     await agent.observe({"text": f"What do you think of {data['topic']}?", "id": "Interviewer"})
    ...     await agent.get_live_update()
    >>> state = SharedTaskState(static_task_data=[{"topic": "rain"}], conversation=interview)
    >>> ChatBlueprint(ChatBlueprintArgs(units_per_assignment=1), state).assert_task_args()
    """

    BLUEPRINT_TYPE: ClassVar[str] = "chat"
    ALIASES: ClassVar[tuple[str, ...]] = ("parlai_chat",)
    ArgsClass = ChatBlueprintArgs
    has_conversations: ClassVar[bool] = True
    args: ChatBlueprintArgs

    def __init__(self, args: ChatBlueprintArgs, shared_state: SharedTaskState) -> None:
        with_own_names(args)
        if shared_state.static_task_data is None and not task_data.names_a_file(args):
            shared_state = dataclasses.replace(shared_state, static_task_data=[{}] * (args.num_conversations or 1))
        super().__init__(args, shared_state)
        self.disconnect_after = args.absence  # type: ignore[misc]  # each run has its own
        self.PAGE_KNOWS_ITS_END = not given(args.custom_source_bundle)  # type: ignore[misc]

    def assert_task_args(self) -> None:
        """Refuse settings, templates, rows and code that cannot work.

        Raises
        ------
        ConfigError
            A setting, a template or the code cannot work.
        DataFileError
            A file cannot be read, or the rows do not fit the templates.
        """
        check_chat_args(self.args, self.shared_state)
        super().assert_task_args()
        self._check_seats()
        self._check_code()
        _ = self._instruction

    def build_site(self, directory: Path) -> None:
        """Write the worker's page: ours, or the researcher's bundle."""
        super().build_site(directory)
        if given(self.args.custom_source_bundle):
            self._build_own(directory)
            return
        shutil.copytree(_PAGE, directory / PAGE_FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.html"))
        index = directory / "index.html"
        page = index.read_text(encoding="utf-8").replace(_SCRIPT, f"{PAGE_FOLDER}/chat.js").replace(_HEAD_END, _SHEET)
        index.write_text(page.replace(_MARKER, (_PAGE / "chat.html").read_text(encoding="utf-8")), encoding="utf-8")
        if self._instruction is not None:
            (directory / "instruction.html").write_text(self._instruction.html, encoding="utf-8")

    def get_frontend_args(self) -> JSONObject:
        """Return the task configuration, and what the conversation's page has to know."""
        chat: JSONObject = {
            "take_turns": self.args.take_turns,
            "has_instruction": self._instruction is not None,
            "may_end": self.shared_state.conversation is None and not self.args.num_turns,
            "people": self.args.units_per_assignment,
            "frame_height": 0,
        }
        title = {"chat_title": self.args.chat_title} if given(self.args.chat_title) else {}
        return {**super().get_frontend_args(), **chat, **title}

    def get_content_security_policy(self) -> str:
        """Return the policy of our page, or one for the researcher's bundle, as strict as the settings allow."""
        bundle = self.args.custom_source_bundle
        if not bundle or not given(bundle):
            return super().get_content_security_policy()
        return make_policy(self.args, Path(bundle).expanduser())

    def get_init_data(self, shared: JSONObject, unit_data: JSONObject) -> JSON:
        """Return the row, as a page is handed it; bundles of ``bootstrap-chat`` look for it in ``task_data``."""
        return {**shared, **unit_data, "task_data": {**shared, **unit_data}}

    def get_page_data(self, init_data: JSON) -> JSON:
        """Return the columns that the form and the instruction use; a bundle gets all, and so does the code."""
        if not isinstance(init_data, dict) or given(self.args.custom_source_bundle):
            return init_data
        row = super().get_page_data({name: value for name, value in init_data.items() if name != "task_data"})
        return {**row, "task_data": row} if isinstance(row, dict) else row

    def get_partner_rules(self) -> PartnerRules | None:
        """Return what holds when somebody waits or leaves."""
        return partner_rules(self.args) if self.args.units_per_assignment > 1 else None

    def get_agent_name(self, seat: int, data: JSONObject) -> str:
        """Return the name of a seat: of the row, of `names`, or by its number."""
        if isinstance(data.get("name"), str):
            return str(data["name"])
        return self.args.names[seat] if seat < len(self.args.names) else super().get_agent_name(seat, data)

    def get_noted_args(self) -> JSONObject:
        """Note by whom conversations are led, so that a kernel without that code does not lead them otherwise."""
        conversation, noted = self.shared_state.conversation, super().get_noted_args()
        if conversation is None:
            return noted
        return {**noted, "code": getattr(conversation, "__name__", type(conversation).__name__)}

    def make_task_runner(self) -> TaskRunner:
        """Make what runs the conversations.

        Raises
        ------
        ConfigError
            The run was launched with code that is missing now.
        """
        if self.args.code is not None and self.shared_state.conversation is None:
            raise ConfigError(
                f"The conversations of this run are led by {self.args.code!r}, which this kernel does not have. Hand "
                "it over again: await operator.reconnect(run_id, mnb.SharedTaskState(conversation=...))."
            )
        self._check_code()
        return ChatRunner(self.shared_state, self.args)

    @cached_property
    def _instruction(self) -> Template | None:
        source, html = self.args.instruction_source, self.args.instruction_html
        if not given(source) and not given(html):
            return None
        text = read_text(source, "instruction_source") if source and given(source) else html or ""
        name = Path(source).name if source and given(source) else "instruction_html"
        template = read_template(text, name, "instruction", [])
        if template.scripts:
            raise ConfigError(f"{name} holds a <script>, which is not run beside a conversation. Take it out.")
        return template

    @property
    def _used_columns(self) -> frozenset[str] | None:  # an instruction runs no scripts
        used = super()._used_columns
        return used if used is None or self._instruction is None else used | columns_of(self._instruction.fields)

    def _templates_of(self, row: JSONObject) -> list[Template]:
        return [*super()._templates_of(row), *([] if self._instruction is None else [self._instruction])]

    def _check_code(self) -> None:
        conversation = self.shared_state.conversation
        if conversation is not None:
            _check_conversation(conversation, self.args.units_per_assignment)
        if conversation is None and self.args.units_per_assignment == 1 and self.shared_state.bot is None:
            raise ConfigError(
                "mephisto.blueprint.units_per_assignment is 1, and nobody is there to talk with. Hand over "
                "SharedTaskState(conversation=...), or a bot."
            )

    def _check_seats(self) -> None:
        for label, row in [] if self._is_drawn or self.args.units_per_assignment == 1 else self._rows:
            if len(row.unit_data) == 1:
                raise DataFileError(
                    f"{label} has unit_data for one person, but mephisto.blueprint.units_per_assignment is "
                    f"{self.args.units_per_assignment}: nobody is there to talk with. Give one dictionary a person."
                )

    def _build_own(self, directory: Path) -> None:
        if self.args.custom_source_dir and given(self.args.custom_source_dir):
            own = list_files(self.args.custom_source_dir, setting="custom_source_dir")
            copy_files(own.files, directory, "custom_source_dir", own.root)
        shutil.copyfile(_PAGE / "bundle.html", directory / "index.html")
        bundle = named_file(self.args.custom_source_bundle or "", "mephisto.blueprint.custom_source_bundle")
        copy_files({"bundle.js": bundle}, directory, "custom_source_bundle")
        if not (directory / "notif.mp3").exists():
            (directory / "notif.mp3").write_bytes(_SILENCE)  # played at each turn; browsers look at what a file holds


def _check_conversation(conversation: object, people: int) -> None:
    """Raise `ConfigError` for what could not lead a conversation."""
    who = "agent" if people == 1 else "agents"
    wanted = f"Give an async function: async def talk(data, {who})."
    if inspect.isclass(conversation) and issubclass(conversation, TaskRunner):
        name = "run_unit" if people == 1 else "run_assignment"
        if getattr(conversation, name) is getattr(TaskRunner, name):
            raise ConfigError(
                f"SharedTaskState.conversation is {conversation.__name__}, which has no {name}. Define it."
            )
        return
    if not callable(conversation) or not is_async(conversation):
        raise ConfigError(f"SharedTaskState.conversation is {conversation!r}, which cannot be awaited. {wanted}")
    try:
        inspect.signature(conversation).bind({}, None)
    except TypeError as error:
        raise ConfigError(
            f"SharedTaskState.conversation is {conversation!r}, which cannot be called with the row and the {who}: "
            f"{error}. {wanted}"
        ) from error
