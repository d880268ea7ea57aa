"""Asks one address of a crowd, by the standard library alone, in a thread that holds up nobody.

Nothing of the address is ever shown but its host: it may hold a secret.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from mephisto_nb.errors import WorldError
from mephisto_nb.utils.user_code import in_own_thread

SECONDS = 20.0
_MOST = 65_536


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to another host, nor to one that is not encrypted where the first was."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (after.scheme, after.netloc) != (before.scheme, before.netloc):
            fp.close()
            raise WorldError(
                f"{before.netloc} sends the call on to {after.netloc or 'another address'}: it is not made."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


async def ask(url: str, method: str = "GET", body: str = "", expects: str = "", seconds: float = SECONDS) -> None:
    """Ask an address, and make sure that it agrees.

    Parameters
    ----------
    body
        What is sent by a POST, as a form.
    expects
        Words that the answer has to hold.
    seconds
        How long all of it may take.

    Raises
    ------
    WorldError
        There is no answer, or another one than was to be expected.
    """
    host = urlsplit(url).netloc
    try:
        async with asyncio.timeout(seconds):
            told = await in_own_thread(_ask, url, method, body, seconds)
    except TimeoutError:
        raise WorldError(f"{host} has not answered for {seconds:g} seconds. It is asked again.") from None
    except urllib.error.HTTPError as error:
        error.close()
        raise WorldError(f"{host} answered with {error.code}. It is asked again; look at your settings.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The error itself may repeat the address.
        why = type(getattr(error, "reason", error)).__name__
        raise WorldError(f"{host} cannot be asked ({why}). It is asked again.") from None
    if expects and expects not in told:
        raise WorldError(f"{host} answered, and not with {expects!r}. It is asked again; look there what became of it.")


def _ask(url: str, method: str, body: str, seconds: float) -> str:
    request = urllib.request.Request(url, method=method, headers={"Accept": "*/*"})
    if method == "POST":
        request.data = body.encode()
        request.add_header("Content-Type", "application/x-www-form-urlencoded")
    opener: Any = urllib.request.build_opener(_SameHost)
    with opener.open(request, timeout=seconds) as response:
        return str(response.read(_MOST).decode("utf-8", "replace"))
