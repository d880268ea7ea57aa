"""Requirements on workers, in Mephisto's ten comparators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.records import crowd_of


class Comparator(StrEnum):
    """How a granted value is held against the required one."""

    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL_TO = "GreaterThanOrEqualTo"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL_TO = "LessThanOrEqualTo"
    EQUAL_TO = "EqualTo"
    NOT_EQUAL_TO = "NotEqualTo"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    IN = "In"
    NOT_IN = "NotIn"


C = Comparator

_COMPARE: dict[Comparator, Callable[[int, JSON], bool]] = {
    C.GREATER_THAN: operator.gt,
    C.GREATER_THAN_OR_EQUAL_TO: operator.ge,
    C.LESS_THAN: operator.lt,
    C.LESS_THAN_OR_EQUAL_TO: operator.le,
    C.EQUAL_TO: operator.eq,
    C.NOT_EQUAL_TO: operator.ne,
    C.IN: lambda granted, wanted: granted in wanted,
    C.NOT_IN: lambda granted, wanted: granted not in wanted,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition that a worker has to meet.

    Every comparator but `DoesNotExist` needs a grant: a worker who was never granted the qualification
    fails even `NotEqualTo` and `NotIn`.
    """

    qualification_name: str
    comparator: Comparator
    value: JSON = None
    applicable_providers: list[str] | None = field(default=None)

    def is_met_by(self, grants: dict[str, int]) -> bool:
        """Return whether a worker with these grants (name → value) meets the condition."""
        granted = grants.get(self.qualification_name)
        if self.comparator is C.EXISTS:
            return granted is not None
        if self.comparator is C.DOES_NOT_EXIST:
            return granted is None
        return granted is not None and _COMPARE[self.comparator](granted, self.value)

    def applies_to(self, provider_type: str) -> bool:
        """Return whether workers of this provider are held to the condition."""
        return self.applicable_providers is None or crowd_of(provider_type) in map(crowd_of, self.applicable_providers)

    def to_dict(self) -> JSONObject:
        """Return the requirement in Mephisto's dictionary form."""
        return asdict(self) | {"comparator": self.comparator.value}


def make_requirement(
    qualification_name: str,
    comparator: str | Comparator,
    value: JSON = None,
    applicable_providers: list[str] | None = None,
) -> Requirement:
    """Build a requirement, refusing a value that its comparator cannot use.

    Raises
    ------
    ConfigError
        For an unknown comparator, or a value of the wrong type.
    """
    try:
        known = Comparator(comparator)
    except ValueError:
        names = ", ".join(Comparator)
        raise ConfigError(
            f"Qualification {qualification_name!r}: there is no comparator {comparator!r}. Use one of: {names}."
        ) from None
    wanted = _wanted_type(known)
    if not _fits(wanted, value):
        raise ConfigError(
            f"Qualification {qualification_name!r}: {known.value} needs {wanted} as its value, not {value!r}."
        )
    return Requirement(qualification_name, known, value, applicable_providers)


def _wanted_type(comparator: Comparator) -> str:
    if comparator in (C.EXISTS, C.DOES_NOT_EXIST):
        return "nothing (None)"
    return "a list of whole numbers" if comparator in (C.IN, C.NOT_IN) else "a whole number"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fits(wanted: str, value: object) -> bool:
    if wanted.startswith("nothing"):
        return value is None
    if wanted.startswith("a list"):
        return isinstance(value, (list, tuple)) and all(map(_is_int, value))
    return _is_int(value)


def requirement_from_dict(raw: JSONObject | Requirement) -> Requirement:
    """Read Mephisto's form ``{qualification_name, comparator, value, applicable_providers}``.

    Raises
    ------
    ConfigError
        For a missing name, an unknown key, or what `make_requirement` refuses.
    """
    if isinstance(raw, Requirement):
        return raw
    known = {"qualification_name", "comparator", "value", "applicable_providers"}
    if not isinstance(raw, dict) or not {"qualification_name", "comparator"} <= set(raw) <= known:
        raise ConfigError(
            f"A required qualification is given as {{'qualification_name': ..., 'comparator': ..., 'value': ...}}, "
            f"not as {raw!r}."
        )
    return make_requirement(**raw)
