"""Conversations: of people with each other, with a program, or with the task's own code."""

from mephisto_nb.blueprints.chat.args import ChatBlueprintArgs
from mephisto_nb.blueprints.chat.blueprint import ChatBlueprint

__all__ = ["ChatBlueprint", "ChatBlueprintArgs"]
