"""How Prolific is asked: what may be asked again is, with patience; what costs money is never sent twice.

An error of the HTTP library never leaves this module, not even as a cause: it would hold the request, and with it the
token. What went wrong is noted in words, and raised once the library's frames are gone.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ClosedError, ConfigError, CrowdError, CrowdRefusedError, OutcomeUnknown, UsageError
from mephisto_nb.utils.addresses import read_address
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.logging import neutralise
from mephisto_nb.utils.proofs import Secret

#: Where Prolific is.
PROLIFIC = "https://api.prolific.com"
_API = "/api/v1"
#: How much of what Prolific says about an error is told: in characters, and in lists within lists.
_LONGEST_DETAIL, _DEEPEST_DETAIL = 500, 8
#: No wait is longer, whatever an answer asks for (seconds).
_LONGEST_RETRY_AFTER = 300.0
#: No token is longer (characters): what is was copied from elsewhere.
_LONGEST_TOKEN = 500
_AGENT = "mephisto-nb"


class ApiEffect(StrEnum):
    """What becomes of a request that is sent twice."""

    #: Nothing is changed by it: it is sent again on doubt.
    READ = "read"
    #: The second one changes nothing: it is sent again on doubt.
    REPEATABLE = "repeatable"
    #: It may be made twice: it is sent again only where it is sure that it was not carried out.
    IF_UNDONE = "if undone"
    #: It may be paid or written twice: it is never sent again.
    ONCE = "once"


_NOT_TWICE = (ApiEffect.IF_UNDONE, ApiEffect.ONCE)


class Paging(StrEnum):
    """How the pages of a list are asked for."""

    OFFSET = "offset"
    NUMBER = "page"


@dataclass(frozen=True, slots=True)
class ApiPatience:
    """How long and how often is tried; all times in seconds.

    Parameters
    ----------
    attempts
        How often what may be sent again is sent.
    first_wait, longest_wait
        Before the second attempt one waits `first_wait` at most, and twice as long before each further one; each wait
        is drawn between nothing and that.
    timeout
        How long an answer may take.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What was answered: JSON, or None where there was nothing to read."""

    status: int
    body: JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def object(self) -> JSONObject:
        """The JSON object that was answered; raises `CrowdError` where it is something else."""
        if not isinstance(self.body, dict):
            raise CrowdError(
                f"Prolific answered {type(self.body).__name__}, not an object. Try again later.", self.status
            )
        return self.body

    @property
    def rows(self) -> list[JSONObject]:
        """The objects of a list, be it a page or bare; raises `CrowdError` where there is none."""
        found = self.body.get("results") if isinstance(self.body, dict) else self.body
        if not isinstance(found, list):
            raise CrowdError("Prolific answered without a list of results. Try again later.", self.status)
        return [row for row in found if isinstance(row, dict)]


@dataclass(frozen=True, slots=True)
class _Failure:
    """What went wrong with one attempt."""

    words: str
    status: int | None = None
    #: Whether it was surely not carried out.
    is_sure: bool = False
    #: Whether another attempt may do better.
    may_pass: bool = True
    retry_after: float = 0.0


class ApiTransport:
    """Sends requests by one session, until it is closed.

    Parameters
    ----------
    token
        The researcher's token.
    base_url
        Where the API is; plain http for this computer alone.
    patience
        How long and how often is tried.
    sleep, now, chance
        How is waited, what time it is (epoch seconds), and a number from 0 to 1 by chance.

    Raises
    ------
    ConfigError
        There is no token, or it can be none; or the address is not one that a token may be sent to.
    """

    def __init__(
        self,
        token: Secret,
        base_url: str = PROLIFIC,
        patience: ApiPatience | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.base_url = base_url  # first: what fails below may be shown with all that is here
        _check_token(token)
        self.base_url = _checked(base_url)
        self.patience = patience or ApiPatience()
        self._token, self._sleep, self._now, self._chance = token, sleep, now, chance
        self._session: Any = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<ApiTransport to {self.base_url}>"

    async def close(self) -> None:
        """Close the session; again: nothing."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self,
        method: str,
        path: str,
        *,
        effect: ApiEffect = ApiEffect.READ,
        params: Mapping[str, str | int] | None = None,
        body: JSON = None,
        with_token: bool = True,
        wants_object: bool = False,
    ) -> ApiAnswer:
        """Return what is answered.

        Parameters
        ----------
        method, path
            As ``"GET"`` and ``"/studies/"``; without the token, a path that is not below ``/api/v1``.
        effect
            What becomes of it if it is sent twice.
        params, body
            What is asked behind the question mark, and what is sent as JSON.
        with_token
            Whether it is asked as the researcher.
        wants_object
            Whether anything but a JSON object is no answer.

        Raises
        ------
        ConfigError
            The body cannot be written as JSON.
        UsageError
            It is to be sent once, by a method that libraries send again by themselves.
        CrowdRefusedError
            It is refused; nothing was done.
        OutcomeUnknown
            It must not be sent twice, and may have been carried out.
        CrowdError
            There is no answer that can be used, however often it was asked for.
        """
        if effect in _NOT_TWICE and method not in ("POST", "PATCH"):
            raise UsageError(f"{method} is sent anew by the HTTP library itself. What is sent once is POST or PATCH.")
        attempts = 1 if effect is ApiEffect.ONCE else self.patience.attempts
        raw, made = None if body is None else _encoded(body), 0
        while True:
            found = await self._try(method, path, params, raw, with_token)
            made += 1
            if isinstance(found, ApiAnswer):
                if not wants_object or isinstance(found.body, dict):
                    return found
                found = _Failure("an answer that is no object", found.status)
            is_tried_again = found.may_pass and (found.is_sure or effect is not ApiEffect.IF_UNDONE)
            if made >= attempts or not is_tried_again:
                break
            await self._sleep(self._wait(made, found.retry_after))
        raise _error(f"{method} {path}", found, effect, made)

    async def pages(
        self, path: str, params: Mapping[str, str | int] | None = None, *, by: Paging, size: int = 100
    ) -> AsyncIterator[JSONObject]:
        """Yield the rows of a list, page after page, each once.

        A list ends where there is no next page; or past its end, which is answered 404.
        """
        seen: set[str] = set()
        place, step, size_name = (0, size, "limit") if by is Paging.OFFSET else (1, 1, "page_size")
        first = True
        while True:
            asked = {**(params or {}), size_name: size, str(by): place}
            try:
                answer = await self.send("GET", path, params=asked)
            except CrowdRefusedError as error:
                if error.status == 404 and not first:
                    return
                raise
            rows = answer.rows
            known = len(seen)
            for row in rows:
                # While one reads, rows come before others, and move those to the next page.
                if str(row.get("id")) not in seen:
                    seen.add(str(row.get("id")))
                    yield row
            # A list that knows nothing of pages is answered whole again and again.
            if len(seen) == known or not _has_next(answer.body, len(rows), size):
                return
            first, place = False, place + (len(rows) if by is Paging.OFFSET else step)

    async def _try(
        self, method: str, path: str, params: Mapping[str, str | int] | None, raw: bytes | None, with_token: bool
    ) -> ApiAnswer | _Failure:
        """Send once, and return the answer, or what went wrong."""
        with needs("prolific"):
            import aiohttp

        session = self._open(aiohttp)
        prefix = _API if with_token else ""
        try:
            async with session.request(
                method,
                f"{self.base_url}{prefix}{path}",
                params=params,
                data=raw,
                headers=self._headers(with_token, raw is not None),
                allow_redirects=False,
            ) as answer:
                return self._read(answer.status, await answer.read(), answer.headers)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return _Failure(self._plain(f"no connection ({type(error).__name__})"), is_sure=True)
        except TimeoutError:
            return _Failure(f"no answer within {self.patience.timeout:g} seconds")
        except (aiohttp.ClientError, OSError) as error:
            return _Failure(self._plain(f"the connection broke ({type(error).__name__})"))

    def _open(self, aiohttp: Any) -> Any:
        if self._is_closed:
            raise ClosedError("The connection to Prolific was closed. Make another one.")
        if self._session is None:
            # Where no connection comes about in time, it is known that nothing was sent.
            limits = aiohttp.ClientTimeout(total=self.patience.timeout, sock_connect=self.patience.timeout / 2)
            self._session = aiohttp.ClientSession(timeout=limits, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _headers(self, with_token: bool, has_body: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": _AGENT}
        if has_body:
            headers["Content-Type"] = "application/json"
        return {**headers, "Authorization": f"Token {self._token.reveal()}"} if with_token else headers

    def _read(self, status: int, raw: bytes, headers: Mapping[str, str]) -> ApiAnswer | _Failure:
        """Return what an answer says."""
        body, is_json = _parsed(raw)
        if 200 <= status < 300:
            if is_json:
                return ApiAnswer(status, body, headers)
            return _Failure(f"an answer that is no JSON ({len(raw)} bytes)", status)
        words = self._plain(words_of(body) if is_json else raw.decode("utf-8", "replace")) or "no reason given"
        if status >= 500 or status == 408:
            return _Failure(words, status)
        if status == 429:
            return _Failure(words, status, is_sure=True, retry_after=self._retry_after(headers.get("Retry-After")))
        return _Failure(words, status, is_sure=True, may_pass=False)

    def _plain(self, text: str) -> str:
        """Return words on one line, not too many, in which the token is not."""
        one_line = neutralise(" ".join(text.split()))
        hidden = one_line.replace(self._token.reveal(), "********") if self._token else one_line
        return hidden if len(hidden) <= _LONGEST_DETAIL else hidden[: _LONGEST_DETAIL - 1] + "…"

    def _retry_after(self, text: str | None) -> float:
        if text is None:
            return 0.0
        if text.strip().isdecimal():
            seconds = float(text)
        else:
            try:
                seconds = parsedate_to_datetime(text).timestamp() - self._now()
            except ValueError:
                return 0.0
        return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)

    def _wait(self, made: int, at_least: float) -> float:
        most = min(self.patience.longest_wait, self.patience.first_wait * 2.0 ** (made - 1))
        return max(at_least, self._chance() * most)


def words_of(body: JSON) -> str:
    """Return what an error says, whichever of Prolific's shapes it has.

    Examples
    --------
    >>> words_of({"error": {"status": 400, "title": "Bad request", "detail": {"reward": ["Too low."]}}})
    'Bad request: reward: Too low.'
    >>> words_of({"detail": "Not found."})
    'Not found.'
    """
    if not isinstance(body, dict):
        return _flat(body)
    inner = body.get("error")
    if isinstance(inner, dict):
        return ": ".join(part for part in (_flat(inner.get("title")), _flat(inner.get("detail"))) if part)
    if "issues" in body:
        return ": ".join(part for part in (_flat(body.get("type")), _flat(body["issues"])) if part)
    parts = [_flat(body.get(name)) for name in ("message", "detail", "error")]
    return ": ".join(part for part in parts if part) or _flat(body)


def _flat(detail: JSON, depth: int = 0) -> str:
    if depth > _DEEPEST_DETAIL:
        return "…"
    if isinstance(detail, dict):
        return "; ".join(f"{name}: {_flat(value, depth + 1)}" for name, value in detail.items())
    if isinstance(detail, list):
        return ", ".join(_flat(one, depth + 1) for one in detail)
    return "" if detail is None else str(detail)


def _parsed(raw: bytes) -> tuple[JSON, bool]:
    if not raw.strip():
        return None, True
    try:
        return json.loads(raw), True
    except (ValueError, RecursionError):
        return None, False


def _has_next(body: JSON, rows: int, size: int) -> bool:
    """Return whether a page says that one follows; where pages say nothing, a full one may not be the last."""
    links = body.get("_links") if isinstance(body, dict) else None
    if isinstance(links, dict):
        following = links.get("next")
        return bool(isinstance(following, dict) and following.get("href"))
    return rows >= size


def _error(request: str, failure: _Failure, effect: ApiEffect, attempts: int) -> CrowdError:
    found = failure.words if failure.status is None else f"{failure.words} (status {failure.status})"
    if failure.is_sure and failure.status is not None and (effect in _NOT_TWICE or not failure.may_pass):
        return CrowdRefusedError(f"Prolific refused {request}: {found} Nothing was done.", failure.status)
    if effect in _NOT_TWICE and not failure.is_sure:
        return OutcomeUnknown(
            f"Prolific was asked once for {request}, and it is not known whether that was done: {found}. "
            "Look at Prolific before anything is sent again.",
            failure.status,
        )
    times = "" if attempts == 1 else f", {attempts} times"
    return CrowdError(
        f"Prolific was asked for {request}{times}, and did not answer: {found}. Try later.", failure.status
    )


def _encoded(body: JSON) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"What Prolific is to be sent is no JSON: {error}. Give numbers, texts, lists.") from error


def _check_token(token: Secret) -> None:
    """Raise `ConfigError` for what cannot be a token; the message does not hold it."""
    value = token.reveal()
    if not 0 < len(value) <= _LONGEST_TOKEN or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(
            "Prolific's token is empty, or is none: those are letters and digits, in one line. Copy it anew from the "
            "page of API tokens there."
        )


def _checked(base_url: str) -> str:
    """Return an address without a slash at its end, or raise `ConfigError` where a token would travel in the clear."""
    try:
        place = read_address(base_url)
    except ValueError as error:
        raise ConfigError(f"{base_url!r} is no address of an API: {error}. Give one such as {PROLIFIC}.") from error
    if place.scheme != "https" and not (place.scheme == "http" and place.is_loopback):
        raise ConfigError(f"{base_url!r} is no https address: all could read the token. Give one with https.")
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
