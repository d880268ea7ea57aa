"""Who comes, by what stands in an address: ids, macros that nobody filled in, and all that strangers write there."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.launching.crowd_script import read_crowd_script
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity
from mephisto_nb.providers.external import (
    ExternalProvider,
    ExternalProviderArgs,
    SignedArrivalArgs,
    make_link_names,
)
from mephisto_nb.providers.external.arrivals import MACRO
from mephisto_nb.providers.external.presets import TABLE
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from mephisto_nb.utils.proofs import Secret
from tests.providers.crowds import GIVEN

URL = "https://lab.example.org/task"
PID, STUDY, SESSION = "5f1a2b3c4d5e6f7a8b9c0d1e", "60a1b2c3d4e5f60718293a4b", "61c2d3e4f5a6b7c8d9e0f1a2"
PROLIFIC = {"PROLIFIC_PID": PID, "STUDY_ID": STUDY, "SESSION_ID": SESSION}
prolific = ExternalProvider(GIVEN["prolific_by_link"])


def arrive(provider: ExternalProvider, parameters: Any, **more: Any) -> Identity:
    return provider.identify({"parameters": parameters, **more})


def plain(**args: Any) -> ExternalProvider:
    return ExternalProvider(ExternalProviderArgs(participant_parameter="rid", **args))


# -- ids -----------------------------------------------------------------------------------------------------


def test_the_ids_of_an_address_say_who_comes_and_for_which_visit() -> None:
    assert arrive(prolific, PROLIFIC) == Identity(PID, SESSION, {"study": STUDY, "session": SESSION})


def test_without_a_visit_it_is_the_person_and_the_study() -> None:
    sona = ExternalProvider(GIVEN["sona"])
    assert arrive(sona, {"id": "4711"}) == Identity("4711", "4711/77", {"study": "77"})
    assert arrive(plain(), {"rid": "a"}).registration_id == "a"
    two = plain(study_parameter="s")
    assert arrive(two, {"rid": "a", "s": "b"}).registration_id != arrive(two, {"rid": "a.b", "s": "c"}).registration_id


def test_a_name_is_found_as_it_is_spelt_or_in_other_letters() -> None:
    connect = ExternalProvider(GIVEN["cloudresearch_connect"])
    assert arrive(connect, {"PARTICIPANTID": "a1", "assignmentid": "b2"}).worker_name == "a1"
    exact = {"participantId": "right", "participantID": "wrong", "assignmentId": "b2"}
    assert arrive(connect, exact).worker_name == "right"


def test_two_that_differ_in_capital_letters_alone_are_nobody() -> None:
    with pytest.raises(ValueError, match="'rid' is missing"):
        arrive(plain(), {"RID": "a", "Rid": "b"})


def test_what_is_captured_stands_beside_and_what_is_unfit_is_left_out() -> None:
    provider = plain(captured=["country", "age", "tag", "none"])
    given = {"rid": "a", "country": "Österreich", "age": "{{age}}", "tag": "x\ny", "other": "secret"}
    assert arrive(provider, given).captured == {"country": "Österreich"}


@pytest.mark.parametrize("role", PROLIFIC)
def test_what_is_missing_is_named(role: str) -> None:
    rest = {name: value for name, value in PROLIFIC.items() if name != role}
    for given in (rest, rest | {role: ""}, rest | {role: "  "}):
        with pytest.raises(ValueError, match=f"'{role}' is missing in it.*from Prolific again"):
            arrive(prolific, given)


HOSTILE = [
    "a b",
    "a\nb",
    "a\x00b",
    "\u202eabc",
    "\ud800",
    "a&b=c",
    "a/b",
    "../x",
    "..",
    ".",
    "---",
    "<b>x</b>",
    "a'b",
    'a"b',
    "a;b",
    "x" * 129,
    "é" * 10,
    "名前",
    "a%00",
    "javascript:alert(1)//",
    "{participant}",
    "a|b",
    "a\\b",
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: repr(one)[:20])
def test_what_is_no_id_is_refused_in_words_for_people(hostile: str) -> None:
    for role in PROLIFIC:
        with pytest.raises(ValueError, match=r"Please open the task|by hand"):
            pytest.fail(f"{role} is taken: {arrive(prolific, PROLIFIC | {role: hostile})}")


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        7,
        [],
        "rid=a",
        {"rid": 7},
        {"rid": ["a"]},
        {"rid": {}},
        dict.fromkeys(map(str, range(99)), "x"),
        {"rid": "a", "x": "y" * 3000},
    ],
)
def test_what_is_no_address_names_nobody(parameters: Any) -> None:
    with pytest.raises(ValueError, match="Please open the task"):
        arrive(plain(), parameters)


def test_ids_have_the_form_that_was_set() -> None:
    provider = plain(participant_pattern=r"[0-9]{4}")
    assert arrive(provider, {"rid": "4711"}).worker_name == "4711"
    for wrong in ("471", "47111", "47a1", "4711\n5"):
        with pytest.raises(ValueError, match="no id that the crowd gives"):
            arrive(provider, {"rid": wrong})


# -- macros --------------------------------------------------------------------------------------------------

MACROS = [
    "{{%PROLIFIC_PID%}}",
    "%SURVEY_CODE%",
    "{{MW_ID}}",
    "[ID]",
    "[%RID%]",
    "${rid}",
    "${e://Field/rid}",
    "{rid}",
    "<RID>",
    "{%rid%}",
    "#{rid}",
    "\ufffdMP_ID%",
    "%ID%",
]


@pytest.mark.parametrize("macro", MACROS)
def test_who_opens_the_link_by_hand_is_told_so(macro: str) -> None:
    with pytest.raises(ValueError, match=r"opened this link by hand.*nobody was registered"):
        arrive(plain(), {"rid": macro})


@pytest.mark.parametrize("value", [PID, "a%b", "100%", "[x", "a{b}c", "x@y.org", "<3", "4711"])
def test_what_people_have_is_no_macro(value: str) -> None:
    assert not MACRO.fullmatch(value)


def test_a_macro_that_is_kept_beside_keeps_nobody_out() -> None:
    assert arrive(plain(captured=["age"]), {"rid": "a", "age": "{{age}}"}).captured == {}


@pytest.mark.parametrize("name", [name for name in GIVEN if name != "link_list"])
def test_the_address_for_the_crowd_is_a_look_at_the_page(name: str) -> None:
    provider = ExternalProvider(GIVEN[name])
    entry = provider.get_entry_url(f"{URL}?x=1") or ""
    assert entry.startswith("https://lab.example.org/task/?x=1")
    parameters = dict(parse_qsl(urlsplit(entry).query))
    with pytest.raises(ValueError, match="by hand" if len(parameters) > 1 else "is missing"):
        arrive(provider, parameters)


def test_the_address_for_the_crowd_holds_its_macros_as_they_are() -> None:
    assert prolific.get_entry_url(URL) == (
        f"{URL}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}&SESSION_ID={{{{%SESSION_ID%}}}}"
    )
    own = ExternalProvider(ExternalProviderArgs(**vars(GIVEN["panel"]) | {"participant_parameter": "respondent"}))
    assert own.get_entry_url(URL) == f"{URL}/?respondent=[ID]"


def test_it_is_said_into_whose_form_the_address_goes() -> None:
    sona = ExternalProvider(GIVEN["sona"])
    assert sona.entry_words == f"Paste this address into {TABLE['sona'].title}'s form"
    assert str(sona.get_entry_url(URL)) in sona.get_lonely_advice(URL)
    assert ExternalProvider(GIVEN["link_list"]).get_lonely_advice(URL) == ""


# -- signatures ----------------------------------------------------------------------------------------------


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MEPHISTO_SECRET_PANEL", "between us")
    return "between us"


def signed_of(query: str, secret: str, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), query.encode(), algorithm).hexdigest()


def test_a_query_that_its_crowd_has_signed_is_believed_and_no_other(shared: str) -> None:
    provider = plain(study_parameter="s", signed=SignedArrivalArgs("hash", "panel"))
    signed = "rid=a%2B1&s=7"
    query = f"{signed}&hash={signed_of(signed, shared)}"
    assert arrive(provider, {}, query=query).worker_name == "a+1"
    assert arrive(provider, {}, query=f"?{query}").worker_name == "a+1"
    assert arrive(provider, {"rid": "boss", "s": "9"}, query=query).worker_name == "a+1"
    for forged in (
        query.replace("rid=a", "rid=b"),
        f"{query}&rid=boss",
        f"rid=boss&{query}",
        signed,
        f"{signed}&hash=",
        f"{signed}&hash={signed_of(signed, 'another')}",
        query[:-1],
        "",
    ):
        with pytest.raises(ValueError, match=r"signature|is missing|say who"):
            arrive(provider, dict(parse_qsl(query)), query=forged)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
def test_ids_may_be_signed_alone(shared: str, algorithm: str) -> None:
    over = SignedArrivalArgs("sig", "panel", algorithm, "{participant}|{country}")
    provider = plain(captured=["country"], signed=over)
    sig = signed_of("a|AT", shared, algorithm)
    assert arrive(provider, {"rid": "a", "country": "AT", "sig": sig.upper()}).worker_name == "a"
    for change in ({"rid": "b"}, {"country": "DE"}, {"sig": ""}, {"sig": sig[1:]}):
        with pytest.raises(ValueError, match="its signature is missing, or does not fit"):
            arrive(provider, {"rid": "a", "country": "AT", "sig": sig} | change)


def test_signatures_are_compared_in_constant_time(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, compared = plain(signed=SignedArrivalArgs("sig", "panel", over="{participant}")), []
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or True)
    arrive(provider, {"rid": "a", "sig": "x"})
    assert compared == [(hmac.new(b"between us", b"a", hashlib.sha256).hexdigest().encode(), b"x")]


def test_a_secret_is_looked_for_once(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = plain(signed=SignedArrivalArgs("sig", "panel", over="{participant}"))
    came = {"rid": "a", "sig": signed_of("a", shared)}
    arrive(provider, came)
    monkeypatch.delenv("MEPHISTO_SECRET_PANEL")
    assert arrive(provider, came).worker_name == "a"


def test_a_link_for_a_rehearsal_is_signed_as_the_crowd_would(shared: str) -> None:
    provider = plain(signed=SignedArrivalArgs("hash", "panel", encoding="base64"))
    query = urlsplit(provider.get_worker_url(f"{URL}?x=1", "ann")).query
    assert arrive(provider, {}, query=query).worker_name == "ann"


# -- a list of links -----------------------------------------------------------------------------------------


def test_links_are_handed_out_and_each_is_one_person() -> None:
    crowd = ExternalProvider(GIVEN["link_list"])
    crowd.take_run_secret(Secret("s" * 64))
    links = [crowd.get_worker_url(URL, name) for name in make_link_names(3)]
    came = [dict(parse_qsl(urlsplit(link).query)) | dict(parse_qsl(urlsplit(link).fragment)) for link in links]
    assert [arrive(crowd, one).worker_name for one in came] == ["P-001", "P-002", "P-003"]
    assert arrive(crowd, came[0]) == arrive(crowd, dict(came[0]))  # whoever comes again is on the same visit
    for wrong in (came[0] | {"person": "P-002"}, {"person": "P-001"}, came[0] | {"key": came[1]["key"]}):
        with pytest.raises(ValueError, match="This link is not complete"):
            arrive(crowd, wrong)
    assert crowd.get_entry_url(URL) is None
    assert came[0]["key"] not in urlsplit(links[0]).query  # browsers send it to nobody


NO_LINKS = [(0, "P"), (-1, "P"), (True, "P"), (1.5, "P"), (10**6, "P"), (3, "a b"), (3, "é"), (3, "")]


@pytest.mark.parametrize(("count", "prefix"), NO_LINKS)
def test_what_are_no_links_is_refused(count: Any, prefix: str) -> None:
    with pytest.raises(ConfigError, match=r"Give a whole number|Take up to 40 letters"):
        make_link_names(count, prefix)


def test_who_would_be_refused_gets_no_link() -> None:
    with pytest.raises(ConfigError, match="Give an id that fits"):
        ExternalProvider(GIVEN["sona"]).get_worker_url(URL, "ann")


# -- what the page and the port say ---------------------------------------------------------------------------


def test_people_come_for_one_visit_and_find_it_from_any_device() -> None:
    assert prolific.SERVES_AGAIN is False
    assert prolific.has_own_links is True
    assert prolific.name_parameter is None


def test_the_page_knows_the_same_macros() -> None:
    script = prolific.get_wrapper_js_path().read_text(encoding="utf-8")
    assert MACRO.pattern in script
    assert urlencode({"a": "{{x}}"}) == "a=%7B%7Bx%7D%7D"
    assert unquote("%CAMP_ID%", errors="replace") == "\ufffdMP_ID%"


@pytest.mark.parametrize("provider", [prolific, LinkProvider(LinkProviderArgs())])
def test_what_the_pages_of_all_crowds_share_stands_once(provider: CrowdProvider[Any]) -> None:
    script, own = read_crowd_script(provider), provider.get_wrapper_js_path().read_text(encoding="utf-8")
    assert script.endswith(own)
    assert "window._MEPHISTO_CONFIG_ = " in script.removesuffix(own)
    assert "window._MEPHISTO_CONFIG_ = " not in own
