"""What Prolific signs is believed, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from mephisto_nb.errors import ConfigError, CrowdError, SignatureError
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.signing import EntryTokens, verify_hook
from mephisto_nb.testing.prolific import ProlificStandIn
from mephisto_nb.testing.prolific.entry_links import ISSUER, EntryKeys
from mephisto_nb.utils.proofs import Secret
from tests.prolific import BEGIN, DONE

SECRET = Secret("hook-secret")
TOLD = {"resource_id": "a" * 24, "event_type": "submission.status.change", "status": "APPROVED", "participant_id": "p"}
ORIGIN = "https://lab.example.org"


def signed(body: bytes, *, stamp: str = str(int(BEGIN)), form: bytes | None = None) -> dict[str, str]:
    digest = hmac.digest(SECRET.reveal().encode(), stamp.encode() + (body if form is None else form), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    named = {"X-Prolific-Request-Signature": signature, "X-Prolific-Request-Timestamp": stamp}
    return {**named, "X-Event-ID": "e1", "X-Timestamp": "1799999999.5"}


def test_a_delivery_that_is_signed_is_read() -> None:
    body = json.dumps(TOLD, separators=(",", ":")).encode()
    event = verify_hook(SECRET, body, signed(body), now=BEGIN + 200)
    assert (event.id, event.event_type, event.resource_id) == ("e1", "submission.status.change", "a" * 24)
    assert (event.status, event.participant_id, event.at) == ("APPROVED", "p", 1_799_999_999.5)


@pytest.mark.parametrize(
    ("written", "at"),
    [("1799999999500", 1_799_999_999.5), ("2027-01-15T08:00:00Z", 1_800_000_000.0), ("soon", BEGIN), ("", BEGIN)],
)
def test_when_an_event_happened_is_read_in_any_form(written: str, at: float) -> None:
    assert verify_hook(SECRET, BODY, {**signed(BODY), "X-Timestamp": written}, now=BEGIN).at == at


def test_a_delivery_may_be_signed_as_it_is_written_anew() -> None:
    body = json.dumps(TOLD, separators=(",", ":")).encode()
    headers = {name.upper(): value for name, value in signed(body, form=json.dumps(TOLD).encode()).items()}
    assert verify_hook(SECRET, body, headers, now=BEGIN).id == "e1"


BODY = json.dumps(TOLD).encode()


@pytest.mark.parametrize(
    ("body", "headers", "now", "words"),
    [
        (BODY, {}, BEGIN, "no signature"),
        (BODY + b" ", {**signed(BODY), "X-Prolific-Request-Signature": "AAAA"}, BEGIN, "not that of"),
        (BODY, {**signed(BODY), "X-Prolific-Request-Signature": "é"}, BEGIN, "not that of"),
        (BODY.replace(b"APPROVED", b"REJECTED"), signed(BODY), BEGIN, "not that of"),
        (BODY, {**signed(BODY), "X-Prolific-Request-Timestamp": str(int(BEGIN) + 1)}, BEGIN, "not that of"),
        (BODY, signed(BODY), BEGIN + 301, "too old"),
        (BODY, signed(BODY), BEGIN - 301, "too old"),
        (BODY, signed(BODY, stamp="soon"), BEGIN, "too old"),
        (b"[1]", signed(b"[1]"), BEGIN, "tells of nothing"),
        (b"{", signed(b"{"), BEGIN, "tells of nothing"),
    ],
)
def test_any_other_delivery_is_refused(body: bytes, headers: dict[str, str], now: float, words: str) -> None:
    with pytest.raises(SignatureError, match=words) as caught:
        verify_hook(SECRET, body, headers, now=now)
    assert SECRET.reveal() not in str(caught.value)


class Keys:
    """Hands out keys, counts how often, and fails when told to."""

    def __init__(self) -> None:
        self.made, self.asked, self.fails = EntryKeys(), 0, False
        self.now = BEGIN

    async def fetch(self) -> dict[str, Any]:
        self.asked += 1
        if self.fails:
            raise CrowdError("no connection")
        return self.made.jwks()

    def verifier(self, origin: str = ORIGIN) -> EntryTokens:
        return EntryTokens(self.fetch, origin, now=lambda: self.now)

    def token(self, **changes: Any) -> str:
        ids = {"PROLIFIC_PID": "p" * 24, "STUDY_ID": "s" * 24, "SESSION_ID": "x" * 24, "workspace_id": "w" * 24}
        claims = {"iss": ISSUER, "sub": "x" * 24, "aud": ORIGIN, "iat": BEGIN, "exp": BEGIN + 300, "prolific": ids}
        return self.made.sign({name: value for name, value in {**claims, **changes}.items() if value is not ...})


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.mark.parametrize("audience", [ORIGIN, f"{ORIGIN}/p/run-17?x=1", f"{ORIGIN}:443", ["https://b.example", ORIGIN]])
async def test_a_token_says_who_comes(keys: Keys, audience: Any) -> None:
    claims = await keys.verifier(f"{ORIGIN}/task/").verify(keys.token(aud=audience))
    assert (claims.submission_id, claims.participant_id, claims.study_id) == ("x" * 24, "p" * 24, "s" * 24)
    assert (claims.workspace_id, claims.expires_at) == ("w" * 24, BEGIN + 300)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://evil.example"}, "not issued by Prolific"),
        ({"iss": ...}, "not issued by Prolific"),
        ({"aud": "https://lab.example.org.evil.example"}, "another site"),
        ({"aud": "http://lab.example.org"}, "another site"),
        ({"aud": ...}, "another site"),
        ({"exp": BEGIN - 61}, "expired"),
        ({"exp": ...}, "expired"),
        ({"iat": BEGIN + 61}, "from the future"),
        ({"sub": "y" * 24}, "no submission, or two"),
        ({"sub": "", "prolific": {}}, "no submission, or two"),
    ],
)
async def test_a_token_for_somebody_else_is_refused(keys: Keys, changes: dict[str, Any], words: str) -> None:
    token = keys.token(**changes)
    with pytest.raises(SignatureError, match=words) as caught:
        await keys.verifier().verify(token)
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("origin", ["", "https://", "lab:port"])
async def test_a_site_without_an_address_verifies_nobody(keys: Keys, origin: str) -> None:
    with pytest.raises(ConfigError, match="no address of a site"):
        keys.verifier(origin)


async def test_a_token_that_was_changed_is_refused(keys: Keys) -> None:
    head, claims, signature = keys.token().split(".")
    other = keys.token(sub="y" * 24).split(".")[1]
    verifier = keys.verifier()
    for token in (f"{head}.{other}.{signature}", f"{head}.{claims}.AAAA", "a.b.c", "", "x" * 9000):
        with pytest.raises(SignatureError) as caught:
            await verifier.verify(token)
        assert other not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
async def test_no_other_algorithm_is_believed(keys: Keys, algorithm: str) -> None:
    public = keys.made.jwks()["keys"][0]
    secret = None if algorithm == "none" else public["n"]
    token = jwt.encode({"sub": "x", "iss": ISSUER}, secret, algorithm=algorithm, headers={"kid": public["kid"]})
    with pytest.raises(SignatureError, match="none of Prolific's"):
        await keys.verifier().verify(token)


async def test_keys_are_fetched_once_and_when_a_new_one_comes(keys: Keys) -> None:
    verifier = keys.verifier()
    await verifier.verify(keys.token())
    await verifier.verify(keys.token())
    assert keys.asked == 1
    keys.made.rotate()
    with pytest.raises(CrowdError, match="asked for again"):  # nobody is refused for a key that was not looked for
        await verifier.verify(keys.token())
    keys.now += 60
    await verifier.verify(keys.token())
    assert keys.asked == 2


async def test_strangers_cannot_have_keys_fetched_all_the_time(keys: Keys) -> None:
    verifier, other = keys.verifier(), Keys()
    for _ in range(3):
        other.made.rotate()
    with pytest.raises(SignatureError, match="does not name"):
        await verifier.verify(other.token())
    for _ in range(20):
        with pytest.raises(CrowdError, match="asked for again"):
            await verifier.verify(other.token())
    assert keys.asked == 1


async def test_who_comes_while_keys_cannot_be_fetched_is_not_refused(keys: Keys) -> None:
    verifier, keys.fails = keys.verifier(), True
    for words in ("no connection", "asked for again"):
        with pytest.raises(CrowdError, match=words):
            await verifier.verify(keys.token())
    keys.now, keys.fails = keys.now + 60, False
    assert (await verifier.verify(keys.token())).submission_id == "x" * 24


@pytest.mark.parametrize("token", ["\ud800.a.b", "\u00e9.a.b", "a.\ud800.b"])
async def test_a_token_of_odd_characters_is_refused(keys: Keys, token: str) -> None:
    with pytest.raises(SignatureError):
        await keys.verifier().verify(token)


async def test_old_keys_do_while_new_ones_cannot_be_fetched(keys: Keys) -> None:
    verifier = keys.verifier()
    await verifier.verify(keys.token())
    keys.now, keys.fails = BEGIN + 90_000, True
    later = keys.token(iat=keys.now, exp=keys.now + 300)
    assert (await verifier.verify(later)).submission_id == "x" * 24
    with pytest.raises(CrowdError, match="no connection"):
        await keys.verifier().verify(later)
    assert keys.asked == 3


@pytest.mark.parametrize(
    "told", [{}, {"keys": []}, {"keys": 7}, {"keys": [{"kty": "RSA", "kid": "a", "n": 7, "e": None}, "x"]}]
)
async def test_an_answer_without_keys_forgets_none(keys: Keys, told: dict[str, Any]) -> None:
    verifier = keys.verifier()
    await verifier.verify(keys.token())
    keys.now, keys.made.jwks = BEGIN + 90_000, lambda: told  # type: ignore[method-assign]
    await verifier.verify(keys.token(iat=keys.now, exp=keys.now + 300))
    with pytest.raises(CrowdError, match="names no key"):
        await keys.verifier().verify(keys.token())


async def test_the_stand_ins_addresses_are_verified_end_to_end(
    api: ProlificAPI, prolific: ProlificStandIn, ask: Any
) -> None:
    address = "https://lab.example.org/p?PROLIFIC_PID={{%PROLIFIC_PID%}}&S={{%STUDY_ID%}}&X={{%SESSION_ID%}}"
    study_id = await ask.publish(external_study_url=address, is_external_study_url_secure=True)
    verifier = EntryTokens(api.account.entry_keys, ORIGIN, now=prolific.clock.now)
    found = []

    async def work(entry_url: str, participant: Any) -> str | None:
        found.append((await verifier.verify(entry_url.rpartition("prolific_token=")[2]), participant))
        return DONE

    await prolific.participants(2).come(work)
    for claims, one in found:
        assert (claims.participant_id, claims.submission_id, claims.study_id) == (one.id, one.submission_id, study_id)
