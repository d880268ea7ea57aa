"""How people go back: what each preset does after each outcome, codes, signatures, and what settings may not say."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from mephisto_nb.config.registry import get_crowd_provider_from_type
from mephisto_nb.errors import ConfigError, UnknownTypeError
from mephisto_nb.model.outcomes import ExitLink, LateExit, Outcome, VisitEnd
from mephisto_nb.providers.external import (
    ExitArgs,
    ExternalProvider,
    ExternalProviderArgs,
    SignedArrivalArgs,
    SignedExitArgs,
    make_code,
    verify_code,
)
from mephisto_nb.providers.external.presets import TABLE
from mephisto_nb.utils.proofs import Secret
from tests.providers.crowds import GIVEN

OTHERS = [outcome for outcome in Outcome if outcome is not Outcome.COMPLETED]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEPHISTO_SECRET_SONA", "c0ffee")
    monkeypatch.setenv("MEPHISTO_SECRET_PANEL", "between us")


def leave(provider: ExternalProvider, outcome: Outcome, who: str = "4711", **captured: str) -> ExitLink | None:
    """Return how somebody of this id goes back."""
    assert provider.exits is not None
    return provider.exits.get_exit(VisitEnd("v", who, "r", outcome, 1, 1, captured))


def url_of(provider: ExternalProvider, outcome: Outcome = Outcome.COMPLETED, **more: str) -> str | None:
    link = leave(provider, outcome, **more)
    return link.url if link else None


def plain(**args: Any) -> ExternalProvider:
    return ExternalProvider(ExternalProviderArgs(participant_parameter="rid", **args))


def preset(name: str, **changes: Any) -> ExternalProvider:
    return ExternalProvider(replace(GIVEN[name], **changes))


# -- each preset, each outcome -------------------------------------------------------------------------------

_PROLIFIC = "https://app.prolific.com/submissions/complete?cc="
#: What is not here is words alone, and no code.
WAYS = {
    "prolific_by_link": {
        Outcome.COMPLETED: (f"{_PROLIFIC}C1A2B3C4", "C1A2B3C4"),
        Outcome.NO_CONSENT: (f"{_PROLIFIC}N0C0NS3N", "N0C0NS3N"),
    },
    "cloudresearch_connect": {
        Outcome.COMPLETED: ("https://connect.cloudresearch.com/participant/project/0A1B2C3D4E/complete", None),
        Outcome.SCREENED_OUT: ("https://connect.cloudresearch.com/partial/1", None),
    },
    "sona": {},
    "sona_by_redirect": {
        Outcome.COMPLETED: (
            "https://lab.sona-systems.com/webstudy_credit.aspx?experiment_id=77&credit_token=c0ffee&survey_code=4711",
            None,
        )
    },
    "positly": {Outcome.COMPLETED: ("https://app.positly.com/#/f?task_id=t-9", None)},
    "besample": {Outcome.COMPLETED: (None, "BS-42")},
    "microworkers": {Outcome.COMPLETED: (None, make_code("run", "4711", "camp"))},
    "panel": {
        Outcome.COMPLETED: ("https://panel.example.org/c?status=1&rid=4711", None),
        **dict.fromkeys(OTHERS, ("https://panel.example.org/c?status=2&rid=4711", None)),
        Outcome.QUOTA_FULL: ("https://panel.example.org/c?status=3&rid=4711", None),
    },
    "link_list": {},
}


@pytest.mark.parametrize("name", WAYS)
def test_a_preset_leads_back_as_its_crowd_has_it(name: str) -> None:
    provider = preset(name)
    provider.take_run_secret(Secret("run"))
    ways = {outcome: leave(provider, outcome, study="camp") for outcome in Outcome}
    if name == "link_list":
        assert ways.pop(Outcome.COMPLETED) is None
    assert {outcome: link and (link.url, link.code) for outcome, link in ways.items()} == {
        outcome: WAYS[name].get(outcome, (None, None)) for outcome in ways
    }
    assert all(link and link.text and link.automatic == (link.url is not None) for link in ways.values())


@pytest.mark.parametrize("name", [*TABLE, "Connect", "CloudResearch", "SONA"])
def test_a_preset_given_as_a_provider_is_called_one(name: str) -> None:
    with pytest.raises(UnknownTypeError, match="it is a preset") as told:
        get_crowd_provider_from_type(name)
    assert str(told.value).partition("'preset': '")[2].partition("'")[0] in TABLE


def test_every_preset_and_its_source_are_said() -> None:
    assert set(WAYS) == set(TABLE)
    for name, one in TABLE.items():
        said = preset(name).describe()
        assert one.source in said
        assert one.verified in said
        assert all(f"- {outcome.value}: " in said for outcome in Outcome)


@pytest.mark.parametrize("name", TABLE)
def test_the_guide_says_of_a_preset_what_it_says_itself(name: str) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "crowds.md").read_text(encoding="utf-8")
    [row] = [line for line in guide.splitlines() if line.startswith(f"| `{name}` |")]
    one = TABLE[name]
    assert all(words in row for words in (one.title, one.to_do, one.verified))
    if name != "sona_by_redirect":
        assert all(f"`{key}`" in row for key in (*one.needs, *one.may_have, *one.secrets))


@pytest.mark.parametrize("name", [name for name, one in TABLE.items() if one.needs])
def test_what_a_preset_needs_is_named_if_it_is_missing(name: str) -> None:
    for key in TABLE[name].needs:
        values = {one: value for one, value in GIVEN[name].details.items() if one != key}
        for given in (values, values | {key: " "}):
            with pytest.raises(ConfigError, match=f"mephisto.provider.details.{key}"):
                preset(name, details=given)


def test_a_secret_that_a_preset_needs_is_named_if_it_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"needs mephisto.provider.secrets.credit_token"):
        preset("sona", secrets={})


def test_a_code_that_is_given_later_is_used() -> None:
    values = GIVEN["prolific_by_link"].details | {"screened_out_code": "S0"}
    provider = preset("prolific_by_link", details=values, quota_full=ExitArgs(text="Full."))
    assert url_of(provider, Outcome.SCREENED_OUT) == f"{_PROLIFIC}S0"
    assert url_of(provider, Outcome.FAILED_CHECKS) is None  # who is paid for a screening is no model for it
    assert leave(provider, Outcome.QUOTA_FULL) == ExitLink(Outcome.QUOTA_FULL, text="Full.", automatic=False)


def test_words_and_manners_of_a_preset_can_be_ones_own() -> None:
    provider = preset("besample", completed=ExitArgs(text="Danke."))
    assert leave(provider, Outcome.COMPLETED) == ExitLink(Outcome.COMPLETED, None, "BS-42", "Danke.", automatic=False)
    by_button = preset("positly", completed=ExitArgs(automatic=False))
    link = leave(by_button, Outcome.COMPLETED)
    assert link is not None
    assert (link.url, link.automatic) == ("https://app.positly.com/#/f?task_id=t-9", False)


# -- templates -----------------------------------------------------------------------------------------------


def test_values_stay_values_in_a_path_a_query_and_a_fragment() -> None:
    redirect = "https://a.org/{study}/x?p={participant}#/f?c={country}&o={outcome}"
    provider = plain(study_parameter="s", captured=["country"], completed=ExitArgs(redirect=redirect))
    url = url_of(provider, who="a&b=c#d/../é", study="../..", country="x y?z")
    assert url == "https://a.org/..%2F../x?p=a%26b%3Dc%23d%2F..%2F%C3%A9#/f?c=x%20y%3Fz&o=completed"
    assert url_of(provider, who="a", study="..", country="") == "https://a.org//x?p=a#/f?c=&o=completed"


def test_a_value_that_looks_like_a_template_is_not_filled() -> None:
    provider = plain(
        code_secret="panel", completed=ExitArgs(redirect="https://a.org/?p={participant}&c={code}", code="C")
    )
    assert url_of(provider, who="{code}{study}") == "https://a.org/?p=%7Bcode%7D%7Bstudy%7D&c=C"


UNSOUND = {
    "http://a.org/?p={participant}": "has to begin with https",
    "javascript:alert(1)": "is no part of an address|has to begin with https",
    "//a.org/": "begins with 'nothing'",
    "a.org/done": "begins with 'nothing'",
    "ftp://a.org/": "begins with 'ftp'",
    "https://": "has the host ''",
    "https:///x": "has the host ''",
    "https://{participant}.a.org/": "in its host",
    "https://{participant}/": "in its host",
    "https://a.org{participant}/": "in its host",
    "https://a.org:{code}/": "in its host",
    "https://{participant}@a.org/": "in its host",
    "{participant}": "in its host",
    "https://user:pass@a.org/": "has the host",
    "https://a.org/ x": "is no part of an address",
    "https://a.org/\n": "is no part of an address",
    "https://a.org\\@b.org/": "is no part of an address",
    "https://a.org/<x>": "is no part of an address",
    "https://é.org/": "is no part of an address",
    "https://a.org/{nobody}": r"holds \{nobody\}, which nothing fills. There are: .*\{participant\}",
    "https://a.org/{participant.__class__}": "belongs to no placeholder",
    "https://a.org/{0}": "belongs to no placeholder",
    "https://a.org/}": "belongs to no placeholder",
    "https://a.org/?c={code}": r"holds \{code\} in its address, and has no code",
    "https://a.org/?h={signature}": "signed_exit.secret names no secret",
    "https://a.org:99999/": "is no address",
    "https://[::1/": "is no address",
}


@pytest.mark.parametrize("way", ["redirect", "call"])
@pytest.mark.parametrize(("template", "why"), UNSOUND.items())
def test_a_template_that_could_lead_elsewhere_is_refused(way: str, template: str, why: str) -> None:
    if way == "call" and "signature" in template:
        why = "at the end of a redirect alone"
    with pytest.raises(ConfigError, match=rf"mephisto.provider.screened_out.*({why})"):
        plain(screened_out=ExitArgs(**{way: template}))


@pytest.mark.parametrize(
    "url", ["http://localhost:3000/x", "http://127.0.0.1/", "https://a.org", "https://a.org:8443/x"]
)
def test_addresses_of_the_web_and_of_this_computer_are_taken(url: str) -> None:
    assert url_of(plain(completed=ExitArgs(redirect=url))) == url


def test_what_presets_lead_to_is_looked_at_as_well() -> None:
    values = GIVEN["panel"].details | {"complete_url": "https://{participant}.example.org/"}
    with pytest.raises(ConfigError, match="in its host"):
        preset("panel", details=values)
    for host in ("a.org/x?", "a.org@b.org", "{participant}", "https://a.org", "a b", "..", "-a.org"):
        with pytest.raises(ConfigError, match=r"mephisto\.provider\.details\.host"):
            preset("sona", details=GIVEN["sona"].details | {"host": host})


# -- nobody goes as somebody else ----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", OTHERS)
def test_the_way_of_success_is_no_other_outcomes_way(outcome: Outcome) -> None:
    success = {"redirect": "https://a.org/?c={code}", "code": "C1"}
    for other in (success, {"code": "C1"}, {"redirect": "https://a.org/?c=C1"}):
        with pytest.raises(ConfigError, match=rf"mephisto.provider.{outcome.value}\.\w+ is the one of success|no code"):
            plain(completed=ExitArgs(**success), **{outcome.value: ExitArgs(**other)})


def test_a_call_that_pays_is_made_for_success_alone() -> None:
    call = ExitArgs(call="https://a.org/credit?p={participant}")
    with pytest.raises(ConfigError, match=r"screened_out\.call is the one of success"):
        plain(completed=call, screened_out=call)


def test_who_types_the_code_of_success_leaves_without_it() -> None:
    provider = plain(
        captured=["cc"],
        completed=ExitArgs(redirect="https://a.org/?cc=C1"),
        screened_out=ExitArgs(redirect="https://a.org/?cc={cc}"),
    )
    assert url_of(provider, Outcome.SCREENED_OUT, cc="S1") == "https://a.org/?cc=S1"
    assert url_of(provider, Outcome.SCREENED_OUT, cc="C1") is None


@pytest.mark.parametrize("outcome", OTHERS)
def test_what_was_not_set_never_falls_back_to_success(outcome: Outcome) -> None:
    provider = plain(completed=ExitArgs(redirect="https://a.org/?c=C1", code="C1"))
    link = leave(provider, outcome)
    assert link is not None
    assert (link.url, link.code, link.automatic) == (None, None, False)
    assert "C1" not in link.text


def test_too_late_and_too_careless_go_as_screened_out() -> None:
    provider = plain(screened_out=ExitArgs(redirect="https://a.org/?o={outcome}"))
    urls = {outcome.value: url_of(provider, outcome) for outcome in OTHERS}
    assert {name for name, url in urls.items() if url} == {"screened_out", "quota_full", "failed_checks"}
    assert urls["quota_full"] == "https://a.org/?o=quota_full"
    assert leave(provider, Outcome.COMPLETED) is None


# -- codes of people -----------------------------------------------------------------------------------------


def test_a_code_of_a_person_is_theirs_alone_and_can_be_checked_later() -> None:
    provider = preset("microworkers", code_secret="panel")
    link = leave(provider, Outcome.COMPLETED, who="W1", study="camp")
    assert link is not None
    code = link.code or ""
    assert len(code.replace("-", "")) == 10
    for written in (code, code.lower(), code.replace("-", ""), f" {code} ", code.replace("0", "o").replace("1", "l")):
        assert verify_code(written, "between us", "W1", "camp")
        assert provider.verify_code(written, "W1", "camp")
    wrong = [("W2", "camp"), ("W1", "other"), ("W1camp", ""), ("W1", "")]
    assert not any(verify_code(code, "between us", *one) for one in wrong)
    assert not verify_code(code, "another secret", "W1", "camp")
    assert not verify_code(code, "between us", "W1", "camp", "screened_out")
    assert not any(verify_code(one, "between us", "W1", "camp") for one in ("", code[:-1], "é", None))  # type: ignore[arg-type]


def test_codes_are_others_in_each_run_unless_a_secret_is_named() -> None:
    codes = set()
    for secret in ("one", "two"):
        provider = preset("microworkers")
        provider.take_run_secret(Secret(secret))
        codes.add(getattr(leave(provider, Outcome.COMPLETED), "code", None))
    assert len(codes) == 2
    assert len({make_code("s", f"worker {number}") for number in range(2000)}) == 2000


# -- signatures and secrets ----------------------------------------------------------------------------------


def test_an_address_is_signed_as_far_as_its_signature() -> None:
    provider = plain(
        completed=ExitArgs(redirect="https://a.org/c?rid={participant}&hash={signature}"),
        signed_exit=SignedExitArgs("panel", "sha1"),
    )
    url = url_of(provider, who="a&b") or ""
    expected = hmac.new(b"between us", b"https://a.org/c?rid=a%26b", hashlib.sha1).hexdigest()
    assert url == f"https://a.org/c?rid=a%26b&hash={expected}"


def test_a_base64_signature_survives_the_address() -> None:
    provider = plain(
        completed=ExitArgs(redirect="https://a.org/c?r={participant}&h={signature}"),
        signed_exit=SignedExitArgs("panel", "sha256", "base64"),
    )
    for who in map(str, range(40)):
        given = parse_qs(urlsplit(url_of(provider, who=who) or "").query)["h"][0]
        assert len(given) == 44
        assert given.endswith("=")


@pytest.mark.parametrize(
    "redirect",
    ["https://a.org/{signature}", "https://a.org/?h={signature}&x=1", "https://a.org/?h={signature}&g={signature}"],
)
def test_a_signature_stands_at_the_end(redirect: str) -> None:
    with pytest.raises(ConfigError, match="has to end with the parameter of its signature"):
        plain(completed=ExitArgs(redirect=redirect), signed_exit=SignedExitArgs("panel"))


def test_no_secret_is_shown() -> None:
    args = ExternalProviderArgs(
        preset="sona",
        details=GIVEN["sona"].details,
        secrets={"credit_token": "sona"},
        code_secret="panel",
        signed=SignedArrivalArgs("h", "panel"),
    )
    provider = ExternalProvider(args)
    assert provider.exits is not None
    shown = f"{provider!r} {vars(provider)} {args} {vars(provider.exits)} {provider.describe()}"
    shown += str(leave(provider, Outcome.COMPLETED))
    assert "c0ffee" not in shown
    assert "between us" not in shown


def test_a_secret_never_stands_in_an_address_that_people_see() -> None:
    with pytest.raises(ConfigError, match=r"holds the secret \{token\}.*by `call` instead"):
        plain(secrets={"token": "sona"}, completed=ExitArgs(redirect="https://a.org/?t={token}"))
    with pytest.raises(ConfigError, match=r"completed.code holds \{token\}, which nothing fills"):
        plain(secrets={"token": "sona"}, completed=ExitArgs(code="{token}"))


# -- settings ------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no parameter": ({"participant_parameter": ""}, "participant_parameter is empty"),
    "unknown preset": ({"preset": "prolfic_by_link"}, "Did you mean 'prolific_by_link'"),
    "unknown value": ({"preset": "positly", "details": {"task_id": "x", "taks": "y"}}, "details.taks is nothing that"),
    "bad pattern": ({"participant_parameter": "id", "participant_pattern": "("}, "no regular expression"),
    "bad parameter": ({"participant_parameter": "a b"}, "is no parameter"),
    "twice": ({"participant_parameter": "id", "session_parameter": "ID"}, "named twice"),
    "captured twice": ({"participant_parameter": "id", "captured": ["id"]}, "named twice"),
    "captured a role": ({"participant_parameter": "id", "captured": ["study"]}, "captured names 'study'"),
    "captured and given": (
        {"participant_parameter": "id", "captured": ["host"], "details": {"host": "a.org"}},
        "captured names 'host', which is a name of yours",
    ),
    "captured and secret": (
        {"participant_parameter": "id", "captured": ["token"], "secrets": {"token": "sona"}},
        "captured names 'token', which is a name of yours",
    ),
    "reserved value": ({"participant_parameter": "id", "details": {"participant": "x"}}, "no name for a value"),
    "reserved secret": ({"participant_parameter": "id", "secrets": {"code": "x"}}, "no name for a secret"),
    "value and secret": ({"participant_parameter": "id", "details": {"t": "x"}, "secrets": {"t": "y"}}, "or is taken"),
    "long value": ({"participant_parameter": "id", "details": {"t": "x" * 3000}}, "too long"),
    "two codes": ({"participant_parameter": "id", "completed": ExitArgs(code="a", per_person_code=True)}, "Choose one"),
    "method": (
        {"participant_parameter": "id", "completed": ExitArgs(call="https://a.org", call_method="PUT")},
        "GET, or POST",
    ),
    "body": (
        {"participant_parameter": "id", "completed": ExitArgs(call="https://a.org", call_body="a=b")},
        "GET, or POST",
    ),
    "algorithm": (
        {"participant_parameter": "id", "signed": SignedArrivalArgs("h", "panel", "crc32")},
        "There are: sha256",
    ),
    "encoding": (
        {"participant_parameter": "id", "signed": SignedArrivalArgs("h", "panel", encoding="x")},
        "There are: hex",
    ),
    "no secret": ({"participant_parameter": "id", "signed": SignedArrivalArgs("h")}, "names no secret"),
    "signs nothing": (
        {"participant_parameter": "id", "signed": SignedArrivalArgs("h", "panel", over="x")},
        "it has to cover",
    ),
    "signs unknown": (
        {"participant_parameter": "id", "signed": SignedArrivalArgs("h", "panel", over="{x}")},
        "which nothing fills",
    ),
    "signs with an id": ({"participant_parameter": "id", "signed": SignedArrivalArgs("id", "panel")}, "or holds an id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_cannot_work_are_named(name: str) -> None:
    args, why = WRONG[name]
    with pytest.raises(ConfigError, match=why):
        ExternalProvider(ExternalProviderArgs(**args))


def test_values_and_settings_of_ones_own_go_with_a_preset() -> None:
    provider = preset(
        "positly",
        details={"task_id": "t", "batch": "7"},
        screened_out=ExitArgs(redirect="https://a.org/?b={batch}&p={participant}"),
    )
    url = url_of(provider, Outcome.SCREENED_OUT) or ""
    assert parse_qsl(urlsplit(url).query) == [("b", "7"), ("p", "4711")]


# -- who comes when the run is over ----------------------------------------------------------------------------


def late(provider: ExternalProvider) -> LateExit:
    assert provider.exits is not None
    found = provider.exits.get_exit_if_over()
    assert found is not None
    return found


def test_who_comes_too_late_goes_back_as_one_for_whom_nothing_is_left() -> None:
    found = late(preset("panel"))
    assert found.link.outcome is Outcome.QUOTA_FULL
    assert "{participant}" in (found.link.url or "")
    assert found.parameters == {"participant": "rid"}


def test_what_all_share_is_written_out_for_who_comes_too_late() -> None:
    way = ExitArgs(code="FULL-{batch}", redirect="https://a.org/{batch}?o={outcome}&r={participant}&c={code}&x={seen}")
    found = late(plain(quota_full=way, details={"batch": "b 1"}, captured=["seen"]))
    assert found.link.url == "https://a.org/b%201?o=quota_full&r={participant}&c=FULL-b%201&x={seen}"
    assert (found.link.code, found.parameters) == ("FULL-b 1", {"participant": "rid", "seen": "seen"})
    assert not found.link.automatic


@pytest.mark.parametrize(
    "way",
    [
        ExitArgs(per_person_code=True),
        ExitArgs(redirect="https://a.org/?c={code}", per_person_code=True),
        ExitArgs(code="X-{participant}"),
    ],
)
def test_what_needs_a_person_is_words_alone_for_who_comes_too_late(way: ExitArgs) -> None:
    found = late(plain(quota_full=replace(way, text="Write to us.")))
    assert (found.link.url, found.link.code, found.parameters) == (None, None, {})
    assert found.link.text == "Write to us."


def test_a_signature_is_made_for_nobody_who_comes_too_late() -> None:
    way = ExitArgs(redirect="https://a.org/full?r={participant}&h={signature}", text="Write to us.")
    found = late(plain(quota_full=way, signed_exit=SignedExitArgs(secret="panel")))
    assert (found.link.url, found.parameters) == (None, {})


def test_who_need_not_do_anything_is_told_nothing_more() -> None:
    for provider in (plain(), preset("link_list")):
        assert provider.exits is not None
        assert provider.exits.get_exit_if_over() is None
    assert "return" in late(preset("prolific_by_link")).link.text
