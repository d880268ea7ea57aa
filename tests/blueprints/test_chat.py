"""What a chat refuses before anything is written, and what it makes of its settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import mephisto_nb as mnb
from mephisto_nb.blueprints.chat import ChatBlueprint, ChatBlueprintArgs
from mephisto_nb.config.typed_config import with_gates
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState
from mephisto_nb.model.task_run_args import PartnerRules, WhenLeft, WhenWaited
from mephisto_nb.ports.task_runner import Bot, TaskRunner


async def talks(data: Any, agents: Any) -> None:
    """A conversation."""


async def alone(agent: Any) -> None:
    """A conversation that asks for too little."""


class Alone(TaskRunner):
    """Code for one person."""

    async def run_unit(self, init_data: Any, agent: Any) -> None:
        """Do nothing."""


def chat(conversation: Any = talks, bot: Any = None, **args: Any) -> ChatBlueprint:
    return ChatBlueprint(ChatBlueprintArgs(**args), SharedTaskState(conversation=conversation, bot=bot))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"world_file": "world.py", "conversation": None}, "ParlAI's worlds are not run"),
        ({"custom_source_dir": "no"}, "is not a folder"),
        ({"custom_source_dir": "."}, "whose sources are not built here. Build them"),
        ({"custom_source_bundle": __file__, "extra_sources": ["*;"]}, "extra_sources holds"),
        ({"when_left": "run"}, "when_left is 'run'. It may be: end, continue, bot, requeue"),
        ({"when_waited": "bot"}, "there is none"),
        ({"when_waited": "pay"}, "waiting_pay is 0"),
        ({"when_waited": "fewer", "minimum_agents": 3}, "a conversation has 2 people"),
        ({"absence": 5}, "Give 30 or more"),
        ({"names": ["Ann"]}, "names has 1 names"),
        ({"units_per_assignment": 1, "conversation": None}, "nobody is there to talk with"),
        ({"conversation": 7}, "conversation is 7"),
        ({"conversation": lambda data, agents: None}, "cannot be awaited"),
        ({"conversation": alone}, "cannot be called with the row and the agents"),
        ({"conversation": Alone}, "has no run_assignment"),
        ({"bot": "gpt"}, "bot is 'gpt', which cannot be called"),
        ({"custom_source_bundle": "no.js"}, "is no file"),
        ({"instruction_html": "<script>1</script>"}, "is not run beside a conversation"),
    ],
)
def test_what_cannot_work_is_refused_with_its_mend(args: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        chat(**args).assert_task_args()


@pytest.mark.parametrize("rows", ["golds", "get_gold_for_worker", "screening", "screening_data_factory"])
def test_rows_with_right_answers_are_refused_with_a_remedy(rows: str) -> None:
    given: dict[str, Any] = {rows: [{"n": 1}]}
    blueprint = ChatBlueprint(ChatBlueprintArgs(), SharedTaskState(conversation=talks, **given))
    with pytest.raises(ConfigError, match=f"SharedTaskState.{rows} is set.* Remove it.*onboarding_.*attention_checks"):
        blueprint.assert_task_args()


@pytest.mark.parametrize("key", ["use_golds", "use_screening_task"])
def test_rows_that_a_setting_closes_the_gate_for_do_no_harm(key: str) -> None:
    args: Any = with_gates(ChatBlueprintArgs)(**{key: False})
    state = SharedTaskState(conversation=talks, golds=[{}] if key == "use_golds" else None)
    ChatBlueprint(args, state).assert_task_args()
    with pytest.raises(ConfigError, match=f"mephisto.blueprint.{key} is set"):
        ChatBlueprint(dataclasses.replace(args, **{key: True}), SharedTaskState(conversation=talks)).assert_task_args()


def test_the_rules_are_those_of_the_settings() -> None:
    bot = Bot(lambda messages: "yes")
    blueprint = chat(bot=bot, when_waited="bot", when_left="requeue", waiting_room_timeout=60, waiting_pay=0.2)
    blueprint.assert_task_args()
    assert blueprint.get_partner_rules() == PartnerRules(60, WhenWaited.BOT, 2, 0.2, WhenLeft.REQUEUE)
    assert chat(units_per_assignment=1).get_partner_rules() is None


def test_names_of_mephisto_1_are_understood(tmp_path: Path) -> None:
    rows, about = tmp_path / "rows.csv", tmp_path / "about.html"
    rows.write_text("topic\nrain\nsun\n")
    about.write_text("<p>Talk about ${topic}.</p>")
    blueprint = chat(context_csv=str(rows), task_description_file=str(about))
    blueprint.assert_task_args()
    assert [row.shared["topic"] for row in blueprint.get_initialization_data()] == ["rain", "sun"]  # type: ignore[union-attr]
    assert len(list(chat(num_conversations=3).get_initialization_data())) == 3  # type: ignore[arg-type]


def test_the_site_holds_our_page_or_a_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.js"
    bundle.write_text("1")
    chat().build_site(tmp_path / "ours")
    chat(custom_source_bundle=str(bundle)).build_site(tmp_path / "theirs")
    index = (tmp_path / "ours" / "index.html").read_text()
    assert 'id="talk-log"' in index
    assert "worker_page/chat.js" in index
    assert "bundle.js" in (tmp_path / "theirs" / "index.html").read_text()


def test_a_bundle_may_do_what_its_settings_say(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = tmp_path / "bundle.js"
    bundle.write_text('eval("1;\\n//# sourceURL=webpack://app/a.js?");')
    blueprint = chat(custom_source_bundle=str(bundle), extra_sources=["https://example.org/"])
    blueprint.assert_task_args()
    policy = blueprint.get_content_security_policy()
    assert (
        "script-src 'self' https://example.org/ 'unsafe-eval'; style-src 'self' https://example.org/ 'unsafe-in"
        in policy
    )
    assert "custom_source_bundle was built for development" in caplog.text
    strict = chat(custom_source_bundle=str(bundle), allow_eval=False, allow_inline_styles=False)
    assert "unsafe" not in strict.get_content_security_policy()
    with pytest.raises(ConfigError, match=r"built for development.*allow_eval is false"):
        strict.assert_task_args()


def test_of_a_folder_beside_a_bundle_no_sources_are_served(tmp_path: Path) -> None:
    bundle, folder = tmp_path / "bundle.js", tmp_path / "beside"
    bundle.write_text("1")
    for name in ("style.css", "main.jsx", "package.json", "node_modules/a.js", ".env"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    chat(custom_source_bundle=str(bundle), custom_source_dir=str(folder)).build_site(tmp_path / "site")
    served = {path.name for path in (tmp_path / "site").iterdir()}
    assert served & {"style.css", "main.jsx", "package.json", "node_modules", ".env"} == {"style.css"}


def test_the_world_of_a_conversation_that_is_handed_over_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    chat(world_file="worlds.py").assert_task_args()
    assert "whose place SharedTaskState.conversation takes" in caplog.text


def test_a_seat_is_called_by_its_row_by_its_name_or_by_its_number() -> None:
    blueprint = chat(names=["Ada", "Ben"])
    assert [blueprint.get_agent_name(1, {"name": "Cleo"}), blueprint.get_agent_name(1, {})] == ["Cleo", "Ben"]
    assert chat().get_agent_name(1, {}) == "Person 2"


def test_a_row_for_one_in_a_talk_of_two_is_refused() -> None:
    rows = [InitializationData({}, [{}, {}]), InitializationData({}, [{}])]
    blueprint = ChatBlueprint(ChatBlueprintArgs(), SharedTaskState(static_task_data=rows, conversation=talks))
    with pytest.raises(DataFileError, match=r"row 1 .* one person"):
        blueprint.assert_task_args()


def test_a_page_gets_the_columns_it_uses_and_the_code_gets_all() -> None:
    row = {"topic": "rain", "worth": 3, "secret": "x"}
    args = ChatBlueprintArgs(instruction_html="${topic}", task_html="<input name=a value='${worth}'>")
    blueprint = ChatBlueprint(args, SharedTaskState(static_task_data=[row], conversation=talks))
    given = blueprint.get_init_data(row, {})
    assert given["secret"] == "x"
    shown = {"topic": "rain", "worth": 3}
    assert blueprint.get_page_data(given) == {**shown, "task_data": shown}


def test_a_task_with_a_generator_is_shown_without_drawing_a_row() -> None:
    rows = iter([{"topic": "<b>rain</b>"}])
    task = mnb.chat_task(data=rows, task_name="<i>talk</i>")
    assert task._repr_html_().startswith("<p>&lt;ChatTask &#x27;&lt;i&gt;talk")
    assert next(rows) == {"topic": "<b>rain</b>"}


def test_a_column_that_the_instruction_shows_is_not_called_unused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [{"topic": "walks", "mood": "glad"}]
    mnb.chat_task(talks, rows, instruction="<p>${topic}</p>", form={"fields": {"why": {"type": "text"}}}, task_name="t")
    told = [one.getMessage() for one in caplog.records if "neither the template" in one.getMessage()]
    assert len(told) == 1
    assert "columns mood of the data" in told[0]
