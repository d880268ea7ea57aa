"""The form blueprint: a static_html task whose page is made of a description of a form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.model import VERSION, Form, ReadForms
from mephisto_nb.blueprints.form.render import (
    ROWS_FORM,
    check_insertions,
    copy_insertions,
    fill_form,
    render_form,
    render_forms,
    render_version,
)
from mephisto_nb.blueprints.form.sources import read_form_file
from mephisto_nb.blueprints.form.spec import read_spec, to_spec
from mephisto_nb.blueprints.form.types import type_of
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs, task_data
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.template import Template, check_row, columns_of, read_template
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.answers import StoredFile
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: The column of an answer that says what is wrong with it. No field can have this name.
PROBLEMS = "(problems)"
#: The column that says which checks only the browser could make; forms that have no such checks lack it.
UNCHECKED = "(unchecked)"


@dataclass(slots=True)
class FormBlueprintArgs(StaticHTMLBlueprintArgs):
    """What is asked of workers, and the data it is filled with.

    Parameters
    ----------
    form
        The form: its sections, fieldsets, rows and fields, as plain data. Exactly one of this, `forms` and
        `form_source` is needed, and neither `task_source` nor `task_html`; every other setting is as in a static_html
        task.
    forms
        Several forms. Each row names its own in the column ``form_version``, counted from 1.
    form_source
        A ``.json``, ``.yaml`` or ``.yml`` file of a form; or FormComposer's ``task_data.json`` or ``unit_config.json``,
        or the folder that holds it, whose rows are taken along where there are no other data.
    insertions
        A folder of the researcher's own functions: ``custom_validators.js`` and ``custom_triggers.js``.
    signed_columns
        Columns that hold addresses, each of which `FormSharedState.sign_url` signs when a worker gets the row.
    """

    _blueprint_type: str = "form"
    form: dict[str, Any] | None = None
    forms: list[Any] = field(default_factory=list)
    form_source: str | None = None
    insertions: str | None = None
    signed_columns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FormSharedState(SharedTaskState):
    """Data and hooks of a form's run.

    Parameters
    ----------
    sign_url
        ``f(url) -> url``, called for each of `signed_columns` as a worker gets the row: a short-lived address of a file
        that is not public, as boto3's ``generate_presigned_url`` makes it. It must be quick and plain. Frames hold what
        it was given, never what it gave. A kernel that takes the run up again has to hand it over again.
    """

    sign_url: Callable[[str], str] | None = None


class FormBlueprint(StaticHTMLBlueprint):
    """A task that is a form, checked in the worker's browser and again when answers are read.

    An answer that should not have passed the browser is kept like any other. The column ``answer.(problems)`` says
    what is wrong with it, as ``name: message`` with ``; `` between; it is missing where all is well.
    What a file was called is seen by the browser alone, so `extensions` is not checked again. Nor are checks of the
    researcher's own script, which ``answer.(unchecked)`` names; and fields that one of its triggers may have hidden
    are not asked for again.

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
        has_data = shared_state.static_task_data is not None or task_data.names_a_file(args)
        if not has_data and given(args.form_source):
            shared_state = dataclasses.replace(shared_state, static_task_data=_rows_with(args))
        super().__init__(dataclasses.replace(args, task_html="the form"), shared_state)

    @cached_property
    def read(self) -> ReadForms:
        """The forms, as they were understood, and what came with them."""
        source = self.args.form_source
        if (self.args.form is not None) + bool(self.args.forms) + given(source) != 1:
            raise ConfigError(
                "mephisto.blueprint needs form or form_source, or forms, one of the three. Set form to the form's "
                "description, or form_source to a file that holds it."
            )
        if source and given(source):
            return read_form_file(source)
        if self.args.form is not None:
            return ReadForms((read_spec(self.args.form, "mephisto.blueprint.form"),))
        where = "mephisto.blueprint.forms"
        return ReadForms(tuple(read_spec(one, f"{where}[{index}]") for index, one in enumerate(self.args.forms)))

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms, as they were understood: one, or several."""
        return self.read.forms

    def assert_task_args(self) -> None:
        """Refuse forms, settings and rows that cannot work; a generator is left alone.

        Raises
        ------
        ConfigError
            A part of the form, a setting or one of the researcher's functions cannot work.
        DataFileError
            A file cannot be read, or the rows do not fit the form.
        """
        super().assert_task_args()
        if len(self.forms) > 1 and not self._is_drawn:
            for label, row in self._rows:
                for unit_data in row.unit_data:
                    self.check_row(label, {**row.shared, **unit_data})
        check_insertions(self.forms, self._insertions)
        sign = getattr(self.shared_state, "sign_url", None)
        if self._signed_columns and not callable(sign):
            raise ConfigError(
                f"The addresses in {', '.join(self._signed_columns)} have to be signed, but there is no sign_url. Hand "
                "over a function of one address that gives the signed one: form_task(..., sign_url=...)."
            )

    def check_row(self, label: str, row: JSONObject) -> None:
        """Refuse a row that lacks a field of its form, or does not say which form that is. Raises `DataFileError`."""
        if len(self.forms) == 1:
            super().check_row(label, row)
            return
        version = row.get(VERSION)
        if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= len(self.forms):
            raise DataFileError(
                f"{label} has {version!r} for {VERSION!r}, which says which of the {len(self.forms)} forms it is for. "
                f"Give a whole number from 1 to {len(self.forms)}."
            )
        check_row(self._versions[version - 1].fields, label, InitializationData(row))

    def get_noted_args(self) -> JSONObject:
        """Note the forms of a file as they are at the launch: answers are read by them, whatever the file becomes."""
        noted = super().get_noted_args()
        if not given(self.args.form_source):
            return noted
        specs = [to_spec(one) for one in self.forms]
        forms: JSONObject = {"form": specs[0]} if len(specs) == 1 else {"forms": specs}
        more = {"insertions": self._insertions or None, "signed_columns": self._signed_columns}
        return {**noted, "form_source": None, **forms, **more}

    def build_site(self, directory: Path) -> None:
        """Write the worker's page, and the researcher's own functions beside it."""
        super().build_site(directory)
        copy_insertions(self.forms, self._insertions, directory)

    def get_init_data(self, shared: JSONObject, unit_data: JSONObject) -> JSON:
        """Return the row, its addresses signed, and its own form where forms differ."""
        row = {**shared, **unit_data}
        return self._page_data(
            {**row, **{name: self._signed(name, row[name]) for name in self._signed_columns if name in row}}
        )

    def _signed(self, column: str, address: JSON) -> JSON:
        """Return a signed address; where there is none, the page gets what there is, and the researcher is told."""
        sign: Callable[[str], str] | None = getattr(self.shared_state, "sign_url", None)
        if not isinstance(address, str):
            return address
        if sign is None:
            self.report(
                f"There is no sign_url, so pages get the addresses in {column!r} unsigned. Take the run up again with "
                "it: operator.reconnect(task_run_id, FormSharedState(sign_url=...))."
            )
            return address
        try:
            signed = sign(address)
            if not isinstance(signed, str):
                raise TypeError(f"sign_url gave {signed!r:.200}, not an address")
        except Exception as error:
            logger.exception("sign_url failed for %s, which is handed to the page as it is", address)
            self.report(
                f"sign_url failed ({type(error).__name__}), so pages got addresses in {column!r} unsigned, which may "
                "not load. Mend what it asks: it is called again for each worker, and the log says more."
            )
            return address
        return signed

    @property
    def _used_columns(self) -> frozenset[str] | None:  # the form's own script reads none
        if any(one.has_triggers or one.custom_checks for one in self.forms):
            return None
        preview = columns_of(self._preview.fields) if self._preview is not None else frozenset()
        if self._preview is not None and self._preview.has_scripts:
            return None
        return preview | ({ROWS_FORM, VERSION} if len(self.forms) > 1 else columns_of(self._template.fields))

    def first_row(self) -> JSONObject:
        """Return the data of the first page; where rows come one by one, the columns' names in their place."""
        if not self._is_drawn:
            first = self._rows[0][1]
            return {**first.shared, **first.unit_data[0]}
        template = self._template if len(self.forms) == 1 else self._versions[0]
        row: JSONObject = {one.path: f"[{one.path}]" for one in template.fields}
        return {**row, VERSION: 1} if len(self.forms) > 1 else row

    def get_answer(self, data: JSON) -> JSONObject:
        """Return one column a field, in the form's order, what else was sent, and what is wrong with it."""
        sent = dict(data) if isinstance(data, dict) else {"answer": data}
        try:
            form = _form_of(self.forms, sent.pop(VERSION, None), sent) if len(self.forms) > 1 else self.forms[0]
        except DataFileError:
            return sent  # the form's file is gone: the answer is all there is
        answer = {one.name: type_of(one).read_answer(one, sent.get(one.name)) for one in form.fields()}
        problems = find_problems(form, {name: value for name, value in answer.items() if name in sent})
        said = "; ".join(f"{name}: {message}" for name, message in problems.items())
        typed = {one.name: type_of(one).typed_answer(one, answer[one.name]) for one in form.fields()}
        return {**sent, **typed, PROBLEMS: said or None, **self._unchecked(form, answer)}

    def get_asked_fields(self) -> frozenset[str] | None:
        """Return the names of the fields of all forms, and what tells which form it was."""
        names = frozenset(one.name for form in self.forms for one in form.fields())
        return names | {VERSION} if len(self.forms) > 1 else names

    def get_file_fields(self) -> list[str]:
        """Return the names of the fields that are files."""
        fields = (one for form in self.forms for one in form.fields())
        return [one.name for one in fields if isinstance(type_of(one).example(one), StoredFile)]

    def get_answer_times(self) -> dict[str, str]:
        """Return the fields that are days in each form that has them."""
        kinds = [(one.name, one.type) for form in self.forms for one in form.fields()]
        others = {name for name, kind in kinds if kind != "date"}
        return {name: kind for name, kind in kinds if kind == "date" and name not in others}

    def _unchecked(self, form: Form, answer: JSONObject) -> JSONObject:
        if not any(one.custom_checks for one in self.forms):
            return {}
        made = {name: checks for name, checks in form.custom_checks.items() if answer[name] is not None}
        return {UNCHECKED: "; ".join(f"{name}: {', '.join(checks)}" for name, checks in made.items()) or None}

    @property
    def _insertions(self) -> str:
        return self.args.insertions or self.read.insertions

    @property
    def _signed_columns(self) -> list[str]:
        return [*self.args.signed_columns, *self.read.signed_columns]

    @cached_property
    def _template(self) -> Template:
        html = render_form(self.forms[0]) if len(self.forms) == 1 else render_forms()
        template = read_template(html, "the form", "task", list(self.args.extra_script_sources))
        if len(self.forms) > 1:
            template.fields.clear()  # no row has them: `get_init_data` adds its form to each
        return template

    def _templates_of(self, row: JSONObject) -> list[Template]:
        version = row.get(VERSION)
        if len(self.forms) == 1 or not isinstance(version, int) or not 1 <= version <= len(self.forms):
            return super()._templates_of(row)
        return [self._versions[version - 1]]

    @cached_property
    def _versions(self) -> list[Template]:
        drawn = (render_version(form, number) for number, form in enumerate(self.forms, start=1))
        return [read_template(html, f"form {number}", "task", []) for number, html in enumerate(drawn, start=1)]

    @property
    def _sample(self) -> JSONObject | None:
        if self._is_drawn or not self.args.preview_with_sample:
            return None
        row = {name: value for name, value in self.first_row().items() if name not in self.hidden_fields}
        sample: JSONObject = self.get_page_data(self._page_data(row))
        return sample

    def _page_data(self, row: JSONObject) -> JSONObject:
        if len(self.forms) == 1:
            return row
        return {**row, ROWS_FORM: fill_form(self._versions[row[VERSION] - 1].html, row)}


def _form_of(forms: Sequence[Form], version: JSON, sent: JSONObject) -> Form:
    """Return the form that an answer names; of one that names none, as in a rehearsal, that it fits best."""
    numbered = {str(number): form for number, form in enumerate(forms, start=1)}
    if isinstance(version, str) and version in numbered:
        return numbered[version]
    return max(forms, key=lambda form: sum(one.name in sent for one in form.fields()))


def _rows_with(args: FormBlueprintArgs) -> list[JSONObject] | None:
    """Return the rows that lie beside a form's file. A file that cannot be read is refused later, with the others."""
    try:
        return read_form_file(args.form_source or "").rows
    except ConfigError:
        return None
