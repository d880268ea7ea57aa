"""The link provider: workers come by a link that holds their name; nobody is paid."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.people import LONGEST_NAME, find_unusable, plain_name
from mephisto_nb.model.records import LINK, LINK_OF_OLD
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity
from mephisto_nb.utils import proofs
from mephisto_nb.utils.proofs import Secret

#: The parameter of a link that holds the worker's name; `wrap_crowd_source.js` reads it.
_NAME = "worker_id"
_LONGEST_REGISTRATION = 512


@dataclass(slots=True)
class LinkProviderArgs:
    """In whose name work is offered.

    Parameters
    ----------
    requester_name
        Any name: this crowd has no accounts.
    signed_links
        Whether a link has to hold the key that `get_worker_url` puts there for this name. Without it a name is
        believed, whoever types it, and the run's bare address asks for it: one link for people who know each other,
        for rehearsals, and for links that somebody else makes, as those of Mephisto 1.x
        (``/?worker_id=NAME&assignment_id=ID``).
    ui_base_url
        Known to Mephisto 1.x, whose provider ``inhouse`` this is, and not needed: `get_worker_url` makes the links.
    """

    _provider_type: str = LINK
    requester_name: str = "link_requester"
    signed_links: bool = True
    ui_base_url: str | None = None


class LinkProvider(CrowdProvider[LinkProviderArgs]):
    """Workers come by ``/?worker_id=NAME#key=KEY``, for rehearsals and for people you know.

    The key stands behind the ``#``, which browsers send to nobody: no server or proxy on the way, and no other
    site, is told of it.

    Examples
    --------
    >>> LinkProvider(LinkProviderArgs(signed_links=False)).get_worker_url("http://127.0.0.1:3000", "Ann Lee")
    'http://127.0.0.1:3000/?worker_id=Ann+Lee'
    """

    PROVIDER_TYPE: ClassVar[str] = LINK
    ALIASES: ClassVar[tuple[str, ...]] = (LINK_OF_OLD, "inhouse")
    ArgsClass = LinkProviderArgs
    FEE_RATE: ClassVar[Decimal] = Decimal(0)
    SERVES_AGAIN: ClassVar[bool] = True

    def __init__(self, args: LinkProviderArgs) -> None:
        super().__init__(args)
        #: Until a run gives its own, one that nobody knows: what is not signed by the run is not believed.
        self._secret = Secret(secrets.token_hex(32))

    @property
    def name_parameter(self) -> str | None:
        """Ask for the name that a link would hold, where links need no key."""
        return None if self.args.signed_links else _NAME

    @property
    def has_own_links(self) -> bool:
        """Whether links are signed: whoever comes by one is the person that it was given to."""
        return self.args.signed_links

    def take_run_secret(self, secret: Secret) -> None:
        """Sign links with this secret."""
        self._secret = secret

    def get_wrapper_js_path(self) -> Path:
        """Return the script that reads the worker's name from the address."""
        return Path(__file__).parent / "link_page" / "wrap_crowd_source.js"

    def identify(self, provider_data: JSONObject) -> Identity:
        """Take the name in a registration, if its link's key is there, or links need none.

        Raises
        ------
        ValueError
            The name or the registration is missing, too long, or not text that can be shown; or the key is missing
            or another's.
        """
        name = _plain(provider_data.get("worker_name"))
        if find_unusable(name):
            raise ValueError(
                f"Your link holds no usable worker name: it needs 1 to {LONGEST_NAME} ordinary characters. "
                "Please ask whoever sent you the link for a new one."
            )
        if self.args.signed_links and not proofs.matches(self._key_of(name), provider_data.get("worker_key")):
            raise ValueError(
                "This link is not complete: its last part, which shows that it was given to you, is missing or was "
                "changed. Please open the whole link that you were sent, or ask whoever sent it for a new one."
            )
        registration = _plain(provider_data.get("agent_registration_id"))
        if find_unusable(registration, _LONGEST_REGISTRATION):
            raise ValueError(
                "Your browser sent a registration that cannot be read. Please open the link that you were given again."
            )
        return Identity(name, registration)

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Return the link by which the worker of this name comes, and nobody else should.

        Raises
        ------
        ConfigError
            Who came by such a name would be refused.
        """
        parts, name = urlsplit(url), plain_name(worker_name)
        if why := find_unusable(name):
            raise ConfigError(f"The name {worker_name[:60]!r} {why}, so no link of it would work. Give another name.")
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), (_NAME, name)])
        key = f"key={self._key_of(name)}" if self.args.signed_links else parts.fragment
        # Pages name what they load from the folder they are in: without its slash they would look in the one above.
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query=query, fragment=key))

    def _key_of(self, name: str) -> str:
        return proofs.link_key(self._secret.reveal(), name)


def _plain(value: object) -> str:
    """Return text as it is known by, and '' for what is no text."""
    return plain_name(value) if isinstance(value, str) else ""
