"""What pages would show of rows, before anybody is paid to look at it: whether it is there, and its files are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.extra_files import ExtraFiles, Missing, find_missing_media
from mephisto_nb.blueprints.static_html.task_data import name_rows
from mephisto_nb.blueprints.static_html.template import Template, columns_of, filled_addresses, find_empty_rows
from mephisto_nb.errors import DataFileError
from mephisto_nb.model.shared_state import InitializationData

#: Rows with what each is called.
Rows = Sequence[tuple[str, InitializationData]]


@dataclass(frozen=True, slots=True)
class ShownRows:
    """Looks at rows as pages would show them.

    Parameters
    ----------
    templates_of
        By what a row is shown.
    extra
        The files beside the page.
    has_scripts
        Whether scripts may show what no template names, and load what it names from elsewhere.
    may_be_empty
        Whether a page may do with nothing of its row.
    remark
        Told what looks wrong.
    unknown
        Columns whose addresses are made into others when a worker gets the row.
    """

    templates_of: Callable[[JSONObject], Sequence[Template]]
    extra: ExtraFiles
    has_scripts: bool
    may_be_empty: bool
    remark: Callable[[str], None]
    unknown: Collection[str] = ()

    def check(self, rows: Rows) -> None:
        """Raise `DataFileError` for rows of which nothing, or a gap in a picture's place, would be seen."""
        self._check_blanks(rows)
        self._check_files(rows)

    def _check_blanks(self, rows: Rows) -> None:
        nothing, some = find_empty_rows(
            lambda data: [field for template in self.templates_of(data) for field in template.fields], rows
        )
        for paths, labels in nothing.items() if not self.may_be_empty else ():
            raise DataFileError(
                f"Workers would get an empty page: of a row, the template shows {_quoted(paths)} alone, and that is "
                f"empty in {name_rows(labels)}. Leave such rows out (of a DataFrame: df.dropna(subset={list(paths)!r}, "
                "how='all')); or set mephisto.blueprint.allow_empty=true, if it is meant."
            )
        for paths, labels in [*nothing.items(), *some.items()]:
            self.remark(
                f"Workers will see nothing where {_quoted(paths)} should stand: it is empty in {name_rows(labels)}. "
                "Fill in what is missing, or leave these rows out, unless that is meant."
            )

    def _check_files(self, rows: Rows) -> None:
        shown, linked, passed = Missing(self.extra), Missing(self.extra), {*self.unknown}
        for label, template, data in each_page(rows, self.templates_of):
            known = {name: value for name, value in data.items() if name not in self.unknown}
            addresses, links = filled_addresses(template, known)
            shown.look(label, addresses)
            linked.look(label, links)
            passed |= columns_of(template.fields)
        told = shown.say(name_rows)
        if told and not self.has_scripts:
            raise DataFileError(told)
        others = ""
        if self.has_scripts:
            data_of = ((label, data) for label, _, data in each_page(rows, self.templates_of))
            others = find_missing_media(self.extra, data_of, (), passed).say(name_rows)
        for remark in filter(None, [told, linked.say(name_rows), others]):
            self.remark(remark)

    def check_template(self, name: str, template: Template | None, data: object) -> None:
        """Remark what a template beside that of the rows, which errors call `name`, shows and is not there."""
        if template is not None:
            missing = Missing(self.extra)
            missing.look(name, filled_addresses(template, data if isinstance(data, dict) else {})[0])
            if told := missing.say(", ".join):
                self.remark(told)


def each_page(
    rows: Rows, templates_of: Callable[[JSONObject], Iterable[Template]]
) -> Iterator[tuple[str, Template, JSONObject]]:
    """Return by which template each unit of each row is shown, and its data."""
    for label, row in rows:
        for unit_data in row.unit_data:
            data = {**row.shared, **unit_data}
            for template in templates_of(data):
                yield label, template, data


def _quoted(paths: Iterable[str]) -> str:
    return ", ".join(f"'{path}'" for path in paths)
