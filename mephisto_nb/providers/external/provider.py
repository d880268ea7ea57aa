"""The provider `external`: what the kernel meets."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity, VisitExits
from mephisto_nb.ports.named_secrets import find_secret
from mephisto_nb.providers.external.arrivals import find_parameter, read_arrival, signed_text
from mephisto_nb.providers.external.codes import sign, verify_code
from mephisto_nb.providers.external.exits import CallingExits, ExternalExits
from mephisto_nb.providers.external.settings import ExternalProviderArgs
from mephisto_nb.providers.external.setup import SESSION, STUDY, ExternalSetup, make_setup
from mephisto_nb.providers.external.templates import names_in
from mephisto_nb.utils import proofs
from mephisto_nb.utils.proofs import Secret

#: Of rehearsals: what stands for a study and a visit in the links that are made here.
_REHEARSAL = "rehearsal"


class ExternalProvider(CrowdProvider[ExternalProviderArgs]):
    """People whom a crowd sends to an address that holds their ids, and who go back by another, or with a code.

    Examples
    --------
    >>> args = ExternalProviderArgs(preset="prolific_by_link", details={"completion_code": "C1A2B3"})
    >>> provider = ExternalProvider(args)
    >>> print(provider.get_entry_url("https://lab.example.org/task"))
    https://lab.example.org/task/?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}
    """

    PROVIDER_TYPE: ClassVar[str] = "external"
    ArgsClass = ExternalProviderArgs
    #: The crowd sends each person for one visit.
    SERVES_AGAIN: ClassVar[bool] = False

    def __init__(self, args: ExternalProviderArgs) -> None:
        super().__init__(args)
        self._setup: ExternalSetup = make_setup(args)
        #: Until a run gives its own, one that nobody knows.
        self._secret = Secret(secrets.token_hex(32))
        calls = any(way.call for way in self._setup.exits.values())
        self._exits = (CallingExits if calls else ExternalExits)(self._setup, self._find_secret, self._code_secret)
        #: Those that were found already, by name: arrivals have no time to look for them.
        self._found: dict[str, Secret] = {}

    def assert_task_args(self, task: TaskRunArgs) -> None:
        """Raise `ConfigError` for a secret that is named and not there: nobody could go back later."""
        self._find_all()

    @property
    def has_own_links(self) -> bool:
        """Whether people find what they hold from any device: the crowd's id says who they are."""
        return True

    def take_run_secret(self, secret: Secret) -> None:
        """Sign links, and make codes, with this secret, where no other is named.

        Raises
        ------
        ConfigError
            A secret that settings name is gone: better said to who takes the run up again than to those who come.
        """
        self._secret = secret
        self._find_all()

    def get_wrapper_js_path(self) -> Path:
        """Return the script that reads the ids from the address."""
        return Path(__file__).parents[1] / "external_page" / "wrap_crowd_source.js"

    def identify(self, provider_data: JSONObject) -> Identity:
        """Take the ids in a registration, if they are ids, and signed where they have to be.

        Raises
        ------
        ValueError
            One is missing, was never filled in, or is none; or a signature does not fit.
        """
        arrival = read_arrival(self._setup, provider_data, self._find_secret)
        if key := self._setup.link_key:
            given = find_parameter(self._setup, provider_data, key)
            if not proofs.matches(self._key_of(arrival.participant), given):
                raise ValueError(
                    "This link is not complete: its last part, which shows that it was given to you, is missing or was "
                    "changed. Please open the whole link that you were sent, or ask whoever sent it for a new one."
                )
        own = {STUDY: arrival.study, SESSION: arrival.session}
        captured = {name: value for name, value in own.items() if value} | arrival.captured
        return Identity(arrival.participant, arrival.registration_id, captured)

    @property
    def exits(self) -> VisitExits:
        """How people go back."""
        return self._exits

    def get_entry_url(self, url: str) -> str | None:
        """Return the address to paste into the crowd's form; None where each person has a link of their own."""
        if self._setup.link_key:
            return None
        preset, parts = self._setup.preset, urlsplit(url)
        names = {preset.participant: self._setup.participant, preset.study: self._setup.study}
        names[preset.session] = self._setup.session
        pieces = [parts.query] if parts.query else []
        # As they are: the crowd looks for its macros by their very letters.
        pieces += [f"{names.get(parameter, parameter)}={macro}" for parameter, macro in preset.entry.items()]
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query="&".join(pieces), fragment=""))

    @property
    def entry_words(self) -> str:
        """Where the address is to be pasted."""
        return f"Paste this address into {self._setup.preset.title}'s form"

    def get_lonely_advice(self, url: str) -> str:
        """Return that the crowd's form may not hold the address; '' where there is none."""
        entry = self.get_entry_url(url)
        return f"Look whether {self._setup.preset.title} has this address in its form: {entry}" if entry else ""

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Return the link by which somebody of this id comes: for a list of links, and for rehearsals.

        Raises
        ------
        ConfigError
            It is no id that the crowd gives, so who came by it would be refused.
        """
        setup, parts = self._setup, urlsplit(url)
        own = {setup.participant: worker_name.strip()}
        if setup.study:
            own[setup.study] = _REHEARSAL
        if setup.session:
            own[setup.session] = f"{_REHEARSAL}-{own[setup.participant]}"
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *own.items()])
        if setup.signed.parameter:
            query = f"{query}&{urlencode({setup.signed.parameter: self._signature(query, own)})}"
        key = f"{setup.link_key}={self._key_of(own[setup.participant])}" if setup.link_key else ""
        link = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query=query, fragment=key))
        try:
            self.identify({"parameters": dict(parse_qsl(f"{query}&{key}")), "query": query})
        except ValueError as error:
            raise ConfigError(
                f"The name {worker_name[:60]!r} gets no link: who came by it would be told {str(error)!r} Give an id "
                f"that fits {setup.participant_pattern.pattern!r}."
            ) from error
        return link

    def verify_code(
        self, code: str, participant: str, study: str = "", outcome: Outcome | str = Outcome.COMPLETED
    ) -> bool:
        """Return whether a code that somebody handed in is theirs, where each person has one of their own."""
        return verify_code(code, self._code_secret(), participant, study or self._setup.study_value, outcome)

    def describe(self) -> str:
        """Return what is known of this crowd: what it sends, how people go back, and how sure that is."""
        setup, preset = self._setup, self._setup.preset
        ids = ", ".join(f"{role} in {name!r}" for role, name in setup.parameters.items())
        lines = [f"{preset.title}: {ids}.", preset.to_do, "People go back:"]
        for outcome in Outcome:
            way = setup.way_of(outcome)
            how = [
                name
                for name, is_so in (
                    ("by an address", way and way.redirect),
                    ("with a code", way and way.code),
                    ("with a code of their own", way and way.per_person_code),
                    ("by a call of ours", way and way.call),
                )
                if is_so
            ]
            lines.append(f"- {outcome.value}: {', '.join(how) or 'they are told, and stay'}")
        lines += [f"Source: {preset.source}.", preset.verified]
        return "\n".join(line for line in lines if line)

    def _find_all(self) -> None:
        for where, name in self._setup.names_of_secrets():
            self._find_secret(name, where)

    def _find_secret(self, name: str, where: str) -> Secret:
        if name not in self._found:
            self._found[name] = find_secret(name, where)
        return self._found[name]

    def _code_secret(self) -> Secret:
        name = self._setup.code_secret
        return self._find_secret(name, "mephisto.provider.code_secret") if name else self._secret

    def _signature(self, query: str, own: dict[str, str]) -> str:
        signed = self._setup.signed
        found = {role: own[name] for role, name in self._setup.parameters.items()}
        text = signed_text(self._setup, query if "query" in names_in(signed.over) else "", found, {})
        return sign(
            self._find_secret(signed.secret, "mephisto.provider.signed.secret"), text, signed.algorithm, signed.encoding
        )

    def _key_of(self, participant: str) -> str:
        return proofs.link_key(self._secret.reveal(), participant)


def make_link_names(count: int, prefix: str = "P") -> list[str]:
    """Return so many names for a list of links, the same each time: ``run.get_worker_urls(make_link_names(50))``.

    Raises
    ------
    ConfigError
        It is no number of links that anybody hands out, or the prefix is no part of an id.

    Examples
    --------
    >>> make_link_names(3)
    ['P-001', 'P-002', 'P-003']
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100_000:
        raise ConfigError(f"{count!r} links cannot be made. Give a whole number from 1 to 100,000.")
    if not prefix.isascii() or not prefix.isalnum() or len(prefix) > 40:
        raise ConfigError(f"The prefix {prefix[:60]!r} is no part of an id. Take up to 40 letters and digits.")
    width = max(3, len(str(count)))
    return [f"{prefix}-{number:0{width}}" for number in range(1, count + 1)]
