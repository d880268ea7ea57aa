"""The provider `prolific`: what the kernel meets."""

from __future__ import annotations

import hashlib
import secrets
from decimal import Decimal
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.crowd_desk import CrowdDesk
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity
from mephisto_nb.providers.prolific.account import KnownStudy, ProlificAccount, Surroundings
from mephisto_nb.providers.prolific.arrivals import CAPTURED_STUDY, ProlificDoor, read_named
from mephisto_nb.providers.prolific.completion_codes import ProlificCodes
from mephisto_nb.providers.prolific.desk import ProlificDesk
from mephisto_nb.providers.prolific.exits import ProlificExits
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID, ProlificGroups
from mephisto_nb.providers.prolific.recruiting.recruiter import ProlificRecruiter
from mephisto_nb.providers.prolific.recruiting.study_fields import PARTICIPANT, STUDY, SUBMISSION, entry_address
from mephisto_nb.providers.prolific.settings import CURRENCIES, ProlificProviderArgs, check_settings
from mephisto_nb.utils.proofs import Secret


class ProlificProvider(CrowdProvider[ProlificProviderArgs]):
    """People come from Prolific, which offers them the run as a study, and pays them.

    Parameters
    ----------
    args
        The run's settings.
    around
        The clock, and how is waited; None: the real ones.
    """

    PROVIDER_TYPE: ClassVar[str] = "prolific"
    ArgsClass = ProlificProviderArgs
    #: A third and the tax on it, for forecasts alone: what is paid is what Prolific says.
    FEE_RATE: ClassVar[Decimal] = Decimal("0.4")
    DESK: ClassVar[type[CrowdDesk]] = ProlificDesk

    def __init__(self, args: ProlificProviderArgs, around: Surroundings | None = None) -> None:
        super().__init__(args)
        self._account = ProlificAccount(args, around or Surroundings())
        self._known = KnownStudy()
        self._door = ProlificDoor(self._account, self._known)
        # Until a run gives its own secret, codes are those of nobody.
        self._codes = codes = ProlificCodes(Secret(secrets.token_hex(32)), pays_screen_out=args.screen_out.reward > 0)
        self._exits = ProlificExits(self._account, codes, args.app_url, approves=args.auto_approve)
        self._groups = ProlificGroups(self._account, args.requester_name)
        self._recruiter = ProlificRecruiter(args, self._account, codes, self._known, self._groups)

    def assert_task_args(self, task: TaskRunArgs) -> None:
        """Raise `ConfigError` for settings that no study can have, and where there is no token."""
        check_settings(self.args)
        if task.currency not in CURRENCIES:
            raise ConfigError(
                f"mephisto.task.currency is {task.currency!r}. Prolific pays in {' or '.join(CURRENCIES)}, whichever "
                "the workspace has."
            )
        self._account.token()

    @property
    def has_own_links(self) -> bool:
        """Whoever comes by Prolific's link finds what they hold from any device: Prolific says who they are."""
        return True

    def take_run_secret(self, secret: Secret) -> None:
        """Make the run's completion codes of this secret."""
        self._codes.make(secret)

    def get_wrapper_js_path(self) -> Path:
        """Return the script that reads the ids from the address."""
        return Path(__file__).parent / "page" / "wrap_crowd_source.js"

    def identify(self, provider_data: JSONObject) -> Identity:
        """Take the ids in a registration, as far as they are ids. Whose they are is asked for by `vouch_for`.

        Raises
        ------
        ValueError
            The address names nobody: an id is missing, was never filled in, or is none; or it is a preview.
        """
        named = read_named(provider_data)
        return Identity(named.participant, named.submission, {CAPTURED_STUDY: named.study})

    async def vouch_for(self, identity: Identity, provider_data: JSONObject) -> None:
        """Make sure that somebody is who their address says: by what Prolific has signed, else by asking it.

        Raises
        ------
        ValueError
            They are not, or come too late.
        WorldError
            Prolific cannot be asked now.
        """
        await self._door.vouch(identity, provider_data)

    @property
    def exits(self) -> ProlificExits:
        """How people go back."""
        return self._exits

    @property
    def recruiter(self) -> ProlificRecruiter:
        """Who offers the run on Prolific."""
        return self._recruiter

    def make_desk(self) -> ProlificDesk:
        """Return what asks Prolific to pay, reject, write and block."""
        return ProlificDesk(self._account, self._groups, self.args.rejection_category)

    def get_entry_url(self, url: str) -> str:
        """Return the address that a study has; Prolific fills in who comes. The study is made with it by itself."""
        return entry_address(url)

    @property
    def entry_words(self) -> str:
        """That nobody has to do anything with the address."""
        return "Prolific has this address from the study, and sends people to it"

    def get_lonely_advice(self, url: str) -> str:
        """Return that the study itself may keep people away."""
        return "Look at the study on Prolific: whether it is open, and how many people its filters let in."

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Return a link as Prolific would make it for this participant; nobody vouches for who comes by it.

        Raises
        ------
        ConfigError
            It is no id of a participant.
        """
        name, parts = worker_name.strip(), urlsplit(url)
        if not PROLIFIC_ID.fullmatch(name):
            raise ConfigError(
                f"{worker_name[:60]!r} is no id of a participant of Prolific: those have 24 digits, 0 to 9 and a to f. "
                "People of your own come by the provider 'link'."
            )
        submission = hashlib.sha256(f"rehearsal:{name}".encode()).hexdigest()[:24]
        own = [(PARTICIPANT, name), (STUDY, self._known.study_id or "0" * 24), (SUBMISSION, submission)]
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *own])
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query=query, fragment=""))

    async def setup_resources_for_task_run(self, task_run_id: str, url: str) -> None:
        """Keep one connection to Prolific for the length of the run."""
        self._known.task_run_id, self._known.url = task_run_id, url
        self._account.hold()

    async def let_go_of_task_run(self, task_run_id: str) -> None:
        """Close the connection; the next kernel opens one of its own."""
        await self._account.release()

    async def cleanup_resources_from_task_run(self, task_run_id: str) -> None:
        """Close the connection; again: nothing. Who reviews the run afterwards opens another one."""
        await self._account.release()
