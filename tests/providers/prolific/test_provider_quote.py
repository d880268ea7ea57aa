"""What an offer would cost, and each thing that stands in its way, is said before anything is posted."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.crowd import RecruitingQuote
from mephisto_nb.model.money import Money
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.providers.prolific import ProlificGroupsArgs, ProlificScreenOutArgs
from mephisto_nb.providers.prolific.objects import ProlificFilter
from mephisto_nb.providers.prolific.recruiting import quoting
from mephisto_nb.providers.prolific.recruiting.audience import GROUPS_BLOCKED, filter_of_ids, resolve_filters
from mephisto_nb.providers.prolific.settings import ProlificProviderArgs, check_settings, estimate_for, least_minutes
from mephisto_nb.testing.prolific import ProlificStandIn
from tests.providers.prolific.offers import Memory, offer, opened, provider_of


async def quoted(prolific: ProlificStandIn, settings: Any = None, **changes: Any) -> RecruitingQuote:
    return await provider_of(prolific, **(settings or {})).recruiter.quote(offer(**changes))


async def test_a_quote_is_what_the_crowd_says_that_it_costs(registered: ProlificStandIn) -> None:
    quote = await quoted(registered)
    assert [str(one) for one in (quote.rewards, quote.fees, quote.total, quote.available)] == [
        "£4.50",
        "£1.80",
        "£6.30",
        "£1,000.00",
    ]
    assert (quote.troubles, quote.remarks) == ((), ())
    assert registered.world.studies == {}
    assert registered.world.groups == {}


TROUBLES = {
    "money": ({}, {"places": 1000}, "costs £2,100.00 with all fees, and the workspace has £1,000.00. Put £1,100.00"),
    "currency": ({}, {"reward": Money.of(2)}, r"Set mephisto.task.currency to GBP, give"),
    "hourly": (
        {},
        {"reward": Money.of("0.5", "GBP")},
        "£3.00 an hour. Prolific's minimum is £6.00: pay £1.00",
    ),
    "parts": ({}, {"reward": Money.of("1.505", "GBP")}, "task_reward is what a whole visit is paid"),
    "places": ({}, {"places": 0}, "has 0 places"),
    "description": ({}, {"description": " "}, "has no description"),
    "workspace": ({"workspace": "Lab B"}, {}, "no workspace 'Lab B' that this token sees. There are: 'My workspace'"),
    "project": ({"project": "X"}, {}, "no project 'X' in the workspace 'My workspace'"),
    "filter": ({"filters": {"Agee": [18, 40]}}, {}, "no filter 'Agee'. The nearest are: 'Age'"),
    "choice": (
        {"filters": {"Handedness": "Left"}},
        {},
        "'Handedness' has no choice 'Left'. The nearest are: 'Left-",
    ),
    "minute": ({"estimated_minutes": 1.0}, {"reward": Money.of("0.05", "GBP")}, "£0.05 for 1 minute, which is £3.00"),
    "range": ({"filters": {"Age": "18-40"}}, {}, "It goes from 18 to 100: give two bounds, as [18, 100]."),
    "loosen": ({"filters": {"Age": [18, 18]}}, {"places": 30}, "30 are wanted. Loosen mephisto.provider.filters"),
    "few": ({"filters": {"Age": [18, 18]}}, {"places": 30}, "Fewer than 25 people pass the filters, and 30 are wanted"),
    "fewer": ({"filters": {"Age": [18, 100]}}, {"places": 90}, "80 people pass the filters, and 90 are wanted"),
    "group": ({"participant_groups": ProlificGroupsArgs(allow=["Experts"])}, {}, "no participant group 'Experts'"),
    "study": ({"participant_groups": ProlificGroupsArgs(block_studies=["Old"])}, {}, "0 studies of the project are"),
    "screen-out": ({"screen_out": ProlificScreenOutArgs(1.5, 2)}, {}, "less than the reward of £1.50"),
}


@pytest.mark.parametrize(("own", "changes", "words"), TROUBLES.values(), ids=TROUBLES)
async def test_each_trouble_is_a_sentence(registered: ProlificStandIn, own: Any, changes: Any, words: str) -> None:
    registered.participants(80)
    quote = await quoted(registered, own, **changes)
    assert len(quote.troubles) == 1
    assert words.replace("\\", "") in quote.troubles[0]
    assert registered.world.studies == {}


async def test_a_token_that_is_not_taken_is_told(registered: ProlificStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROLIFIC_TOKEN", "another")
    quote = await quoted(registered)
    assert "does not take the token of 'prolific'" in quote.troubles[0]
    monkeypatch.delenv("PROLIFIC_TOKEN")
    assert "There is no token" in (await quoted(registered)).troubles[0]
    with pytest.raises(ConfigError, match="register_prolific"):
        provider_of(registered).assert_task_args(TaskRunArgs("t", "T", "D", task_reward=1))


async def test_two_of_one_name_are_told_apart_by_id(registered: ProlificStandIn) -> None:
    other = registered.world.add_workspace("my WORKSPACE", "USD")
    quote = await quoted(registered, {"workspace": "My workspace"})
    assert quote.troubles[0].startswith("There are 2 workspaces named 'My workspace'")
    assert other.id in quote.troubles[0]
    assert (await quoted(registered, {"workspace": registered.workspace_id})).troubles == ()


ADDRESSES = {
    "http://127.0.0.1:3000": "nobody outside can reach",
    "https://192.168.1.7": "nobody outside can reach",
    "https://laptop.local": "nobody outside can reach",
    "https://laptop": "nobody outside can reach",
    "http://lab.example.org": "begins with https",
    "nonsense here": "cannot be read",
    "https://lab.example.org": "",
    "https://8.8.8.8/x": "",
}


@pytest.mark.parametrize(("url", "words"), ADDRESSES.items())
def test_an_address_has_to_be_one_that_all_can_open(url: str, words: str) -> None:
    troubles = " ".join(quoting._troubles_of_address(url, here_will_do=False))
    assert words in troubles
    assert bool(words) == bool(troubles)


async def test_what_the_check_of_an_address_warns_of_is_not_said_twice(registered: ProlificStandIn) -> None:
    assert (await quoted(registered, url="https://a-b.trycloudflare.com/run")).remarks == ()


async def test_the_least_that_prolific_allows_is_enough(registered: ProlificStandIn) -> None:
    quote = await quoted(registered, reward=Money.of("1.00", "GBP"))  # for ten minutes
    assert quote.troubles == ()
    assert quote.remarks == (
        "A visit is paid £1.00 for 10 minutes, which is £6.00 an hour. Prolific recommends £9.00.",
    )


async def test_what_is_kept_for_screen_outs_is_a_part_of_the_cost(registered: ProlificStandIn) -> None:
    without, kept = await quoted(registered), await quoted(registered, {"screen_out": ProlificScreenOutArgs(0.3, 2)})
    assert (kept.rewards - without.rewards, kept.fees - without.fees) == (Money(0, "GBP"), Money.of("0.84", "GBP"))


async def test_a_visit_that_ends_before_prolific_ends_it_is_remarked_on(registered: ProlificStandIn) -> None:
    (remark,) = (await quoted(registered, visit_seconds=1600.0)).remarks
    assert remark.startswith("Prolific allows 29 minutes for a visit of that length, and here it ends after 26.7.")
    assert (await quoted(registered, visit_seconds=29 * 60.0)).remarks == ()


async def test_pay_in_pence_is_taken_for_a_slip(registered: ProlificStandIn) -> None:
    quote = await quoted(registered, reward=Money.of(150, "GBP"))
    assert "£900.00 an hour. That is more than 10 times what Prolific recommends. Is it meant?" in quote.remarks[0]
    assert (await quoted(registered, reward=Money.of(15, "GBP"))).remarks == ()


async def test_what_is_worth_knowing_is_remarked_on(registered: ProlificStandIn) -> None:
    remarks = " ".join(
        (
            await quoted(
                registered,
                {"estimated_minutes": 0.0, "screen_out": ProlificScreenOutArgs(0.3, 2)},
                reward=Money.of("1.20", "GBP"),
                visit_seconds=1900.0,
            )
        ).remarks
    )
    assert "is said to take 11 minutes" in remarks
    assert "Prolific recommends £9.00" in remarks
    assert "£0.84 are kept for 2 people" in remarks


def test_the_estimate_follows_from_the_limit_of_a_visit() -> None:
    args = ProlificProviderArgs()
    for minutes in (3, 10, 30, 60, 240):
        estimate = estimate_for(args, minutes * 60)
        assert estimate >= 1
        assert least_minutes(estimate) <= max(minutes, 6)
    assert least_minutes(1) == 6


FILTERS = [
    ProlificFilter("age", "Age", "range", "integer", {}, 18, 100),
    ProlificFilter("first-language", "First Language", "select", "ChoiceID", {"19": "English", "24": "French"}),
    ProlificFilter("a", "Twice", "select", "ChoiceID", {"1": "Same", "2": "Same"}),
    ProlificFilter("b", "Twice", "select", "ChoiceID", {}),
]


def test_filters_are_found_by_names_and_labels() -> None:
    wanted = {"age": [18, None], "first language": ["french", "19"], "First-Language": "ENGLISH"}
    assert resolve_filters(wanted, FILTERS) == [
        {"filter_id": "age", "selected_range": {"lower": 18}},
        {"filter_id": "first-language", "selected_values": ["24", "19"]},
        {"filter_id": "first-language", "selected_values": ["19"]},
    ]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"Age": [None, None]}, r"as \[18, 100\]"),
        ({"Age": [40, 18]}, "above its upper one"),
        ({"Age": [1, 200]}, "from 18 to 100"),
        ({"Age": True}, "from 18 to 100"),
        ({"Age": "old"}, "from 18 to 100"),
        ({"Twice": "Same"}, "by its id: a, b"),
        ({"a": "Same"}, "by its id: 1, 2"),
        ({"First Language": []}, "no values"),
        ({"First Language": [None]}, "Give labels"),
        ({"Shoe size": 40}, "has no filter"),
    ],
)
def test_filters_that_are_not_meant_so_are_refused(wanted: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_filters(wanted, FILTERS)


def test_a_filter_of_ids_has_the_name_that_prolific_has_for_it() -> None:
    groups = [ProlificFilter(f"{sense}-groups", sense, "select", "ParticipantGroupID") for sense in ("Allow", "Block")]
    for catalogue, name in ((groups, "Block-groups"), ([], GROUPS_BLOCKED), (groups * 2, GROUPS_BLOCKED)):
        found = filter_of_ids(GROUPS_BLOCKED, ["g"], catalogue)
        assert found == {"filter_id": name, "selected_values": ["g"]}


async def test_groups_and_studies_are_found_by_name(registered: ProlificStandIn) -> None:
    recruiter = (await opened(registered, internal_name="First round")).recruiter
    study_id = (await recruiter.read_study()).study_id
    who = ProlificGroupsArgs(block=["Blocked by prolific (mephisto_nb)"], block_studies=["rate sentences", study_id])
    later = provider_of(registered, participant_groups=who)
    made = await later.recruiter.open(offer(task_run_id="second"), Memory())
    filters = registered.world.study(made.study_id).fields["filters"]
    (group,) = registered.world.groups
    assert {one["filter_id"]: one["selected_values"] for one in filters} == {
        "participant_group_blocklist": [group],
        "previous_studies_blocklist": [study_id],
    }


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"base_url": "http://api.prolific.com"}, "Only https"),
        ({"app_url": "ftp://x"}, "no address"),
        ({"estimated_minutes": 0.5}, "1 to 1440"),
        ({"estimated_minutes": float("nan")}, "1 to 1440"),
        ({"submission_places": -1}, "0 or more"),
        ({"submissions_per_participant": 0}, "or -1 for any"),
        ({"device_compatibility": ["destop"]}, "Did you mean 'desktop'"),
        ({"peripheral_requirements": ["nose"]}, "Prolific knows: audio"),
        ({"study_label": "annotations"}, "Did you mean 'annotation'"),
        ({"content_warning": "mild"}, "sensitive, explicit"),
        ({"rejection_category": "BAD"}, "TOO_QUICKLY"),
        ({"screen_out": ProlificScreenOutArgs(0.3, 0)}, "Give both"),
        ({"study_name": "x" * 256}, "shorten it"),
    ],
)
def test_settings_that_no_study_can_have_are_refused(own: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_settings(ProlificProviderArgs(**own))


def test_filters_that_are_a_list_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"filters is \['Age'\] \(list\); it must be names with values \(dict\)"):
        compose("static_html", provider="prolific", provider_args={"filters": ["Age"]})
