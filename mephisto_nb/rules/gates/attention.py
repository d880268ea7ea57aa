"""Attention checks: the fields of an answer whose right value stands in its row, or a function that judges care.

Stands alone because each gate is a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb._typing import JSON
from mephisto_nb.model.gates import GateFinding
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import AnswerCheck, SentAnswer, is_same, plain


@dataclass(slots=True)
class AttentionSettings:
    """The settings of attention checks.

    Parameters
    ----------
    attention_checks
        By the name of an answer's field, the field of the row that holds the right answer. The page never gets to see
        that. A row that lacks it, or has null or no text there, is not checked.
    """

    attention_checks: dict[str, str] = field(default_factory=dict)


class AttentionCheck(AnswerCheck[AttentionSettings]):
    """Fails an answer that is wrong where its row says what is right, or that the researcher's function refuses."""

    NAME, STORED_AS = Gate.ATTENTION.value, Gate.ATTENTION
    SETTINGS = AttentionSettings
    FUNCTION = "judge_attention"

    @classmethod
    def is_open(cls, settings: AttentionSettings, shared: SharedTaskState) -> bool:
        """Return whether anything says what is right."""
        return bool(settings.attention_checks or shared.judge_attention)

    @property
    def hidden(self) -> frozenset[str]:
        """Fields of rows that hold right answers."""
        return frozenset(self.settings.attention_checks.values())

    def look(self, sent: SentAnswer) -> GateFinding | None:
        """Hold the answer's fields against those of the row; None: there is nothing to check."""
        fields = self.settings.attention_checks
        expected = {name: sent.row[field] for name, field in fields.items() if plain(sent.row.get(field))}
        if not expected:
            return None
        wrong: list[JSON] = [
            name for name, right in expected.items() if not is_same(sent.fields.get(name), right)
        ]  # fmt: skip
        return self.found(not wrong, {"wrong": wrong})
