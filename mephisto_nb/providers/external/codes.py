"""What shows that something was made by who knows a secret: codes of people, and signatures of addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.utils import proofs
from mephisto_nb.utils.proofs import Secret

ALGORITHMS = ("sha256", "sha1", "sha384", "sha512", "md5")
ENCODINGS = ("hex", "base64", "base64url")
#: Without what people mistake for something else when they copy it: I, L, O, U.
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("ILO", "110")
#: 50 bits: nobody guesses one, and ten letters are copied without mistakes.
_LENGTH = 10


def make_code(
    secret: str | Secret, participant: str, study: str = "", outcome: Outcome | str = Outcome.COMPLETED
) -> str:
    """Return the code of one person in one study: ten letters and digits, the same each time.

    Examples
    --------
    >>> make_code("s3cr3t", "worker 1", "campaign 7")
    '3BXD-H062-7Y'
    """
    text = json.dumps([participant, study, Outcome(outcome).value])
    key = secret.reveal() if isinstance(secret, Secret) else secret
    number = int.from_bytes(hmac.digest(key.encode(), b"exit code:" + text.encode(), hashlib.sha256)[:8], "big")
    letters = "".join(_LETTERS[number >> 5 * place & 31] for place in range(_LENGTH))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def verify_code(
    code: str, secret: str | Secret, participant: str, study: str = "", outcome: Outcome | str = Outcome.COMPLETED
) -> bool:
    """Return whether a code that somebody handed in is theirs. Dashes, blanks and small letters make no difference.

    It needs no run and no database: the secret, and whose code it shall be.

    Examples
    --------
    >>> verify_code("3bxdh0627y", "s3cr3t", "worker 1", "campaign 7")
    True
    >>> verify_code("3bxdh0627y", "s3cr3t", "worker 2", "campaign 7")
    False
    """
    return proofs.matches(_plain(make_code(secret, participant, study, outcome)), _plain(code))


def _plain(code: object) -> str:
    return "".join(str(code).split()).replace("-", "").upper().translate(_READ_AS)


def sign(secret: Secret, text: str, algorithm: str, encoding: str) -> str:
    """Return the signature of a text: an HMAC, in the spelling of this encoding."""
    digest = hmac.new(secret.reveal().encode(), text.encode("utf-8", "surrogatepass"), algorithm).digest()
    if encoding == "hex":
        return digest.hex()
    spell = base64.urlsafe_b64encode if encoding == "base64url" else base64.b64encode
    return spell(digest).decode().rstrip("=") if encoding == "base64url" else spell(digest).decode()


def has_signed(given: object, secret: Secret, text: str, algorithm: str, encoding: str) -> bool:
    """Return whether a signature that a stranger sent is the one of this text."""
    if not isinstance(given, str):
        return False
    if encoding == "hex":
        given = given.lower()
    elif encoding == "base64url":
        given = given.rstrip("=")
    else:
        given = given.replace(" ", "+")  # as forms read it
    return proofs.matches(sign(secret, text, algorithm, encoding), given)


def check_spelling(algorithm: str, encoding: str, where: str) -> None:
    """Raise `ConfigError` for an algorithm or an encoding that there is not; `where` names the setting."""
    for value, there_are, name in ((algorithm, ALGORITHMS, "algorithm"), (encoding, ENCODINGS, "encoding")):
        if value not in there_are:
            raise ConfigError(f"{where}.{name} is {value!r}. There are: {', '.join(there_are)}.")
