"""What every `CrowdProvider` has to do.

To test a provider, subclass `ProviderContract`, or `SignedLinksContract` where nobody is believed without the key of
their own link, and `ExitsContract` beside it where people go back to the crowd; give it the fixture `make_provider`,
and say what a page sends::

    class TestMyProvider(ProviderContract):
        @pytest.fixture
        def make_provider(self):
            return lambda: MyProvider(MyProviderArgs())

        def register(self, link):
            return {"name": parse_qs(urlsplit(link).query)["name"][0]}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.errors import ConfigError, UsageError
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import ExitLink, Outcome, VisitEnd
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.crowd_desk import BonusQuote, CrowdDesk, CrowdVerb, CrowdWork
from mephisto_nb.ports.crowd_provider import CrowdProvider, VisitExits
from mephisto_nb.utils.proofs import Secret

MakeProvider: TypeAlias = Callable[[], CrowdProvider[Any]]

_URL = "http://127.0.0.1:3000"
_SECRET, _ANOTHER = "5ec4e7" * 11, "a0074e4" * 10
_WORK = CrowdWork("key", "unit", "agent", "worker-one", "registration", Money.of("0.5"), "Thank you")
_METHODS = {
    CrowdVerb.APPROVE: "approve_work",
    CrowdVerb.REJECT: "reject_work",
    CrowdVerb.BONUS: "pay_bonuses",
    CrowdVerb.MESSAGE: "send_message",
    CrowdVerb.BLOCK: "block_worker",
}


#: Ids that nobody has, and that whoever types an address may send.
HOSTILE_IDS = (
    "a&cc=SUCCESS",
    "../../complete",
    "..",
    "%2e%2e%2fcomplete",
    "x#y?z=1",
    "https://elsewhere.example.org/",
    "//elsewhere.example.org",
    "@elsewhere.example.org",
    "javascript:alert(1)",
    '"><script>alert(1)</script>',
    "a\r\nLocation: https://elsewhere.example.org",
    "{code}",
    "{0.__class__}",
    "\u202egnp",
    "\ud800",
    "x" * 5000,
)


class ProviderFixtures:
    """What the contracts of a provider share."""

    #: Names that the crowd gives its workers.
    names: ClassVar[Sequence[str]] = ("worker-one", "worker-two")

    @pytest.fixture
    def make_provider(self) -> MakeProvider:
        """Supplied by the subclass: a function that makes the same provider anew, as each kernel does."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'make_provider'.")

    @pytest.fixture
    def provider(self, make_provider: MakeProvider) -> CrowdProvider[Any]:
        """The provider of a run, with its secret."""
        return with_secret(make_provider(), _SECRET)

    def register(self, link: str) -> JSONObject:
        """Supplied by the subclass: what a page that was opened by a worker's link sends as its ``provider_data``."""
        raise NotImplementedError(f"{type(self).__name__} has to say what a page sends: register(link).")


class ProviderContract(ProviderFixtures):
    """All that is asked of a `CrowdProvider` without any crowd behind it."""

    def refused_tasks(self) -> Sequence[TaskRunArgs]:
        """Return tasks that the crowd cannot take; one, or a refusing provider, if `assert_task_args` is its own."""
        return ()

    def refusing_providers(self) -> Sequence[CrowdProvider[Any]]:
        """Return providers that take no task at all, as something that their settings name is not there."""
        return ()

    def test_its_settings_are_a_dataclass_that_names_it(self, provider: CrowdProvider[Any]) -> None:
        settings = {field.name: field.default for field in dataclasses.fields(provider.ArgsClass)}
        assert settings.get("_provider_type") == provider.PROVIDER_TYPE
        assert isinstance(provider.args, provider.ArgsClass)

    def test_it_can_be_registered_by_its_name_and_aliases(self, provider: CrowdProvider[Any]) -> None:
        shelf = PluginShelf("provider", "no such group", CrowdProvider, "PROVIDER_TYPE")
        shelf.register(type(provider))
        found = [shelf.get(name) for name in (provider.PROVIDER_TYPE, *provider.ALIASES)]
        assert set(found) == {type(provider)}

    def test_a_plain_task_is_taken_and_what_cannot_be_is_refused(self, provider: CrowdProvider[Any]) -> None:
        plain = TaskRunArgs(task_name="t", task_title="T", task_description="D", task_reward=0.1)
        provider.assert_task_args(plain)
        refused = [(provider, task) for task in self.refused_tasks()]
        refused += [(refusing, plain) for refusing in self.refusing_providers()]
        assert bool(refused) == (type(provider).assert_task_args is not CrowdProvider.assert_task_args)
        for refusing, task in refused:
            with pytest.raises(ConfigError):
                refusing.assert_task_args(task)

    def test_its_script_is_there_and_tells_who_comes(self, provider: CrowdProvider[Any]) -> None:
        script = provider.get_wrapper_js_path().read_text(encoding="utf-8")
        assert "getAgentRegistration" in script

    def test_a_workers_link_leads_back_to_that_worker(self, provider: CrowdProvider[Any]) -> None:
        links = [provider.get_worker_url(_URL, name) for name in self.names]
        assert [provider.identify(self.register(link)).worker_name for link in links] == list(self.names)
        entry = provider.get_entry_url(_URL)  # and the one for all of them names nobody
        assert entry is None or (entry.startswith(_URL) and not any(name in entry for name in self.names))

    def test_who_registers_again_is_the_same_also_after_a_restart(
        self, provider: CrowdProvider[Any], make_provider: MakeProvider
    ) -> None:
        data = self.register(provider.get_worker_url(_URL, self.names[0]))
        later = with_secret(make_provider(), _SECRET)
        assert provider.identify(data) == provider.identify(dict(data)) == later.identify(data)

    def test_a_registration_that_names_nobody_is_a_value_error(self, provider: CrowdProvider[Any]) -> None:
        data = self.register(provider.get_worker_url(_URL, self.names[0]))
        values: list[Any] = [None, "", 7, True, [], {}, ["worker-one"]]
        for hostile in ({}, *(dict.fromkeys(data, value) for value in values)):
            with pytest.raises(ValueError, match=r"\w"):
                pytest.fail(f"{hostile} is taken for {provider.identify(hostile)}")

    async def test_an_offer_is_taken_back_twice_without_harm(self, provider: CrowdProvider[Any]) -> None:
        await provider.setup_resources_for_task_run("run", _URL)
        await provider.let_go_of_task_run("run")
        await provider.let_go_of_task_run("run")
        await provider.cleanup_resources_from_task_run("run")
        await provider.cleanup_resources_from_task_run("run")
        data = self.register(provider.get_worker_url(_URL, self.names[0]))
        assert provider.identify(data).worker_name == self.names[0]

    def test_the_runs_secret_is_shown_nowhere(self, provider: CrowdProvider[Any]) -> None:
        shown = [repr(provider), repr(vars(provider)), str(provider), provider.get_worker_url(_URL, self.names[0])]
        assert [text for text in shown if _SECRET in text] == []

    async def test_it_can_do_what_it_says_and_refuses_the_rest(self, provider: CrowdProvider[Any]) -> None:
        desk = provider.make_desk()
        assert isinstance(desk, provider.DESK)
        own = {verb for verb, name in _METHODS.items() if getattr(provider.DESK, name) is not getattr(CrowdDesk, name)}
        assert own == provider.DESK.CAN
        for verb in set(CrowdVerb) - own:
            with pytest.raises(UsageError, match="cannot"):
                await getattr(desk, _METHODS[verb])(BonusQuote([_WORK]) if verb is CrowdVerb.BONUS else _WORK)

    def test_its_fees_are_a_share_and_its_frames_are_sites(self, provider: CrowdProvider[Any]) -> None:
        assert isinstance(provider.FEE_RATE, Decimal)  # a float would make fees that nobody asks for
        assert 0 <= provider.FEE_RATE < 1
        assert [site for site in provider.FRAME_ANCESTORS if not site or set(site) & set(" ;,\r\n")] == []


class SignedLinksContract(ProviderContract):
    """What is asked of a provider that believes nobody without the key of their own link."""

    def test_a_link_of_another_run_is_refused(self, provider: CrowdProvider[Any], make_provider: MakeProvider) -> None:
        other = with_secret(make_provider(), _ANOTHER)
        with pytest.raises(ValueError, match=r"\w"):
            provider.identify(self.register(other.get_worker_url(_URL, self.names[0])))

    def test_the_key_of_one_is_not_the_key_of_another(self, provider: CrowdProvider[Any]) -> None:
        data = self.register(provider.get_worker_url(_URL, self.names[0]))
        forged = {key: str(value).replace(self.names[0], self.names[1]) for key, value in data.items()}
        assert forged != data
        with pytest.raises(ValueError, match=r"\w"):
            provider.identify(forged)

    def test_a_link_that_was_cut_short_is_refused(self, provider: CrowdProvider[Any]) -> None:
        link = provider.get_worker_url(_URL, self.names[0])
        with pytest.raises(ValueError, match=r"\w"):
            provider.identify(self.register(link[:-1]))

    def test_without_the_runs_secret_nobody_is_believed(self, make_provider: MakeProvider) -> None:
        link = make_provider().get_worker_url(_URL, self.names[0])
        with pytest.raises(ValueError, match=r"\w"):
            make_provider().identify(self.register(link))


class ExitsContract(ProviderFixtures):
    """What is asked of a provider whose people go back to a crowd at the end of a visit."""

    @pytest.fixture
    def exits(self, provider: CrowdProvider[Any]) -> VisitExits:
        """The ways back."""
        found = provider.exits
        assert found is not None, f"{type(provider).__name__}.exits is None: there is nothing that this could test."
        return found

    def end(self, provider: CrowdProvider[Any], outcome: Outcome, **changes: Any) -> VisitEnd:
        """Return how the visit of the first of `names` has ended."""
        who = provider.identify(self.register(provider.get_worker_url(_URL, self.names[0])))
        end = VisitEnd("visit", who.worker_name, who.registration_id, outcome, 1, 1, who.captured)
        return dataclasses.replace(end, **changes)

    def test_an_outcome_is_answered_with_something_or_not_at_all(
        self, provider: CrowdProvider[Any], exits: VisitExits
    ) -> None:
        for outcome in Outcome:
            link = exits.get_exit(self.end(provider, outcome))
            if link is not None:
                assert link.outcome is outcome
                assert link.text or link.url or link.code
                assert link.url is None or _is_safe(link.url)
                assert link.url is not None or not link.automatic

    def test_the_same_end_has_the_same_exit_also_after_a_restart(
        self, provider: CrowdProvider[Any], exits: VisitExits, make_provider: MakeProvider
    ) -> None:
        later = with_secret(make_provider(), _SECRET).exits
        assert later is not None
        for end in [self.end(provider, outcome) for outcome in Outcome]:
            assert exits.get_exit(end) == exits.get_exit(end) == later.get_exit(end)

    def test_who_has_not_finished_never_leaves_as_who_has(
        self, provider: CrowdProvider[Any], exits: VisitExits
    ) -> None:
        success = exits.get_exit(self.end(provider, Outcome.COMPLETED))
        for outcome in set(Outcome) - {Outcome.COMPLETED}:
            link = exits.get_exit(self.end(provider, outcome))
            if success is not None and link is not None:
                assert link.url is None or link.url != success.url
                assert link.code is None or link.code != success.code

    def test_an_id_never_breaks_out_of_its_place(self, provider: CrowdProvider[Any], exits: VisitExits) -> None:
        for plain in [self.end(provider, outcome) for outcome in Outcome]:
            usual = exits.get_exit(plain)
            for hostile in HOSTILE_IDS:
                captured = dict.fromkeys(plain.captured, hostile)
                end = dataclasses.replace(plain, worker_name=hostile, registration_id=hostile, captured=captured)
                assert _shape_of(exits.get_exit(end)) == _shape_of(usual), f"{hostile[:40]!r}, {plain.outcome}"

    def test_who_comes_too_late_never_leaves_as_who_has_finished(
        self, provider: CrowdProvider[Any], exits: VisitExits
    ) -> None:
        late, success = exits.get_exit_if_over(), exits.get_exit(self.end(provider, Outcome.COMPLETED))
        if late is None:
            return
        assert late.link.outcome is not Outcome.COMPLETED
        assert late.link.url is None or _is_safe(late.link.url.replace("{", "").replace("}", ""))
        assert success is None or late.link.code is None or late.link.code != success.code
        assert success is None or late.link.url is None or late.link.url != success.url

    async def test_it_tells_its_crowd_if_it_says_so(self, provider: CrowdProvider[Any], exits: VisitExits) -> None:
        assert (type(exits).finish is not VisitExits.finish) == exits.TELLS_CROWD
        if not exits.TELLS_CROWD:
            with pytest.raises(UsageError):
                await exits.finish(self.end(provider, Outcome.COMPLETED))

    def test_the_runs_secret_is_in_no_exit(self, provider: CrowdProvider[Any], exits: VisitExits) -> None:
        shown = [repr(exits.get_exit(self.end(provider, outcome))) for outcome in Outcome]
        assert [one for one in [repr(exits), repr(vars(exits)), *shown] if _SECRET in one] == []


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    return (parts.scheme == "https" or is_here) and bool(parts.hostname) and url.isprintable() and " " not in url


def _shape_of(link: ExitLink | None) -> tuple[Any, ...] | None:
    """Return all of a way back but the values in it."""
    return None if link is None else (None if link.url is None else _shape(link.url),)


def _shape(url: str) -> tuple[Any, ...]:
    """Return all of an address but the values in it."""
    assert _is_safe(url)
    parts = urlsplit(url)
    fragment, _, behind = parts.fragment.partition("?")
    names = [name for text in (parts.query, behind) for name, _ in parse_qsl(text, keep_blank_values=True)]
    return parts.scheme, parts.netloc, parts.path.count("/"), fragment, names


def with_secret(provider: CrowdProvider[Any], secret: str) -> CrowdProvider[Any]:
    """Return the provider once a run has given it this secret."""
    provider.take_run_secret(Secret(secret))
    return provider
