"""Trying an address by hand, and what a notebook shows of what was found."""

from __future__ import annotations

from typing import Protocol

from mephisto_nb.display.summary import templates
from mephisto_nb.kernel.outside import address_check
from mephisto_nb.kernel.outside.address_report import AddressReport, Fitness

#: By which colour each finding is known; where there is none to see, its word says it.
_STATES = {Fitness.ERROR: "failed", Fitness.WARNING: "paused", Fitness.FINE: "live"}
#: The worst first.
_ORDER = tuple(Fitness)


class Reachable(Protocol):
    """What has an address, and is known by an id: a run."""

    @property
    def url(self) -> str:
        """Where workers come."""

    @property
    def task_run_id(self) -> str:
        """The run's id."""


class ShownAddressReport(AddressReport):
    """What was found out about an address, as a notebook shows it."""

    def _repr_html_(self) -> str:
        rows = sorted(self.findings, key=lambda one: _ORDER.index(one.fitness))
        return templates.get_template("address.html").render(report=self, rows=rows, states=_STATES)


async def check_address(address: str | Reachable, *, allow_local: bool = False) -> ShownAddressReport:
    """Try the address of a run as people far away would come by it, and return what was found.

    The name, the certificate, the router, its page and scripts, what is posted, WebSockets, the clock and the speed are
    tried through the public name alone, in less than ten seconds, and it costs nobody anything. Before a crowd is
    offered a run, this is done by itself.

    Parameters
    ----------
    address
        A run; or an address, such as that which you mean to give as ``mephisto.architect.url``. Behind it a run has to
        live, one of a rehearsal for instance.
    allow_local
        Whether the address may lead to this computer or network alone, and begin with ``http://``: for people who are
        here, too.

    Returns
    -------
    ShownAddressReport
        A table in a notebook, a list as a ``str``; ``errors`` and ``warnings`` are what is wrong,
        ``raise_for_errors()`` raises it.

    Examples
    --------
    ``await mephisto_nb.check_address(run)``, or ``await mephisto_nb.check_address("https://lab.example/study/")``
    """
    url, run_id = (address, "") if isinstance(address, str) else (address.url, address.task_run_id)
    report = await address_check.check_address(url, run_id=run_id, allow_local=allow_local)
    return ShownAddressReport(report.url, report.findings)
