"""Who comes, by the parameters of an address. All of it is a stranger's to write, and is taken for that."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.people import LONGEST_NAME, find_unusable
from mephisto_nb.providers.external.codes import has_signed
from mephisto_nb.providers.external.setup import SESSION, STUDY, ExternalSetup
from mephisto_nb.providers.external.templates import fill, names_in
from mephisto_nb.utils.proofs import Secret

_MOST_PARAMETERS, _LONGEST, _LONGEST_QUERY, _LONGEST_CAPTURED = 60, 2000, 8000, 500
#: What stands in an address where a crowd has put nothing in its place. Browsers read ``%CA`` as a letter of its own.
MACRO = re.compile(
    r"\{\{.*\}\}|\$\{.*\}|\{%.*%\}|\{[A-Za-z_]\w*\}|\[%?[A-Za-z_]\w*%?\]|%[A-Za-z_]\w*%|\ufffd\w*%|<[A-Za-z_]\w*>|#\{.*\}",
    re.ASCII,
)
_WORDS = {"participant": "who you are", STUDY: "which study it is", SESSION: "which visit it is"}


@dataclass(frozen=True, slots=True)
class NamedByAddress:
    """What an address says of who comes by it."""

    participant: str
    study: str = ""
    session: str = ""
    captured: dict[str, str] = field(default_factory=dict)

    @property
    def registration_id(self) -> str:
        """What the crowd calls the visit; if it does not, the person and the study."""
        if self.session:
            return self.session
        return "/".join(quote(one, safe="") for one in (self.participant, self.study) if one)


def read_arrival(setup: ExternalSetup, data: JSONObject, secret_of: Callable[[str, str], Secret]) -> NamedByAddress:
    """Return who comes.

    Parameters
    ----------
    secret_of
        Returns the secret of a name, for a setting.

    Raises
    ------
    ValueError
        The address names nobody, or was changed; the message is for whoever came by it.
    """
    given = _parameters(setup, data)
    found = {role: _find(given, name) for role, name in setup.parameters.items()}
    macro = next((setup.parameters[role] for role, value in found.items() if value and MACRO.fullmatch(value)), None)
    if macro:
        raise ValueError(
            f"You opened this link by hand: {_title(setup)} puts each person's id where "
            f"{found_of(found, setup, macro)!r} stands. That is fine for a look at the page; nobody was registered."
        )
    for role, name in setup.parameters.items():
        if not found[role] and role not in setup.preset.may_lack:
            raise ValueError(
                f"Your link does not say {_WORDS[role]}: {name!r} is missing in it. Please open the task from "
                f"{_title(setup)} again, and use the whole link."
            )
    _check_ids(setup, found)
    arrival = NamedByAddress(
        found["participant"],
        found.get(STUDY) or setup.study_value,
        found.get(SESSION, ""),
        _captured(setup, given),
    )
    if setup.signed.parameter:
        _check_signature(setup, data, given, found, secret_of)
    return arrival


def found_of(found: Mapping[str, str], setup: ExternalSetup, parameter: str) -> str:
    """Return what was found in a parameter, cut short."""
    return next(value for role, value in found.items() if setup.parameters[role] == parameter)[:40]


def find_parameter(setup: ExternalSetup, data: JSONObject, name: str) -> str:
    """Return one parameter of an address; '' where there is none. Raises `ValueError`."""
    return _find(_parameters(setup, data), name)


def _parameters(setup: ExternalSetup, data: JSONObject) -> dict[str, str]:
    given = data.get("parameters")
    if setup.signed.parameter and "query" in names_in(setup.signed.over):
        # What is signed is the query, so nothing but the query counts.
        given = dict(parse_qsl(_query(data), keep_blank_values=True))
    if not isinstance(given, dict) or len(given) > _MOST_PARAMETERS:
        raise ValueError(f"Your link does not say who you are. Please open the task from {_title(setup)} again.")
    if not all(isinstance(value, str) and len(name) + len(value) <= _LONGEST for name, value in given.items()):
        raise ValueError(f"Your link cannot be read. Please open the task from {_title(setup)} again.")
    return given


def _query(data: JSONObject) -> str:
    query = data.get("query")
    return query.removeprefix("?") if isinstance(query, str) and len(query) <= _LONGEST_QUERY else ""


def _find(given: Mapping[str, str], name: str) -> str:
    """Return a parameter by its exact name, or else by one that differs in capital letters alone."""
    if name in given:
        return given[name].strip()
    alike = {value.strip() for key, value in given.items() if key.lower() == name.lower()}
    return alike.pop() if len(alike) == 1 else ""


def _check_ids(setup: ExternalSetup, found: Mapping[str, str]) -> None:
    for role, value in found.items():
        pattern = setup.participant_pattern if role == "participant" else setup.id_pattern
        is_fit = len(value) <= LONGEST_NAME and pattern.fullmatch(value) and any(char.isalnum() for char in value)
        if value and not (is_fit and not find_unusable(value)):
            raise ValueError(
                f"Your link is damaged: {setup.parameters[role]!r} in it is no id that {_title(setup)} gives. Please "
                "open the task from there again, and change nothing in the link."
            )


def _captured(setup: ExternalSetup, given: Mapping[str, str]) -> dict[str, str]:
    """Return what else is kept; what is empty, unreadable or was never filled in is left out."""
    found = {name: _find(given, name) for name in setup.captured}
    return {
        name: value
        for name, value in found.items()
        if value and not find_unusable(value, _LONGEST_CAPTURED) and not MACRO.fullmatch(value)
    }


def _check_signature(
    setup: ExternalSetup,
    data: JSONObject,
    given: Mapping[str, str],
    found: Mapping[str, str],
    secret_of: Callable[[str, str], Secret],
) -> None:
    signed = setup.signed
    secret = secret_of(signed.secret, "mephisto.provider.signed.secret")
    text = signed_text(setup, query_before(_query(data), signed.parameter), found, _all(setup, given))
    if not has_signed(_find(given, signed.parameter), secret, text, signed.algorithm, signed.encoding):
        raise ValueError(
            f"This link is not as {_title(setup)} made it: its signature is missing, or does not fit. Please open the "
            "task from there again."
        )


def _all(setup: ExternalSetup, given: Mapping[str, str]) -> dict[str, str]:
    return {name: _find(given, name) for name in setup.captured}


def signed_text(setup: ExternalSetup, query: str, found: Mapping[str, str], captured: Mapping[str, str]) -> str:
    """Return the text that an address's signature is made of; `query` is what stands before it."""
    return fill(
        setup.signed.over, {**dict.fromkeys(setup.captured, ""), **captured, **found, "query": query}, encode=False
    )


def query_before(query: str, parameter: str) -> str:
    """Return what of a query stands before its signature, which is the last of its parameters."""
    at = query.rfind(f"&{parameter}=")
    return query[:at] if at >= 0 and "&" not in query[at + 1 :] else ""


def _title(setup: ExternalSetup) -> str:
    return setup.preset.title
