"""A name is no proof: who comes without the key of their own link is nobody, and the key stands nowhere but there."""

import os
import stat
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright, expect

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import UsageError
from mephisto_nb.kernel.launching.run_secret import RunSecret
from mephisto_nb.testing.simulated_workers import make_worker, simulate_workers
from tests.chromium import FLAGS, find_chromium
from tests.inside import frames_of, parts_of
from tests.kernel.conftest import data_dir, make_operator
from tests.kernel.conftest import operator as real_operator
from tests.kernel.runs import ABOUT, SharedTaskState, crowd_of, kill, router_pid, rows, take
from tests.security.test_token import texts_below

__all__ = ["data_dir", "make_operator", "real_operator"]


async def launch(operator, units=3, blueprint="mock", **args):
    """Launch a run as it is without further settings: its links are signed."""
    config = compose(blueprint, task={**ABOUT, "task_reward": 0.1}, blueprint_args=args)
    return await operator.launch_task_run(config, SharedTaskState(static_task_data=rows(units)))


def key_of(run, name):
    return urlsplit(run.get_worker_url(name)).fragment.removeprefix("key=")


async def test_nobody_registers_as_ann_without_her_link(real_operator):
    run = await launch(real_operator)
    async with crowd_of(run) as worker, crowd_of(run.url) as stranger:
        of_ann = await take(worker("ann"), "seen-on-a-screen")
        false_ann = stranger("ann")
        told = [await false_ann.register("seen-on-a-screen"), await false_ann.register()]
        false_ann.link = run.get_worker_url("bob")
        told.append(await false_ann.register("seen-on-a-screen"))
        assert {(one["agent_id"], one["failure_code"]) for one in told} == {(None, "bad_registration")}
        assert of_ann not in str(told)
        assert await take(worker("ann"), "seen-on-a-screen") == of_ann
    assert list(run.agents()["worker_name"]) == ["ann"]


async def test_a_stranger_leaves_no_worker_behind(real_operator):
    run = await launch(real_operator)
    async with crowd_of(run.url) as stranger:
        for index in range(5):
            await stranger(f"stranger {index}").register()
    assert run.agents().empty
    assert "stranger" not in str(run.events().to_csv())


async def test_a_link_outlives_the_router_and_the_kernel(real_operator, make_operator):
    run = await launch(real_operator)
    link = run.get_worker_url("ann")
    async with crowd_of(run) as worker:
        of_ann = await take(worker("ann"), "r")
    await real_operator.detach()
    await kill(router_pid(run))
    taken_up = await make_operator().reconnect(run.task_run_id)
    assert taken_up.get_worker_url("ann") == link
    async with crowd_of(taken_up) as worker, crowd_of(taken_up.url) as stranger:
        assert await take(worker("ann"), "r") == of_ann
        assert (await stranger("ann").register("r"))["agent_id"] is None


async def test_a_key_of_one_run_opens_no_other(real_operator):
    one, other = await launch(real_operator), await launch(real_operator)
    assert key_of(one, "ann") != key_of(other, "ann")
    async with crowd_of(other.url) as stranger:
        ann = stranger("ann")
        ann.link = one.get_worker_url("ann")
        assert (await ann.register())["failure_code"] == "bad_registration"


async def test_neither_key_nor_secret_is_written_where_they_do_not_belong(real_operator, data_dir, caplog):
    caplog.set_level("DEBUG")
    run = await launch(real_operator)
    async with crowd_of(run) as worker:
        await worker("ann").submit(await take(worker("ann")), {"mood": "calm"})
        shown = repr(make_worker(run, "ann", worker("ann").session))
    secret = parts_of(run).directory / "link_secret"
    places = {
        "displays": str([repr(run), repr(real_operator), shown]),
        "objects": str([parts_of(run), vars(parts_of(run).provider), frames_of(run).task_run]),
        "frames": str([run.units().to_csv(), run.agents().to_csv(), run.events().to_csv(), run.results().to_csv()]),
        "log": caplog.text,
    } | texts_below(data_dir)
    # What the router has on its way to the kernel is for the owner's eyes, as the secret is.
    rest = {place: str(text) for place, text in places.items() if "inbox.db" not in place}
    assert [place for place, text in rest.items() if key_of(run, "ann") in text] == []
    kept = RunSecret(parts_of(run).directory, data_dir / "link_secrets").paths
    assert {place for place, text in rest.items() if secret.read_text() in text} == set(map(str, kept))
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (*kept, parts_of(run).directory / "inbox.db")]
    assert modes == [0o600] * 3


def secret_of(directory):
    return RunSecret(directory / "run", directory / "copies")


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "run").mkdir()
    return secret_of(tmp_path)


@pytest.mark.parametrize("spoilt", ["", "short", "0" * 63, "é" * 64, "0" * 64 + "\n"])
def test_a_secret_that_could_be_guessed_is_made_anew(secret, spoilt):
    secret.own.write_text(spoilt)
    made, is_new = secret.keep()
    assert is_new
    assert len(made.reveal()) == 64
    assert made.reveal() != spoilt
    assert secret.keep() == (made, False)


@pytest.mark.parametrize("spoilt", [None, "", "0" * 64])
def test_a_secret_that_is_lost_at_one_place_is_written_again(secret, spoilt):
    made, _ = secret.keep()
    secret.own.unlink()
    if spoilt is not None:
        secret.own.write_text(spoilt)
    assert secret.keep() == (made, False)
    assert secret.own.read_text() == made.reveal()


def test_a_secret_of_an_earlier_version_is_kept_twice(secret):
    secret.own.write_text("a" * 64)
    assert secret.keep()[0].reveal() == "a" * 64
    assert secret.copy.read_text() == "a" * 64
    assert stat.S_IMODE(os.stat(secret.copy).st_mode) == 0o600


@pytest.mark.parametrize("signed_links", [True, False])
async def test_links_that_are_dead_for_good_are_told(real_operator, make_operator, data_dir, signed_links):
    config = compose("mock", task={**ABOUT, "task_reward": 0.1}, provider_args={"signed_links": signed_links})
    run = await real_operator.launch_task_run(config, SharedTaskState(static_task_data=rows(1)))
    await real_operator.detach()
    for path in RunSecret(parts_of(run).directory, data_dir / "link_secrets").paths:
        path.unlink()
    taken_up = await make_operator().reconnect(run.task_run_id)
    told = [line for line in taken_up.attention[:1] if "links that were given out before do not work" in line]
    assert len(told) == signed_links
    assert all("run.get_worker_urls" in line for line in told)
    await parts_of(taken_up).link.catch_up()
    assert taken_up.events().why.str.contains("secret of the links was lost").any() == signed_links


async def test_simulated_workers_come_by_their_own_links(real_operator):
    run = await launch(real_operator)
    report = await simulate_workers(run, lambda data: data, num_workers=2)
    assert len(report.submitted) == 3
    await run.completed()


async def test_who_has_only_a_url_for_simulated_workers_is_told_what_to_do(real_operator):
    run = await launch(real_operator)
    with pytest.raises(UsageError, match=r"simulate_workers\(run, \.\.\.\)"):
        await simulate_workers(run.url, lambda data: data, num_workers=2)


@pytest.mark.browser
async def test_the_page_removes_the_key_from_the_address_and_can_reload(real_operator):
    page_html = '<p>${text}</p><label>Mood <input name="mood"></label>'
    run = await launch(real_operator, 1, "static_html", task_html=page_html)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        context = await chromium.new_context()
        page, asked = await context.new_page(), []
        context.on("request", lambda request: asked.append((request.url, request.headers)))
        await page.goto(run.get_worker_url("ann"))
        await expect(page.get_by_label("Mood")).to_be_visible()
        assert page.url == f"{run.url}/?worker_id=ann"
        await page.reload()
        await expect(page.get_by_label("Mood")).to_be_visible()
        assert key_of(run, "ann") not in str(asked)

        # A bookmark brings back who has been here; who only knows the name, in a browser of their own, stays outside,
        # until they open the whole link in that very tab.
        again = await context.new_page()
        await again.goto(page.url)
        await expect(again.get_by_label("Mood")).to_be_visible()
        other = await (await chromium.new_context()).new_page()
        await other.goto(page.url)
        await expect(other.get_by_role("heading", name="Your link does not work")).to_be_visible()
        await expect(other.get_by_text("open the whole link that you were sent")).to_be_visible()
        await other.evaluate("(link) => { location.href = link }", run.get_worker_url("ann"))
        await expect(other.get_by_label("Mood")).to_be_visible()
        await chromium.close()
    assert len(run.agents()) == 1
