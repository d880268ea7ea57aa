"""Who comes, by the address that Prolific made for them, and whether they are who it says."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from dataclasses import dataclass

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import CrowdError, CrowdRefusedError, SignatureError, WorldError
from mephisto_nb.ports.crowd_provider import Identity
from mephisto_nb.providers.prolific.account import KnownStudy, ProlificAccount
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID
from mephisto_nb.providers.prolific.recruiting.study_fields import PARTICIPANT, STUDY, SUBMISSION
from mephisto_nb.providers.prolific.signing import EntryClaims, EntryTokens
from mephisto_nb.utils.logging import get_logger, warn_once

logger = get_logger(__name__)

#: The parameter that Prolific adds to a signed address.
TOKEN = "prolific_token"
#: Under which name a study's id is kept beside answers.
CAPTURED_STUDY = "study"
_LONGEST = 8_192
#: So many submissions are looked up at once, whoever floods a run with invented ones.
_AT_ONCE = 4
#: How long a turn is held by who was looked up in vain (seconds).
_PAUSE = 1.0
_OPEN_AGAIN = "Please open the study on Prolific again, by its own button."
#: What is said to who comes with a submission that is over.
_OVER = {
    "TIMED-OUT": "Your time for this study is over, and your place was given to somebody else. Thank you for coming.",
    "RETURNED": "You have returned this study, so it is not yours to do any more. Thank you for coming.",
    "REJECTED": "This submission was decided on already. Write to the researcher on Prolific if you have a question.",
    **dict.fromkeys(
        ("AWAITING REVIEW", "PROCESSING", "APPROVED", "PARTIALLY APPROVED", "SCREENED OUT"),
        "This submission was handed in already, so there is nothing more to do. Thank you.",
    ),
}
_OVER["TIME-OUT"] = _OVER["TIMED-OUT"]


@dataclass(frozen=True, slots=True)
class NamedByProlific:
    """What an address says of who comes by it."""

    participant: str
    study: str
    submission: str


def read_named(provider_data: JSONObject) -> NamedByProlific:
    """Return who comes, as far as they say so themselves.

    Raises
    ------
    ValueError
        The address names nobody; the message is for whoever came by it.
    """
    given = provider_data.get("parameters")
    found = {name: _text(given, name) for name in (PARTICIPANT, STUDY, SUBMISSION)}
    unfilled = [name for name, value in found.items() if value.startswith("{{") or "%}" in value]
    if unfilled:
        raise ValueError(
            f"You opened this link by hand: Prolific puts an id where {found[unfilled[0]][:40]!r} stands. This is how "
            "the page looks to a visitor; nobody was registered, and nothing is kept."
        )
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ValueError(f"Your link does not say who you are: {missing[0]} is missing in it. {_OPEN_AGAIN}")
    is_id = {name: PROLIFIC_ID.fullmatch(value) is not None for name, value in found.items()}
    if is_id[PARTICIPANT] and is_id[STUDY] and found[SUBMISSION].isascii() and found[SUBMISSION].isalnum():
        if is_id[SUBMISSION]:
            return NamedByProlific(found[PARTICIPANT], found[STUDY], found[SUBMISSION])
        raise ValueError(
            "This is a preview of the study: Prolific keeps no submission for it, so nobody was registered, and "
            "nothing is kept. Participants see the task itself once the study is published."
        )
    wrong = next(name for name, fits in is_id.items() if not fits)
    raise ValueError(f"Your link is damaged: {wrong} in it is no id of Prolific's. {_OPEN_AGAIN}")


class ProlificDoor:
    """Makes sure that people are who their address says: by what Prolific has signed, or by asking it.

    Parameters
    ----------
    account
        Asks Prolific.
    known
        Which study it is, and where people come.
    """

    def __init__(self, account: ProlificAccount, known: KnownStudy) -> None:
        self._account, self._known = account, known
        self._tokens: EntryTokens | None = None
        self._tokens_for = ""
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def vouch(self, identity: Identity, provider_data: JSONObject) -> None:
        """Make sure that somebody is who they say.

        Raises
        ------
        ValueError
            They are not, or come too late; the message is for them.
        WorldError
            That cannot be known now.
        """
        if not self._known.study_id:
            raise CrowdError("The study of this run is not known yet. Try again in a moment.")
        if identity.captured.get(CAPTURED_STUDY) != self._known.study_id:
            raise ValueError(f"Your link belongs to another study than this one. {_OPEN_AGAIN}")
        token = _text(provider_data.get("parameters"), TOKEN)
        if token and not _has_expired(token, self._account.around.clock.now()):
            claims = await self._verify(token)
            if claims is not None:
                self._check_named(identity, claims)
                return
        # There is none, or it has expired since they came, as after a reload; or it cannot be trusted.
        await self._look_up(identity)

    async def _verify(self, token: str) -> EntryClaims | None:
        """Return what Prolific has signed; None: it is worth no more than none at all, which whoever comes may send.

        It need not be a stranger's: where this computer's clock is wrong, nobody's can be trusted.
        """
        try:
            return await self._token_checks().verify(token)
        except SignatureError as error:
            warn_once(logger, f"Of somebody who came, Prolific is asked, though their address was signed: {error}")
            return None

    def _check_named(self, identity: Identity, claims: EntryClaims) -> None:
        named = claims.submission_id, claims.participant_id, claims.study_id
        if named != (identity.registration_id, identity.worker_name, self._known.study_id):
            raise ValueError(f"Your link was changed: Prolific has made it for somebody else. {_OPEN_AGAIN}")

    async def _look_up(self, identity: Identity) -> None:
        async with self._turns:
            try:
                await self._compare(identity)
            except ValueError:
                # Whoever invents ids has Prolific asked no faster: it counts our requests, and has to take others.
                await self._account.around.wait(_PAUSE)
                raise

    async def _compare(self, identity: Identity) -> None:
        async with self._account.asking() as api:
            try:
                found = await api.submissions.get(identity.registration_id)
            except CrowdRefusedError as error:
                if error.status != 404:
                    raise
                raise ValueError(f"Prolific knows no such submission as your link names. {_OPEN_AGAIN}") from error
        if (found.participant_id, found.study_id) != (identity.worker_name, self._known.study_id):
            raise ValueError(f"Your link was changed: it names somebody else's submission. {_OPEN_AGAIN}")
        if found.status in _OVER:
            raise ValueError(_OVER[found.status])

    def _token_checks(self) -> EntryTokens:
        if not self._known.url:
            raise WorldError("Where this run is served is not known yet. Try again in a moment.")
        if self._tokens is None or self._tokens_for != self._known.url:
            self._tokens = EntryTokens(self._fetch_keys, self._known.url, now=self._account.around.clock.now)
            self._tokens_for = self._known.url
        return self._tokens

    async def _fetch_keys(self) -> JSONObject:
        async with self._account.asking() as api:
            return await api.account.entry_keys()


def _has_expired(token: str, now: float) -> bool:
    """Return whether a token says of itself that it is too old; then it is worth no more than none at all."""
    parts = token.split(".")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return False
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return isinstance(expires, int | float) and not isinstance(expires, bool) and expires < now


def _text(given: object, name: str) -> str:
    value = given.get(name) if isinstance(given, dict) else None
    return value.strip() if isinstance(value, str) and len(value) <= _LONGEST else ""
