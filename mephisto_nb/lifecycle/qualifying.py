"""Who would qualify: requirements held against what is known of workers, and why each other does not."""

from __future__ import annotations

from collections.abc import Sequence

from mephisto_nb.model.qualifications import Comparator, Requirement
from mephisto_nb.model.records import WorkerFacts

C = Comparator

#: How a requirement reads, and how it fails.
_WORDS = {
    C.GREATER_THAN: "more than {value}",
    C.GREATER_THAN_OR_EQUAL_TO: "{value} or more",
    C.LESS_THAN: "less than {value}",
    C.LESS_THAN_OR_EQUAL_TO: "{value} or less",
    C.EQUAL_TO: "{value}",
    C.NOT_EQUAL_TO: "anything but {value}",
    C.IN: "one of {value}",
    C.NOT_IN: "none of {value}",
}


def why_not(requirements: Sequence[Requirement], facts: WorkerFacts) -> str | None:
    """Say why a worker would not be let in, in words for the researcher; None: they would be.

    The first reason counts, in the order in which an arriving worker is checked: a block, then the requirements.
    """
    if facts.worker is not None and facts.worker.blocked:
        return "is blocked"
    provider = facts.worker.provider_type if facts.worker is not None else ""
    for requirement in requirements:
        if requirement.applies_to(provider) and not requirement.is_met_by(facts.grants):
            return _unmet(requirement, facts.grants.get(requirement.qualification_name))
    return None


def _unmet(requirement: Requirement, granted: int | None) -> str:
    name = requirement.qualification_name
    if granted is None:
        return f"does not have {name!r}"
    if requirement.comparator is C.DOES_NOT_EXIST:
        return f"has {name!r}, which must not be"
    return f"{name!r} is {granted}, and has to be {describe_value(requirement)}"


def describe_value(requirement: Requirement) -> str:
    """Say which values a requirement asks for."""
    value = requirement.value
    listed = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return _WORDS[requirement.comparator].format(value=listed)
