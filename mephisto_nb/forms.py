"""From a form and some rows to a task, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form import FormBlueprint, FormBlueprintArgs
from mephisto_nb.blueprints.form.blueprint import PROBLEMS
from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.classes import is_form_class, read_types
from mephisto_nb.blueprints.form.example import example_answer
from mephisto_nb.blueprints.form.files import read_form_file
from mephisto_nb.blueprints.form.form_composer import is_form_composer, read_form_composer
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.render import render_preview
from mephisto_nb.blueprints.form.spec import read_spec, to_spec
from mephisto_nb.data_model.shared_state import SharedTaskState
from mephisto_nb.errors import ConfigError
from mephisto_nb.export.frames import results_frame
from mephisto_nb.operations.hydra_config import compose


@dataclass(frozen=True)
class FormTask:
    """A form and its rows, ready to be launched: ``await operator.launch_task_run(*form_task)``.

    On a line of its own in a notebook it shows the form, filled with the first row, and what a row of `results()`
    will hold. `form`, `config` and `shared_state` are what it is made of.

    Examples
    --------
    >>> task = form_task({"fields": {"mood": {"type": "radio", "options": ["glad", "grim"]}}}, task_name="moods")
    >>> config, shared_state = task
    """

    form: Form
    config: DictConfig
    shared_state: SharedTaskState
    _first_row: JSONObject = field(repr=False)
    _blueprint: FormBlueprint = field(repr=False)

    def __iter__(self) -> Iterator[Any]:
        yield self.config
        yield self.shared_state

    def example(self, answer: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Give the row of `results()` that an answer becomes: its ``input.NAME`` and ``answer.NAME`` columns.

        Parameters
        ----------
        answer
            Values by the names of fields. None: something is made up for each field.

        Examples
        --------
        >>> task = form_task({"fields": {"mood": "text"}}, [{"text": "Rain."}], task_name="moods")
        >>> task.example({"mood": "grim"})[["input.text", "answer.mood"]].values.tolist()
        [['Rain.', 'grim']]
        """
        data = dict(example_answer(self.form) if answer is None else answer)
        row = {"shared": self._first_row, "unit_data": [{}], "unit_index": 0, "data": data}
        frame = results_frame([row], self._blueprint.get_inputs, self._blueprint.get_answer)
        if answer is None:
            frame[f"answer.{PROBLEMS}"] = None  # what was made up meets no pattern
        return frame.filter(regex=r"^(input|answer)\.")

    def find_problems(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """Give what is wrong with an answer, by the names of fields; what a worker would be told.

        Examples
        --------
        >>> task = form_task({"fields": {"age": {"type": "number", "min": 18}}}, task_name="ages")
        >>> task.find_problems({"age": 17})
        {'age': 'Please give 18 or more.'}
        """
        return find_problems(self.form, answer)

    def _repr_html_(self) -> str:
        return render_preview(self.form, self._first_row) + self.example().to_html(index=False, escape=True)


def form_task(
    form: Any,
    data: Any = None,
    *,
    instruction: str | None = None,
    blueprint_args: Mapping[str, Any] | None = None,
    architect_args: Mapping[str, Any] | None = None,
    provider_args: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    **task: Any,
) -> FormTask:
    """Make a task of a form and rows of data.

    Parameters
    ----------
    form
        A dataclass or a pydantic model; a description, as a dictionary; a FormComposer configuration, as it was loaded
        from its JSON; or the path of a file of the latter two.
    data
        What `SharedTaskState.static_task_data` takes, such as a DataFrame; ``${name}`` in the form's texts is filled
        from it. None: one row that is empty.
    instruction
        HTML above the form, in place of its own: what there is to be judged, such as ``<p>${text}</p>``.
    blueprint_args, architect_args, provider_args, overrides
        Further settings, as for `compose`.
    **task
        The settings of ``mephisto.task``, such as ``task_name`` and ``task_reward``.

    Returns
    -------
    FormTask
        To be looked at, and then launched.

    Raises
    ------
    ConfigError
        Naming the part of the form that cannot be used, or the setting.
    DataFileError
        A file cannot be read, or the rows lack what the form's texts ask for.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Mood:
    ...     mood: str
    ...     sure: bool = False
    >>> rows = [{"text": "What a day!"}]
    >>> task = form_task(Mood, rows, instruction="<p>${text}</p>", task_name="moods", task_reward=0.1)
    >>> list(task.example({"mood": "glad"}))
    ['input.text', 'answer.mood', 'answer.sure', 'answer.(problems)']
    """
    read = read_form(form)
    if instruction is not None:
        read = read_spec({**to_spec(read), "instruction": instruction})
    settings = {**(blueprint_args or {}), "form": to_spec(read)}
    config = compose(
        "form",
        task=task,
        blueprint_args=settings,
        architect_args=architect_args,
        provider_args=provider_args,
        overrides=overrides,
    )
    shared_state = SharedTaskState(static_task_data=[{}] if data is None else data)
    blueprint = FormBlueprint(FormBlueprintArgs(**settings), shared_state)
    blueprint.assert_task_args()
    return FormTask(read, config, shared_state, blueprint.first_row, blueprint)


def read_form(form: Any) -> Form:
    """Understand a form, in whatever way it is given (see `form_task`)."""
    if is_form_class(form):
        return read_types(form)
    if isinstance(form, str | PathLike):
        return read_form_file(fspath(form))
    if is_form_composer(form):
        return read_form_composer(form, "form")
    if isinstance(form, Mapping):
        return read_spec(form)
    raise ConfigError(
        f"The form is a {type(form).__name__}, which no form can be read from. Give a dataclass, a pydantic model, a "
        "description ({'fields': {'mood': 'text'}}), or the path of a file."
    )
