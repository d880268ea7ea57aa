"""The id of an agent is all that speaks for it: it cannot be guessed, and nothing that is almost it will do."""

import math

import pytest

from mephisto_nb.router.intake.multipart import Upload
from mephisto_nb.utils.ids import new_id
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.conftest import operator as real_operator
from tests.kernel.runs import crowd_of, launch, rows, take

__all__ = ["data_dir", "make_operator", "real_operator"]


def entropy_bits(texts):
    """Return a lower bound of what each text hides: letter by letter, from how often each letter stands there."""
    columns = zip(*texts, strict=True)
    return sum(column_entropy(column) for column in columns)


def column_entropy(column):
    shares = [column.count(letter) / len(column) for letter in set(column)]
    return -sum(share * math.log2(share) for share in shares)


def test_the_random_part_of_an_id_hides_eighty_bits(monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    assert entropy_bits([new_id() for _ in range(4000)]) > 79


def test_the_name_of_an_upload_hides_128_bits():
    assert entropy_bits([Upload("f", "o", "m").filename for _ in range(4000)]) > 127


ALMOST = ["AGENT_OF_ANN", "agent_of_ann ", "./agent_of_ann", "agent_of_an", "agent_of_ann%", "agent_of_\uff41nn",
          "agent_of_ann\0", ["agent_of_ann"], {"$ne": None}]  # fmt: skip


@pytest.mark.parametrize("wrong", ALMOST)
async def test_what_is_almost_the_id_of_an_agent_is_nobody(browser, operator, wrong):
    await operator.give_agent("agent_of_ann")
    posts = [("/submit_task", {"final_data": {}}), ("/submit_metadata", {"metadata": {}}), ("/return_unit", {})]
    codes = {(await browser.post(path, {"USED_AGENT_ID": wrong, **body}))[0] for path, body in posts}
    assert codes <= {400, 404}
    async with browser.socket() as page:
        await page.send("alive", wrong, {})
        await page.send("alive", "agent_of_ann", {})
        assert (await page.receive())["subject_id"] == "agent_of_ann"


async def test_what_one_agent_is_told_no_other_hears(browser, operator):
    ann, bob = await operator.give_agent(), await operator.give_agent()
    async with browser.socket(ann) as of_ann, browser.socket(bob) as of_bob:
        await operator.effect("client_bound_live_update", ann, {"text": "for ann", "update_id": "u1"})
        await operator.effect("client_bound_live_update", bob, {"text": "for bob", "update_id": "u2"})
        assert (await of_bob.receive())["data"]["text"] == "for bob"
        assert (await of_ann.receive())["data"]["text"] == "for ann"


async def test_leaving_with_one_agent_leaves_the_others_where_they_are(browser, operator):
    ann, bob = await operator.give_agent(), await operator.give_agent()
    assert (await browser.post("/return_unit", {"USED_AGENT_ID": ann}))[0] == 200
    async with browser.socket(ann):
        pass
    assert (await browser.submit(bob, mood="calm"))[0] == 200


async def test_a_seen_registration_gives_no_access_to_anothers_agent(real_operator):
    run = await launch(real_operator, rows(3))
    async with crowd_of(run.url) as worker:
        of_ann = await take(worker("ann"), "seen-on-a-screen")
        assert await take(worker("ann"), "seen-on-a-screen") == of_ann
        assert await take(worker("bob"), "seen-on-a-screen") != of_ann
