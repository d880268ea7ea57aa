"""Conversations: of people with each other, with a program, or with the task's own code."""

from mephisto_nb.blueprints.chat.blueprint import ChatBlueprint
from mephisto_nb.blueprints.chat.runner import ChatBlueprintArgs

__all__ = ["ChatBlueprint", "ChatBlueprintArgs"]
