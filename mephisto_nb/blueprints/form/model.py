"""What a form is, whichever way it was described: sections of fieldsets of rows of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

#: Which answers to other fields let a part of the form be seen; all of them must be given.
Condition = Mapping[str, tuple[str, ...]]

TYPES = (
    "text", "textarea", "email", "password", "number", "date", "checkbox", "radio", "select", "file", "hidden",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a checkbox, radio or select field."""

    value: str
    label: str = ""
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One question, and what an answer to it must be like.

    A ``checkbox`` with options is a group, whose answer is a list; without, it is one box, whose answer is a truth
    value. `pattern` is a regular expression of which a match must be found in the answer; `min_length` and
    `max_length` count characters, or choices where several can be made. `help` is HTML.
    """

    name: str
    type: str = "text"
    label: str = ""
    help: str = ""
    tooltip: str = ""
    placeholder: str = ""
    value: str = ""
    options: tuple[Option, ...] = ()
    multiple: bool = False
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    pattern: str = ""
    pattern_flags: str = ""
    message: str = ""
    extensions: tuple[str, ...] = ()
    show_if: Condition = field(default_factory=dict)

    @property
    def takes_several(self) -> bool:
        """Whether the answer is a list of choices."""
        return bool(self.options) and (self.type == "checkbox" or self.multiple)


@dataclass(frozen=True, slots=True)
class Row:
    """Fields that stand side by side. `help` is HTML."""

    fields: tuple[Field, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Fieldset:
    """Rows that belong together. `instruction` and `help` are HTML."""

    rows: tuple[Row, ...] = ()
    title: str = ""
    instruction: str = ""
    help: str = ""
    show_if: Condition = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a form with a heading of its own, which may be folded up. `instruction` is HTML."""

    fieldsets: tuple[Fieldset, ...] = ()
    title: str = ""
    instruction: str = ""
    collapsable: bool = False
    initially_collapsed: bool = False
    show_if: Condition = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """A form. `instruction` and `submit_instruction` are HTML; the button is the page's own without a label."""

    sections: tuple[Section, ...] = ()
    title: str = ""
    instruction: str = ""
    submit_label: str = ""
    submit_instruction: str = ""

    def placed_fields(self) -> Iterator[tuple[Field, tuple[Condition, ...]]]:
        """Give each field, in order, with the conditions under which it is seen."""
        for section in self.sections:
            for fieldset in section.fieldsets:
                for row in fieldset.rows:
                    for one in row.fields:
                        yield one, (section.show_if, fieldset.show_if, one.show_if)
