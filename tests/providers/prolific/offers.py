"""What the tests of the provider share: an offer, a run's memory, a provider of a stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.money import Money
from mephisto_nb.providers.prolific import ProlificProvider, ProlificProviderArgs
from mephisto_nb.providers.prolific.account import Surroundings
from mephisto_nb.testing.prolific import ProlificStandIn
from mephisto_nb.utils.proofs import Secret
from tests.prolific import Naps

RUN, SECRET = "run-7f3a", "5ec4e7" * 11
URL = "https://lab.example.org/run"


def offer(**changes: Any) -> Offer:
    """Return what a run offers."""
    values = {
        "task_run_id": RUN,
        "title": "Rate sentences",
        "description": "Rate <20> sentences.\n\nIt is short.",
        "url": URL,
        "reward": Money.of("1.50", "GBP"),
        "places": 3,
        "visit_seconds": 1800.0,
        "concurrent": 2,
    }
    return Offer(**{**values, **changes})


@dataclass
class Memory:
    """A run's memory; it may be handed to another provider, as to another kernel."""

    values: dict[str, Any] = field(default_factory=dict)

    def read(self) -> dict[str, Any]:
        return dict(self.values)

    async def keep(self, values: Mapping[str, object]) -> None:
        self.values.update(values)


def provider_of(prolific: ProlificStandIn, secret: str = SECRET, **settings: Any) -> ProlificProvider:
    """Return a provider of a run, as a kernel makes it, whose clock is the stand-in's."""
    around = Surroundings(prolific.clock, Naps(prolific), lambda: 0.5)
    args = ProlificProviderArgs(**{"estimated_minutes": 10.0, "base_url": prolific.url, **settings})
    made = ProlificProvider(args, around)
    made.take_run_secret(Secret(secret))
    return made


async def opened(prolific: ProlificStandIn, **settings: Any) -> ProlificProvider:
    """Return a provider whose study is published."""
    made = provider_of(prolific, **settings)
    await made.recruiter.open(offer(), Memory())
    return made
