"""What is found out about the address of a run, as somebody far away would find it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mephisto_nb.errors import LaunchError
from mephisto_nb.model.money import count
from mephisto_nb.utils.logging import neutralise


class Fitness(StrEnum):
    """What a finding means for people who are to come by the address."""

    #: They cannot, or not all of them, or not for as long as they are to.
    ERROR = "error"
    WARNING = "warning"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class AddressFinding:
    """One thing that was tried, what was found, and what to do about it; a fine one needs nothing."""

    fitness: Fitness
    tried: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return neutralise(f"{self.tried}: {self.found}{' ' if self.remedy else ''}{self.remedy}")


class Findings:
    """What is found, one thing after the other."""

    def __init__(self) -> None:
        self.found: list[AddressFinding] = []

    def fine(self, tried: str, found: str) -> None:
        """Note that something is as it should be."""
        self.found.append(AddressFinding(Fitness.FINE, tried, found))

    def warn(self, tried: str, found: str, remedy: str) -> None:
        """Note what may keep people out."""
        self.found.append(AddressFinding(Fitness.WARNING, tried, found, remedy))

    def error(self, tried: str, found: str, remedy: str) -> None:
        """Note what keeps people out."""
        self.found.append(AddressFinding(Fitness.ERROR, tried, found, remedy))


@dataclass(frozen=True)
class AddressReport:
    """All that was found out about one address.

    Parameters
    ----------
    url
        The address.
    findings
        What was found, in the order in which it was tried.

    Examples
    --------
    >>> report = AddressReport("http://lab", (AddressFinding(Fitness.ERROR, "the address", "no TLS.", "Use https."),))
    >>> report
    <AddressReport http://lab: 1 error, 0 warnings>
    >>> print(report)
    http://lab cannot be offered to a crowd: 1 error, 0 warnings.
      error    the address: no TLS. Use https.
    """

    url: str
    findings: tuple[AddressFinding, ...]

    @property
    def errors(self) -> list[AddressFinding]:
        """What keeps people out."""
        return self._of(Fitness.ERROR)

    @property
    def warnings(self) -> list[AddressFinding]:
        """What may keep people out, or some of them, or later."""
        return self._of(Fitness.WARNING)

    @property
    def verdict(self) -> str:
        """Whether a crowd can be given the address, in one sentence."""
        can = "cannot be offered" if self.errors else "can be offered"
        return neutralise(f"{self.url} {can} to a crowd: {self._counted}.")

    def raise_for_errors(self) -> None:
        """Raise one `LaunchError` with all errors, if there are any.

        Raises
        ------
        LaunchError
            People cannot come by this address.
        """
        if self.errors:
            told = "".join(f"\n- {one}" for one in self.errors)
            raise LaunchError(neutralise(f"{self.url} was tried as people would come by it, and they cannot:") + told)

    def __str__(self) -> str:
        width = max(len(one) for one in Fitness)
        return "\n".join([self.verdict, *(f"  {one.fitness:<{width}}  {one}" for one in self.findings)])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {neutralise(self.url)}: {self._counted}>"

    @property
    def _counted(self) -> str:
        return f"{count(len(self.errors), 'error')}, {count(len(self.warnings), 'warning')}"

    def _of(self, fitness: Fitness) -> list[AddressFinding]:
        return [one for one in self.findings if one.fitness is fitness]
