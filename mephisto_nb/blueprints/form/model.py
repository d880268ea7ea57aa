"""What a form is, whichever way it was described: sections of fieldsets of rows of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mephisto_nb._typing import JSONObject

#: Which answers to other fields let a part of the form be seen; all of them must be given.
Condition = Mapping[str, tuple[str, ...]]
#: By the name of an event, as FormComposer calls it: the name of a function, and what it is given besides.
Triggers = Mapping[str, tuple[Any, ...]]
#: The column that says which of several forms a row is for, counted from 1.
VERSION = "form_version"


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of those that a field offers.

    `value` is what pages know it by; `answer` what stands in `results()`, where the description has it as a number or a
    truth value.
    """

    value: str
    label: str = ""
    checked: bool = False
    answer: int | float | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """What any question has; each family of `types` adds the settings that it needs.

    `value` is what stands in it before anybody answers. `check_empty` makes demands on a length or a pattern hold of no
    answer, too; `message` is said where a pattern does not fit. `custom_checks` are functions of the researcher's own
    script by their names, with what each is given after the field and its value. `help` is HTML.
    """

    name: str
    type: str = "text"
    label: str = ""
    help: str = ""
    tooltip: str = ""
    placeholder: str = ""
    value: str = ""
    required: bool = False
    message: str = ""
    check_empty: bool = False
    show_if: Condition = field(default_factory=dict)
    custom_checks: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    triggers: Triggers = field(default_factory=dict)
    id: str = ""
    classes: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Fields that stand side by side. `help` is HTML."""

    fields: tuple[Field, ...] = ()
    help: str = ""
    id: str = ""
    classes: str = ""


@dataclass(frozen=True, slots=True)
class Fieldset:
    """Rows that belong together. `instruction` and `help` are HTML."""

    rows: tuple[Row, ...] = ()
    title: str = ""
    instruction: str = ""
    help: str = ""
    show_if: Condition = field(default_factory=dict)
    id: str = ""
    classes: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a form with a heading of its own, which may be folded up. `instruction` is HTML."""

    fieldsets: tuple[Fieldset, ...] = ()
    title: str = ""
    instruction: str = ""
    collapsable: bool = False
    initially_collapsed: bool = False
    show_if: Condition = field(default_factory=dict)
    triggers: Triggers = field(default_factory=dict)
    id: str = ""
    classes: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form. `instruction` and `submit_instruction` are HTML; the button is the page's own without a label.

    `fold_instruction` puts the instruction behind a heading that opens it.
    """

    sections: tuple[Section, ...] = ()
    title: str = ""
    instruction: str = ""
    fold_instruction: bool = False
    submit_label: str = ""
    submit_instruction: str = ""
    submit_tooltip: str = ""
    submit_triggers: Triggers = field(default_factory=dict)
    submit_id: str = ""
    id: str = ""
    classes: str = ""

    def placed_fields(self) -> Iterator[tuple[Field, tuple[Condition, ...]]]:
        """Yield each field, in order, with the conditions under which it is seen."""
        for section in self.sections:
            for fieldset in section.fieldsets:
                for row in fieldset.rows:
                    for one in row.fields:
                        yield one, (section.show_if, fieldset.show_if, one.show_if)

    def fields(self) -> list[Field]:
        """Return all fields, in order."""
        return [one for one, _ in self.placed_fields()]

    def triggers(self) -> list[str]:
        """Return the names of the researcher's functions that are called upon events."""
        held = [
            self.submit_triggers,
            *(one.triggers for one in self.sections),
            *(one.triggers for one in self.fields()),
        ]
        return [call[0] for triggers in held for call in triggers.values()]

    @property
    def has_triggers(self) -> bool:
        """Whether functions of the researcher's are called, which may show, hide and change fields."""
        return bool(self.triggers())

    @property
    def custom_checks(self) -> dict[str, tuple[str, ...]]:
        """The researcher's own checks, by the names of fields."""
        return {one.name: tuple(one.custom_checks) for one in self.fields() if one.custom_checks}


@dataclass(frozen=True, slots=True)
class ReadForms:
    """What comes of reading a form: one form or several, and what lay beside them.

    Parameters
    ----------
    forms
        One form; or several, of which each row names its own in the column `VERSION`.
    rows
        The rows of data that came with them; None: there were none.
    insertions
        The folder of the researcher's own checks and triggers; '' where the forms name none.
    signed_columns
        Columns that hold addresses which have to be signed before a worker's browser can load from them.
    """

    forms: tuple[Form, ...]
    rows: list[JSONObject] | None = None
    insertions: str = ""
    signed_columns: tuple[str, ...] = ()
