"""The mock provider: workers come by link and say who they are; nobody is paid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.abstractions.crowd_provider import CrowdProvider, Identity

_LONGEST_NAME = 128
_LONGEST_REGISTRATION = 512


@dataclass(slots=True)
class MockProviderArgs:
    """In whose name work is offered.

    Parameters
    ----------
    requester_name
        Any name: this crowd has no accounts.
    """

    _provider_type: str = "mock"
    requester_name: str = "mock_requester"


class MockProvider(CrowdProvider[MockProviderArgs]):
    """Workers come by ``/?worker_id=NAME``, and are believed. For rehearsals and for people you know.

    Examples
    --------
    >>> MockProvider(MockProviderArgs()).get_worker_url("http://127.0.0.1:3000", "Ann Lee")
    'http://127.0.0.1:3000/?worker_id=Ann+Lee'
    """

    PROVIDER_TYPE: ClassVar[str] = "mock"
    ArgsClass = MockProviderArgs
    FEE_RATE: ClassVar[float] = 0.0

    def get_wrapper_js_path(self) -> Path:
        """Give the script that reads the worker's name from the address."""
        return Path(__file__).with_name("wrap_crowd_source.js")

    def identify(self, provider_data: JSONObject) -> Identity:
        """Believe the name in a registration.

        Raises
        ------
        ValueError
            The name or the registration is missing, too long, or not text that can be shown.
        """
        name = _printable(provider_data.get("worker_name"))
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise ValueError(
                f"Your link holds no usable worker name: it needs 1 to {_LONGEST_NAME} ordinary characters. "
                "Please ask whoever sent you the link for a new one."
            )
        registration = _printable(provider_data.get("agent_registration_id"))
        if not 1 <= len(registration) <= _LONGEST_REGISTRATION:
            raise ValueError(
                "Your browser sent a registration that cannot be read. Please open the link that you were given again."
            )
        return Identity(name, registration)

    def get_worker_url(self, url: str, worker_name: str) -> str:
        """Give the link by which the worker of this name comes."""
        parts = urlsplit(url)
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("worker_id", worker_name)])
        return urlunsplit(parts._replace(path=parts.path or "/", query=query))


def _printable(value: object) -> str:
    """Give text stripped, and '' for what is no printable text."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text.isprintable() else ""
