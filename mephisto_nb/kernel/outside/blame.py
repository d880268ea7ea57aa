"""Who answers in the place of a run's router, and what to do about it: told from what came."""

from __future__ import annotations

import re
import ssl
from urllib.parse import urljoin, urlsplit

from mephisto_nb.kernel.outside.asking import Answered, PublicSite
from mephisto_nb.utils.host_names import find_tunnel

AT_PROXY = "Look at the settings of the proxy or tunnel in front of the router"
LEAD_HERE = "Have the proxy or tunnel lead to the port of this run: mephisto.architect.port sets it."
MIND_ORIGIN = f"{AT_PROXY}: it has to pass on Origin as it is, and the Host that was asked for."
NOT_FROM_HERE = "(If only this network cannot reach it: mephisto.architect.try_url=false.)"
BEHIND_PAGE = (
    "Not everybody gets past it, and nothing that a crowd posts. Use a tunnel that shows no page of its own, or a paid "
    "plan of this one."
)
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_LOGIN = re.compile(r"log-?in|sign-?in|oauth|/auth\b|sso", re.IGNORECASE)
#: What OpenSSL calls it: a certificate that is over, not yet valid, of nobody but itself, and for another name.
_OVER, _NOT_YET, _OF_ITSELF, _OTHER_NAME = (10,), (9,), (18, 19), (62, 64)
_FREE = "Services such as Let's Encrypt give free ones; Caddy gets and renews them by itself."


def title_of(answer: Answered) -> str:
    """Return a few words that name a page by its title, if it has one."""
    found = _TITLE.search(answer.body)
    return f", called {' '.join(found[1].decode('utf-8', 'replace').split())[:80]!r}" if found else ""


def why_not_ours(answer: Answered, public: PublicSite) -> tuple[str, str]:
    """Return what answered where a router should have, and what to do."""
    status, code = answer.status, answer.error_code
    if 300 <= status < 400:
        return _why_elsewhere(answer, public)
    if code == "unknown_host":
        why = f"the router is not known by the name {public.place.host} (421), and serves nobody who comes by it."
        return why, "Name this address in mephisto.architect.url, or among mephisto.architect.addresses."
    if code:
        return f"the router refuses to answer ({status} {code}).", f"{AT_PROXY}, and the router's log."
    if status in (401, 403, 407):
        why = f"visitors are asked who they are, or sent away ({status}{title_of(answer)})."
        return why, "Let everybody in who comes by it, and programs too: crowds post to it."
    if status in (502, 503, 504, 521, 522, 523, 530):
        why = f"a proxy or tunnel answers, but reaches no router behind it ({status})."
        return why, f"Launch the run first. {LEAD_HERE}"
    if status == 404:
        why = f"something else answers, which knows nothing of this address (404{title_of(answer)})."
        return why, f"{AT_PROXY}: does it lead to the router's port, and pass on all that is below {public.folder}?"
    if answer.kind == "text/html":
        tunnel = find_tunnel(public.place.host)
        whose = f" {tunnel.name}'s own, perhaps:" if tunnel is not None and tunnel.warns else ""
        return f"another page comes before the task's,{whose} answered with {status}{title_of(answer)}.", BEHIND_PAGE
    why = f"something else answers, with {status} and {answer.kind or 'no type'}."
    return why, f"{AT_PROXY}: does it lead to the router's port?"


def _why_elsewhere(answer: Answered, public: PublicSite) -> tuple[str, str]:
    here = public.origin + public.folder
    there = urlsplit(urljoin(here, answer.headers.get("location", "")))
    to = f"{there.scheme}://{there.netloc}"
    if _LOGIN.search(f"{there.netloc}{there.path}"):
        why = f"visitors are sent to {to}{there.path} to log in, where a crowd's people have no account."
        return why, "Serve the task where nobody has to log in: a Jupyter server's own proxy is for you alone."
    if there.hostname == public.place.host and there.scheme == "https" and public.place.scheme == "http":
        return f"visitors are sent on to {to}.", "Give that address, with https://, as mephisto.architect.url."
    if to != public.origin:
        return f"visitors are sent on to {to}.", "Give the address that they end at as mephisto.architect.url."
    why = f"visitors are sent on to {there.path or '/'} instead of being answered."
    return why, f"{AT_PROXY}: it has to pass on all that is below {public.folder} as it was asked for."


def why_not_believed(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    """Return why a certificate is not believed, and what to do; every browser warns of such a page."""
    code, said = error.verify_code, error.verify_message
    if code in _OVER:
        return "it is over.", "Renew it, and find out why that does not happen by itself."
    if code in _NOT_YET:
        return "it does not hold yet, or the clock of this computer is slow.", "Compare the clocks."
    if code in _OTHER_NAME:
        return f"it is for another name than {host}.", f"Get one for this name. {_FREE}"
    if code in _OF_ITSELF:
        return "whoever made it vouches for it alone, so that every browser warns of it.", f"Get another. {_FREE}"
    why = f"browsers do not know who vouches for it ({said})."
    return why, f"Have the server send the whole chain of certificates, or get another. {_FREE}"
