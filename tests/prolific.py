"""A stand-in of Prolific and a client of it, for the tests of both, and of what is built upon them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.transport import ApiPatience
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import ProlificStandIn, StandInSettings

#: The completion codes of `draft`.
DONE, SERVER, NO_CONSENT = "C7K2Q9ZD", "R7K2Q9ZD", "N0C0NS3N"
REASON = "You answered every question with the same option, although the instructions ask for a judgement of each one."
BEGIN = 1_800_000_000.0


def code(value: str | None, *actions: str | dict[str, Any], actor: str = "participant") -> dict[str, Any]:
    """Return a completion code."""
    full = [{"action": one} if isinstance(one, str) else one for one in actions]
    return {"code": value, "code_type": "COMPLETED", "actor": actor, "actions": full}


CODES = [
    code(DONE, "MANUALLY_REVIEW"),
    code(SERVER, "MANUALLY_REVIEW", actor="researcher"),
    code(NO_CONSENT, {"action": "REQUEST_RETURN", "return_reason": "No consent given"}),
]


def draft(**changes: Any) -> dict[str, Any]:
    """Return the fields of a study."""
    address = "https://lab.example.org/p?PROLIFIC_PID={{%PROLIFIC_PID%}}&SESSION_ID={{%SESSION_ID%}}"
    return {
        "name": "Rate sentences",
        "description": "<p>Rate 20 sentences</p>",
        "external_study_url": address,
        "prolific_id_option": "url_parameters",
        "completion_codes": CODES,
        "total_available_places": 3,
        "estimated_completion_time": 10,
        "reward": 150,
        "filters": [],
        **changes,
    }


@dataclass
class Asker:
    """Sends plain requests, and returns the status and what was answered."""

    prolific: ProlificStandIn
    session: aiohttp.ClientSession

    async def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> tuple[int, Any]:
        url = f"{self.prolific.url}/api/v1{path}"
        headers = {"Authorization": f"Token {self.prolific.token.reveal()}"}
        async with self.session.request(method, url, json=body, params=params, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def study(self, **changes: Any) -> dict[str, Any]:
        """Make a study, and return it."""
        status, made = await self("POST", "/studies/", draft(**changes))
        assert status == 201, made
        return dict(made)

    async def publish(self, **changes: Any) -> str:
        """Make and publish a study, and return its id once it is active."""
        study_id = str((await self.study(**changes))["id"])
        status, told = await self("POST", f"/studies/{study_id}/transition/", {"action": "PUBLISH"})
        assert status == 200, told
        self.prolific.advance(10)
        return study_id


@dataclass
class Naps:
    """Waits in the stand-in's time, which it puts forward, and notes for how long."""

    prolific: ProlificStandIn
    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.prolific.advance(seconds)


@pytest.fixture
def settings() -> StandInSettings:
    """How the stand-in behaves; a test that wants it otherwise is parametrized with others."""
    return StandInSettings(balance=100_000)


@pytest.fixture
async def prolific(settings: StandInSettings) -> AsyncIterator[ProlificStandIn]:
    """A stand-in whose time stands still until it is put forward."""
    async with ProlificStandIn(settings, clock=FakeClock(BEGIN)) as standin:
        yield standin


@pytest.fixture
async def ask(prolific: ProlificStandIn) -> AsyncIterator[Asker]:
    """Plain requests of the stand-in."""
    async with aiohttp.ClientSession() as session:
        yield Asker(prolific, session)


@pytest.fixture
def naps(prolific: ProlificStandIn) -> Naps:
    """How the client waits."""
    return Naps(prolific)


@pytest.fixture
async def api(prolific: ProlificStandIn, naps: Naps) -> AsyncIterator[ProlificAPI]:
    """The client."""
    patience = ApiPatience(attempts=4, timeout=5)
    client = ProlificAPI(prolific.token, prolific.url, patience, sleep=naps, now=prolific.clock.now, chance=lambda: 0.5)
    async with client:
        yield client


def begin(prolific: ProlificStandIn, study_id: str) -> str:
    """Have somebody new open a study, and return the id of their submission."""
    [one] = prolific.participants(1, seed=len(prolific.world.people))
    assert one.begin(study_id), "no place"
    return str(one.submission_id)


def hand_in(prolific: ProlificStandIn, study_id: str, with_code: str | None = DONE, seconds: float = 600) -> str:
    """Have somebody new work for some time and hand in, and return the id of their submission."""
    [one] = prolific.participants(1, seed=len(prolific.world.people))
    assert one.begin(study_id), "no place"
    prolific.advance(seconds)
    assert one.hand_in(with_code)
    return str(one.submission_id)
