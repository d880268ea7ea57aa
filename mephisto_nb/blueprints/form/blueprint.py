"""The form blueprint: a static_html task whose page is made of a description of a form."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.files import read_form_file
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.render import render_form
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.data_model.shared_state import SharedTaskState
from mephisto_nb.errors import ConfigError

#: The column of an answer that says what is wrong with it. No field can have this name.
PROBLEMS = "(problems)"


@dataclass(slots=True)
class FormBlueprintArgs(StaticHTMLBlueprintArgs):
    """What is asked of workers, and the data it is filled with.

    Parameters
    ----------
    form
        The form: its sections, fieldsets, rows and fields, as plain data. Exactly one of this and `form_source` is
        needed, and neither `task_source` nor `task_html`; every other setting is as in a static_html task.
    form_source
        A ``.json``, ``.yaml`` or ``.yml`` file of the same, or FormComposer's ``task_data.json``.
    """

    _blueprint_type: str = "form"
    form: dict[str, Any] | None = None
    form_source: str | None = None


class FormBlueprint(StaticHTMLBlueprint):
    """A task that is a form, checked in the worker's browser and again when answers are read.

    An answer that should not have passed the browser is kept like any other. The column ``answer.(problems)`` says
    what is wrong with it, as ``name: message`` with ``; `` between; it is missing where all is well.
    What a file was called is seen by the browser alone, so `extensions` is not checked again.

    Examples
    --------
    >>> form = {"instruction": "<p>${text}</p>", "fields": {"mood": {"type": "radio", "options": ["glad", "grim"]}}}
    >>> blueprint = FormBlueprint(FormBlueprintArgs(form=form), SharedTaskState(static_task_data=[{"text": "Rain."}]))
    >>> blueprint.assert_task_args()
    >>> blueprint.get_answer({"mood": "blue"})
    {'mood': 'blue', '(problems)': 'mood: Please choose from what is offered.'}
    """

    BLUEPRINT_TYPE: ClassVar[str] = "form"
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass = FormBlueprintArgs
    args: FormBlueprintArgs

    def __init__(self, args: FormBlueprintArgs, shared_state: SharedTaskState) -> None:
        if given(args.task_source) or given(args.task_html):
            raise ConfigError(
                "mephisto.blueprint.task_source or task_html is set, but the page of a form is made of the form. "
                "Remove the key, or launch a static_html task."
            )
        super().__init__(args, shared_state)
        self.args = dataclasses.replace(args, task_html=render_form(self.form))

    @cached_property
    def form(self) -> Form:
        """The form, as it was understood."""
        source = self.args.form_source
        if (self.args.form is not None) == given(source):
            raise ConfigError(
                "mephisto.blueprint needs form or form_source, one of the two. Set form to the form's description, or "
                "form_source to a file that holds it."
            )
        if source and given(source):
            return read_form_file(source)
        return read_spec(self.args.form, "mephisto.blueprint.form")

    @property
    def first_row(self) -> JSONObject:
        """The data of the first worker's page, as far as it can be known before launch."""
        return {} if self._is_drawn else {**self._rows[0][1].shared, **self._rows[0][1].unit_data[0]}

    def get_answer(self, data: JSON) -> JSONObject:
        """Give one column a field, in the form's order, what else was sent, and what is wrong with it."""
        sent = super().get_answer(data)
        answer: JSONObject = {}
        for field, _ in self.form.placed_fields():
            value = sent.get(field.name)
            if field.takes_several and isinstance(value, bool):  # a group of one box
                value = [option.value for option in field.options if value]
            answer[field.name] = value
        problems = find_problems(self.form, answer)
        said = "; ".join(f"{name}: {message}" for name, message in problems.items())
        return {**sent, **answer, PROBLEMS: said or None}
