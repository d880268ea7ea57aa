"""What a chat refuses before anything is written, and what it makes of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.abstractions.bot import Bot
from mephisto_nb.blueprints.chat import ChatBlueprint, ChatBlueprintArgs
from mephisto_nb.data_model.partner_rules import PartnerRules, WhenLeft, WhenWaited
from mephisto_nb.data_model.shared_state import SharedTaskState
from mephisto_nb.errors import ConfigError


async def talks(data: Any, agents: Any) -> None:
    """A conversation."""


def chat(conversation: Any = talks, bot: Any = None, **args: Any) -> ChatBlueprint:
    return ChatBlueprint(ChatBlueprintArgs(**args), SharedTaskState(conversation=conversation, bot=bot))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"world_file": "world.py"}, "ParlAI's worlds are not run"),
        ({"when_left": "run"}, "when_left is 'run'. It may be: end, continue, bot, requeue"),
        ({"when_waited": "bot"}, "there is none"),
        ({"when_waited": "pay"}, "waiting_pay is 0"),
        ({"when_waited": "fewer", "minimum_agents": 3}, "a conversation has 2 people"),
        ({"absence": 5}, "Give 30 or more"),
        ({"names": ["Ann"]}, "names has 1 names"),
        ({"units_per_assignment": 1, "conversation": None}, "nobody is there to talk with"),
        ({"conversation": 7}, "conversation is 7"),
        ({"custom_source_bundle": "no.js"}, "is no file"),
        ({"instruction_html": "<script>1</script>"}, "is not run beside a conversation"),
    ],
)
def test_what_cannot_work_is_refused_with_its_mend(args: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        chat(**args).assert_task_args()


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


def test_a_seat_is_called_by_its_row_by_its_name_or_by_its_number() -> None:
    blueprint = chat(names=["Ada", "Ben"])
    assert [blueprint.get_agent_name(1, {"name": "Cleo"}), blueprint.get_agent_name(1, {})] == ["Cleo", "Ben"]
    assert chat().get_agent_name(1, {}) == "Person 2"
