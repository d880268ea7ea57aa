"""What comes of reading a form: usually one form, sometimes several, and what came beside them."""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.model import Form

#: The column that says which of several forms a row is for, counted from 1.
VERSION = "form_version"


@dataclass(frozen=True, slots=True)
class ReadForms:
    """Forms, and what a folder of FormComposer's holds besides.

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
