"""Fields that are written: one line, several, an email address, a password; and values that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field
from mephisto_nb.blueprints.form.patterns import FLAGS, finds, refuse_pattern
from mephisto_nb.blueprints.form.types._base import Check, FieldType, Node, Rule, bare, read_preset

#: What HTML takes for an address: https://html.spec.whatwg.org/#valid-e-mail-address
EMAIL = (
    r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
)


@dataclass(frozen=True, slots=True)
class TextField(Field):
    """A text; `min_length` and `max_length` count its characters, without the blanks at both ends.

    `pattern` is a regular expression, of which a match must be found in it, with `pattern_flags` such as ``i``.
    """

    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    pattern_flags: str = ""


class TextType(FieldType[TextField]):
    """A text of one line or of several."""

    field_class = TextField
    keys = ("min_length", "max_length", "pattern", "pattern_flags")

    def read(self, node: Node) -> JSONObject:
        """Return lengths and pattern, found good."""
        flags = node.text("pattern_flags")
        if not set(flags) <= set(FLAGS):
            node.refuse(f"is {flags!r}; there are: {', '.join(FLAGS)}.", "pattern_flags")
        pattern = node.get("pattern", str, "text", "")
        if reason := refuse_pattern(pattern, flags):
            node.refuse(f"is {pattern!r}, {reason}", "pattern")
        return {"value": read_preset(node), "pattern": pattern, "pattern_flags": flags, **node.counts()}

    def checks(self, field: TextField) -> Iterator[Check]:
        """Yield demands on length and pattern."""
        least, most = field.min_length, field.max_length
        if least is not None:
            yield Check("min_length", least, f"Please write at least {least} characters.", field.check_empty)
        if most is not None:
            yield Check("max_length", most, f"Please write at most {most} characters.")
        if field.pattern:
            message = field.message or "Please give the answer in the form that is asked for."
            yield Check("pattern", [field.pattern, field.pattern_flags], message, field.check_empty)


class LineType(TextType):
    """A text of one line."""

    composer_name = "input"
    python = ("str",)

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read ``str``."""
        return {"type": self.name} if annotation is str else None


class PasswordType(TextType):
    """A text that nobody beside the worker can read as it is typed."""

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read pydantic's ``SecretStr``."""
        return {"type": self.name} if getattr(annotation, "__name__", "") == "SecretStr" else None


class EmailType(TextType):
    """An email address."""

    def checks(self, field: TextField) -> Iterator[Check]:
        """Yield that it is one, and the demands of every text."""
        yield Check("pattern", [EMAIL, ""], "Please give an email address, such as ann@example.org.")
        yield from super().checks(field)

    def example(self, field: TextField) -> JSON:
        """Return an address."""
        return field.value or "ann@example.org"

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read pydantic's ``EmailStr``."""
        return {"type": self.name} if getattr(annotation, "__name__", "") == "EmailStr" else None


class HiddenType(FieldType[Field]):
    """A value that is sent along unseen."""

    field_class = Field
    is_asked = False


TYPES: tuple[FieldType[Any], ...] = (
    LineType("text"),
    TextType("textarea"),
    EmailType("email"),
    PasswordType("password"),
    HiddenType("hidden"),
)
RULES: dict[str, Rule] = {
    "pattern": lambda wanted, given: all(finds(wanted[0], wanted[1], bare(one)) for one in given),
    "min_length": lambda wanted, given: all(len(bare(one)) >= wanted for one in given),
    "max_length": lambda wanted, given: all(len(bare(one)) <= wanted for one in given),
}
