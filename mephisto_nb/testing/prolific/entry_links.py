"""The addresses by which participants come to a study: who they are filled in, and signed if the study asks for it."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.records import StandInSubmission
from mephisto_nb.utils.extras import needs

ISSUER = "https://www.prolific.com"
#: How long a signed address can be used, in seconds.
LIFETIME = 300.0


class EntryKeys:
    """The keys that addresses are signed with: the newest signs, all are told to whoever verifies."""

    def __init__(self) -> None:
        self._made = 0
        self._keys: dict[str, Any] = {}

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self._made += 1
        self._keys[f"standin-{self._made}"] = _private_key(self._made)

    def jwks(self) -> JSONObject:
        """Return the public halves, as they are served."""
        return {"keys": [_public_jwk(name, key) for name, key in self._all().items()]}

    def sign(self, claims: JSONObject) -> str:
        """Return a token that holds the claims."""
        with needs("prolific"):
            import jwt

        name, key = list(self._all().items())[-1]
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": name})

    def _all(self) -> dict[str, Any]:
        if not self._keys:
            self.rotate()
        return self._keys


def entry_address(submission: StandInSubmission, keys: EntryKeys, now: float) -> str:
    """Return the address by which a participant comes to a study."""
    ids = {
        "PROLIFIC_PID": submission.participant_id,
        "STUDY_ID": submission.study.id,
        "SESSION_ID": submission.id,
    }
    template = url = _template_for(submission)
    for macro, value in ids.items():
        url = url.replace(f"{{{{%{macro}%}}}}", value)
    if not submission.study.fields["is_external_study_url_secure"]:
        return url
    parts = urlsplit(url)
    used = {macro: value for macro, value in ids.items() if f"{{{{%{macro}%}}}}" in template}
    claims = {
        "iss": ISSUER,
        "sub": submission.id,
        "aud": f"{parts.scheme}://{parts.netloc}",
        "iat": int(now),
        "exp": int(now + LIFETIME),
        "prolific": {**used, "workspace_id": submission.study.workspace_id},
    }
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("prolific_token", keys.sign(claims))]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _template_for(submission: StandInSubmission) -> str:
    """Return the study's address; of several, that which this submission's turn falls to."""
    fields = submission.study.fields
    if fields["external_study_url"] is not None:
        return str(fields["external_study_url"])
    turn = submission.study.submissions.index(submission)
    for one in fields["access_details"]:
        if turn < one["total_allocation"]:
            return str(one["external_url"])
        turn -= one["total_allocation"]
    return str(fields["access_details"][-1]["external_url"])


@cache
def _private_key(number: int) -> Any:
    """Return a key; making one takes a tenth of a second, and a stand-in's protects nothing."""
    with needs("prolific"):
        from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _public_jwk(name: str, key: Any) -> JSONObject:
    numbers = key.public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": name,
        "n": _base64(numbers.n),
        "e": _base64(numbers.e),
    }


def _base64(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
