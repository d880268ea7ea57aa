"""Everything goes wrong at once, by chance: work is paid once, and what is not known is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mephisto_nb.errors import OutcomeUnknown
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.transport import ApiPatience
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.testing.prolific import Mishap, Mishaps, ProlificStandIn, StandInSettings
from tests.prolific import BEGIN, DONE, Naps, draft, hand_in

pytestmark = pytest.mark.slow
COUNT = 30
#: A fifth of all requests, but for those that hang, which take real time.
SHARES = {one: 0.03 for one in Mishap if one is not Mishap.HANG_AFTER}


@pytest.fixture(params=range(3))
async def stormy(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ProlificStandIn, ProlificAPI]]:
    settings = StandInSettings(balance=100_000)
    async with ProlificStandIn(settings, clock=FakeClock(BEGIN), seed=request.param) as prolific:
        naps = Naps(prolific)
        patience = ApiPatience(attempts=12, longest_wait=2)
        async with ProlificAPI(prolific.token, prolific.url, patience, sleep=naps) as api:
            study = await api.studies.create(draft(total_available_places=COUNT))
            await api.studies.publish(study.id)
            prolific.advance(10)
            for _ in range(COUNT):
                hand_in(prolific, study.id, DONE, seconds=1)
            prolific.mishaps.shares.update(SHARES)
            prolific.mishaps.burst = 2
            yield prolific, api


async def test_everybody_is_approved_once(stormy: tuple[ProlificStandIn, ProlificAPI]) -> None:
    prolific, api = stormy
    [study_id] = prolific.world.studies
    rows = [one async for one in api.submissions.of_study(study_id)]
    for one in rows:
        await api.submissions.approve(one.id)
    prolific.advance(10)
    assert (await api.submissions.counts(study_id))["APPROVED"] == COUNT
    assert prolific.books.paid("reward").amount == COUNT * 150
    assert len({one for one, _ in prolific.mishaps.happened}) >= 3


async def test_each_bonus_is_paid_or_told_as_unknown(stormy: tuple[ProlificStandIn, ProlificAPI]) -> None:
    prolific, api = stormy
    [study_id] = prolific.world.studies
    prolific.mishaps.shares.clear()
    made = [await api.bonuses.set_up(study_id, [(one, 50)], currency="GBP") for one in prolific.world.submissions]
    prolific.mishaps.shares.update(dict.fromkeys((Mishap.LOST_AFTER, Mishap.CUT_BEFORE, Mishap.ERROR_AFTER), 0.15))
    unknown = 0
    for one in made:
        try:
            await api.bonuses.pay(one.id)
        except OutcomeUnknown:
            unknown += 1
    prolific.advance(100)
    paid = [len(one.bonuses) for one in prolific.world.submissions.values()]
    assert set(paid) == {0, 1}, "nobody is paid twice"
    assert COUNT - unknown <= sum(paid) < COUNT, "what was not told as unknown is paid"


async def test_a_plan_of_nothing_does_nothing() -> None:
    assert Mishaps().of_request("GET", "/users/me/") is None
