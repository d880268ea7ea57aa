"""What Prolific signs: the events that its hooks deliver, and the addresses by which participants come."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, CrowdError, SignatureError, WorldError
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.proofs import Secret

ISSUER = "https://www.prolific.com"
_SIGNATURE, _STAMP = "x-prolific-request-signature", "x-prolific-request-timestamp"
_EVENT_ID, _CREATED = "x-event-id", "x-timestamp"
#: By how many seconds clocks may differ; and how old a delivery, or a set of keys, may be.
_LEEWAY, OLDEST_DELIVERY, _OLDEST_KEYS = 60.0, 300.0, 86_400.0
#: Keys are not asked for more often (seconds), whoever sends tokens that name unknown ones.
_KEYS_EVERY = 60.0
_LARGEST_TOKEN = 8_192


@dataclass(frozen=True, slots=True)
class HookEvent:
    """What a delivery tells. `id` is the same when it is delivered again; `at` says which of two came first."""

    id: str
    event_type: str
    resource_id: str
    at: float
    status: str = ""
    participant_id: str = ""
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class EntryClaims:
    """Who comes by a signed address, by Prolific's word."""

    submission_id: str
    participant_id: str
    study_id: str
    workspace_id: str = ""
    expires_at: float = 0.0


def verify_hook(
    secret: Secret, body: bytes, headers: Mapping[str, str], *, now: float, oldest: float = OLDEST_DELIVERY
) -> HookEvent:
    """Return what a delivery tells, if it is Prolific's.

    Parameters
    ----------
    secret
        That of the workspace.
    body, headers
        As they came: the body's bytes, and headers by whatever case.
    now
        The time, in seconds since the epoch.
    oldest
        For how many seconds a delivery can be used after it was signed.

    Raises
    ------
    SignatureError
        It is not signed, by somebody else, or too old; or it tells nothing that can be read.
    """
    given = {name.lower(): value for name, value in headers.items()}
    stamp, signature = given.get(_STAMP, ""), given.get(_SIGNATURE, "")
    if not stamp or not signature:
        raise SignatureError("A delivery has no signature or no time. Prolific's own have both.")
    signed_at = _seconds(stamp)
    if signed_at is None or abs(now - signed_at) > max(oldest, _LEEWAY):
        raise SignatureError("A delivery is too old, or its time is none. Check this computer's clock.")
    told = _object(body)
    if not any(_is_signed(secret, stamp, form, signature) for form in _forms(body, told)):
        raise SignatureError("A delivery's signature is not that of this workspace's secret. Was that made anew?")
    if told is None or not told.get("resource_id"):
        raise SignatureError("A delivery is signed, but tells of nothing. It is not from the hooks that are known.")
    return HookEvent(
        id=given.get(_EVENT_ID, ""),
        event_type=str(told.get("event_type", "")),
        resource_id=str(told["resource_id"]),
        at=_moment(given.get(_CREATED, "")) or signed_at,
        status=str(told.get("status") or ""),
        participant_id=str(told.get("participant_id") or ""),
        fields=told,
    )


def _forms(body: bytes, told: JSONObject | None) -> list[bytes]:
    """Return what may have been signed: the bytes that came, or what they hold as Python would write it."""
    return [body] if told is None else [body, json.dumps(told).encode()]


def _is_signed(secret: Secret, stamp: str, form: bytes, signature: str) -> bool:
    digest = hmac.digest(secret.reveal().encode(), stamp.encode("utf-8", "surrogatepass") + form, hashlib.sha256)
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(digest, given)


def _object(body: bytes) -> JSONObject | None:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _moment(text: str) -> float | None:
    """Return a time that is written as seconds, milliseconds, or as ISO 8601 does."""
    try:
        return _seconds(text) or datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    """Return a time in seconds since the epoch, also where it is written in milliseconds."""
    whole, _, fraction = text.strip().partition(".")
    if not whole.isascii() or not whole.isdecimal() or len(whole) > 13 or (fraction and not fraction.isdecimal()):
        return None
    seconds = float(text)
    return seconds / 1000 if len(whole) == 13 else seconds


class EntryTokens:
    """Verifies the ``prolific_token`` of addresses, by keys that are fetched now and then.

    Parameters
    ----------
    fetch
        Fetches the keys, as `AccountCalls.entry_keys` does.
    origin
        Where the study is, as ``https://lab.example.org``: a token for somebody else's is refused.
    now
        What time it is, in seconds since the epoch.
    issuer
        Who has to have signed.

    Raises
    ------
    ConfigError
        `origin` is no address.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[JSONObject]],
        origin: str,
        *,
        now: Callable[[], float] = time.time,
        issuer: str = ISSUER,
    ) -> None:
        self._fetch, self._origin, self._now, self._issuer = fetch, _origin_of(origin), now, issuer
        if not self._origin:
            raise ConfigError(f"{origin!r} is no address of a site. Give one such as https://lab.example.org.")
        self._keys: dict[str, Any] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._turn = asyncio.Lock()

    async def verify(self, token: str) -> EntryClaims:
        """Return who comes by a token.

        Raises
        ------
        SignatureError
            It is not Prolific's, not for this study's address, or too old; the message does not hold it.
        WorldError
            The key cannot be fetched now, and is not at hand.
        """
        if not isinstance(token, str) or not 0 < len(token) <= _LARGEST_TOKEN or not token.isascii():
            raise SignatureError("The address holds no token, or one that is too long. Come by Prolific's own link.")
        with needs("prolific"):
            import jwt

        key = await self._key_for(_key_id(jwt, token))
        claims, trouble = _decoded(jwt, token, key)
        if claims is None:
            raise SignatureError(f"The token of an address cannot be trusted: {trouble}. Come by Prolific's own link.")
        return self._checked(claims)

    async def _key_for(self, kid: str) -> Any:
        """Return a key by its name, fetched if it is not at hand, or all are old."""
        async with self._turn:
            now = self._now()
            is_old, was_asked = now - self._fetched_at > _OLDEST_KEYS, now - self._asked_at < _KEYS_EVERY
            if (kid not in self._keys or is_old) and not was_asked:
                self._asked_at = now
                try:
                    self._keys, self._fetched_at = _read_keys(await self._fetch()), now
                except WorldError:
                    if kid not in self._keys:
                        raise
        if kid in self._keys:
            return self._keys[kid]
        if was_asked:  # it may be new, or the keys could not be fetched
            raise CrowdError(f"The key of a token is not at hand. It is asked for again after {_KEYS_EVERY:g} seconds.")
        raise SignatureError("The token of an address is signed with a key that Prolific does not name.")

    def _checked(self, claims: JSONObject) -> EntryClaims:
        """Return what a token says whose signature is right, if it is meant for us, now."""
        now, expires = self._now(), claims.get("exp")
        audience = claims.get("aud")
        meant = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        if claims.get("iss") != self._issuer:
            raise SignatureError("The token of an address was not issued by Prolific.")
        if self._origin not in {_origin_of(str(one)) for one in meant}:
            raise SignatureError(f"The token of an address is for another site than {self._origin}.")
        if isinstance(expires, bool) or not isinstance(expires, int | float) or now > expires + _LEEWAY:
            raise SignatureError("The token of an address has expired. Open the study on Prolific again.")
        if _starts_at(claims) > now + _LEEWAY:
            raise SignatureError("The token of an address is from the future. Check this computer's clock.")
        ids = claims.get("prolific")
        named = {str(name): str(value) for name, value in ids.items()} if isinstance(ids, dict) else {}
        submission = str(claims.get("sub") or named.get("SESSION_ID") or "")
        if not submission or named.get("SESSION_ID", submission) != submission:
            raise SignatureError("The token of an address names no submission, or two.")
        people = named.get("PROLIFIC_PID", ""), named.get("STUDY_ID", "")
        return EntryClaims(submission, *people, named.get("workspace_id", ""), float(expires))


def _key_id(jwt: Any, token: str) -> str:
    """Return the name of the key that a token says it is signed with."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError):
        header = {}
    if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
        raise SignatureError("What an address holds as its token is none of Prolific's. Come by Prolific's own link.")
    return str(header["kid"])


def _decoded(jwt: Any, token: str, key: Any) -> tuple[JSONObject | None, str]:
    """Return what a token says if its signature is right, else what is wrong; times are looked at by another clock."""
    unchecked = dict.fromkeys(("verify_aud", "verify_exp", "verify_iat", "verify_nbf", "verify_iss"), False)
    try:
        return jwt.decode(token, key, algorithms=["RS256"], options=unchecked), ""
    except jwt.PyJWTError as error:
        # By its class alone: what a library says may hold parts of the token.
        return None, f"its signature is wrong ({type(error).__name__})"


def _read_keys(jwks: JSONObject) -> dict[str, Any]:
    with needs("prolific"):
        import jwt

    keys, named = {}, jwks.get("keys")
    for one in named if isinstance(named, list) else ():
        if isinstance(one, dict) and one.get("kty") == "RSA" and isinstance(one.get("kid"), str):
            try:
                keys[one["kid"]] = jwt.PyJWK.from_dict({**one, "alg": "RS256"})
            except (jwt.PyJWTError, ValueError, KeyError, TypeError):
                continue  # a key of a kind that is not for us
    if not keys:
        raise CrowdError("Prolific names no key by which it signs. It is asked for again.")
    return keys


def _starts_at(claims: JSONObject) -> float:
    times = [claims.get(name) for name in ("iat", "nbf")]
    return max((float(one) for one in times if isinstance(one, int | float)), default=0.0)


def _origin_of(address: str) -> str:
    """Return scheme, host and port of an address, the port only where it is not the usual one; '' for none."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname:
        return ""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}" + ("" if port in (None, usual) else f":{port}")
