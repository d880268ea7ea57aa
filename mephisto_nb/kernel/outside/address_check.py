"""Tries the address of a run as people far away will come by it: by its public name, and by nothing else.

It costs nobody anything: what is asked of the router stores nothing, and needs no worker. All of it takes less than ten
seconds. What is wrong is told once, at its root: of a stranger's page nobody need hear that it has no scripts of ours.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from mephisto_nb.kernel.outside.address_itself import PUT_IN_FRONT, judge_address
from mephisto_nb.kernel.outside.address_report import AddressReport, Findings
from mephisto_nb.kernel.outside.asking import Answered, NotBelieved, PublicSite, Unanswered
from mephisto_nb.kernel.outside.blame import (
    AT_PROXY,
    BEHIND_PAGE,
    LEAD_HERE,
    MIND_ORIGIN,
    NOT_FROM_HERE,
    title_of,
    why_not_believed,
    why_not_ours,
)
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.recruiter import Recruiter
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.host_names import is_local
from mephisto_nb.utils.patience import patience

_DAY = 86_400.0
#: A certificate is renewed long before so much of it is left: days, and a part of its time.
_RENEWAL_DAYS, _RENEWAL_PART = 14, 1 / 3
#: Names nobody whom a router knows: whether what is posted reaches it, its refusal tells.
_POSTED = b'{"USED_AGENT_ID":"address-check","why":"to see whether a body and its type arrive as they were sent"}'
_NOBODY = ("unknown_agent", "starting")
#: What a router adds to the page that is asked for by its folder.
_ADDED = re.compile(rb"<script>if\(/\^http/[^<]{0,400}</script>")
_SCRIPT = re.compile(rb"<script\b[^>]{0,2000}?\bsrc\s*=\s*[\"']?([^\"'\s>]{1,2000})", re.IGNORECASE)
#: So many scripts of a page are tried.
_SCRIPTS = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CheckTimes:
    """How long each stage of a check may take, and from when on what was found is told (seconds).

    Attributes
    ----------
    name, first, rest
        How long the name may take, the first answer, and all that is asked then at the same time.
    slow
        How long an answer may take before that is told.
    clock
        How far two clocks may be apart.
    """

    name: float = 2.0
    first: float = 3.5
    rest: float = 3.5
    slow: float = 1.5
    clock: float = 30.0


async def check_address(
    url: str,
    *,
    run_id: str = "",
    site: Path | None = None,
    allow_local: bool = False,
    ask: bool = True,
    tls: ssl.SSLContext | None = None,
    times: CheckTimes | None = None,
    now: Callable[[], float] = steady_time.now,
) -> AddressReport:
    """Try an address as people would come by it, and return what was found.

    Parameters
    ----------
    url
        The address, as they are given it.
    run_id
        Whose router has to be there; '': that of any run.
    site
        The files that the router serves, to see whether they arrive as they are; None: they are not known.
    allow_local
        Whether the address may lead to this computer or network alone, and do without TLS, as for a stand-in of a
        crowd.
    ask
        Whether to ask the address, or to judge it by itself alone.
    tls
        Whose certificates are believed; None: those whom this system believes.
    times
        How long everything may take.
    now
        What time it is (epoch seconds).
    """
    url, findings = url.strip(), Findings()
    if tls is None:
        tls = await in_thread(ssl.create_default_context)
    try:
        public = PublicSite(url, tls, now)
    except ValueError as error:
        findings.error("the address", f"{error}.", "Give it whole, as in https://lab.example/study/.")
    else:
        findings.found += judge_address(public.place, allow_local=allow_local)
        if ask:
            await _Check(public, run_id, site, allow_local, times or CheckTimes(), now).run(findings)
    return AddressReport(url, tuple(findings.found))


async def check_before_offer(
    recruiter: Recruiter, architect: Architect[Any], run_id: str, site: Path, note: Callable[[str, str], None]
) -> None:
    """Try the address of a run before its crowd hears of it, and note what may go wrong. Called by a launch.

    Parameters
    ----------
    recruiter
        Who will offer the run.
    architect
        Who knows the run's address.
    run_id, site
        The run's id, and the files that its router serves.
    note
        Called with each warning, and with what it is of.

    Raises
    ------
    LaunchError
        People cannot come by this address.
    """
    url, is_reached = architect.url, architect.is_reached_from_here
    report = await check_address(url, run_id=run_id, site=site, allow_local=recruiter.allows_local, ask=is_reached)
    report.raise_for_errors()
    for warning in report.warnings:
        note(f"Of {url}, {warning}", f"the address: {warning}")


@dataclass(frozen=True, slots=True)
class _Check:
    """One check."""

    public: PublicSite
    run_id: str
    site: Path | None
    allow_local: bool
    times: CheckTimes
    now: Callable[[], float]

    async def run(self, to: Findings) -> None:
        """Go through the stages, as far as one stands upon the one before."""
        found = await _within(to, "the name", self.times.name, self.public.find())
        if found is None:
            return
        self._judge_name(to, found)
        first = await _within(to, "the first answer", self.times.first, self._ask_first(to))
        if first is None:
            return
        self._judge_clock(to, first)
        self._judge_speed(to, first)
        stages = {
            "the run": self._try_run,
            "the page": self._try_page,
            "posting": self._try_posting,
            "the socket": self._try_socket,
        }
        # Each tells at its own place, in this order, whichever is there first.
        told = await asyncio.gather(*(self._apart(what, stage) for what, stage in stages.items()))
        for findings in told:
            to.found += findings.found

    async def _apart(self, what: str, stage: Callable[[Findings], Coroutine[Any, Any, None]]) -> Findings:
        to = Findings()
        await _within(to, what, self.times.rest, stage(to))
        return to

    # -- stages ----------------------------------------------------------------------------------------------

    async def _ask_first(self, to: Findings) -> Answered | None:
        """Return the first answer, if it is a router's; else say why it is none."""
        public = self.public
        try:
            first = await public.ask("status")
        except NotBelieved as unbelieved:
            to.error("the certificate", *why_not_believed(unbelieved.error, public.place.host))
            public.trust_everybody()
            first = await public.ask("status")
        if public.certificate:
            self._judge_certificate(to, public.certificate)
        if _is_router(first):
            to.fine("the router", "it answers.")
            return first
        if public.folder != "/" and not first.error_code and _is_router(await public.ask("/status")):
            why = f"it answers without the folder {public.folder}, and not within it."
            to.error("the router", why, f"{AT_PROXY}: it has to pass on all that is below {public.folder}.")
        else:
            to.error("the router", *why_not_ours(first, public))
        return None

    async def _try_run(self, to: Findings) -> None:
        told = (await self.public.ask("task_config.json")).json
        known = told.get("run_id") if isinstance(told, dict) else None
        if not isinstance(known, str) and (self.run_id or not isinstance(told, dict)):
            to.error("the run", "a router answers, but does not say of which run.", f"{AT_PROXY}: it changes answers.")
        elif self.run_id and known != self.run_id:
            why = f"the router of another run answers ({known}), and not that of {self.run_id}."
            to.error("the run", why, LEAD_HERE)
        elif isinstance(told, dict) and told.get("closed_at") is not None:
            to.warn("the run", f"{known or 'it'} is over.", "Give the address of a run that lives.")
        else:
            to.fine("the run", f"it is {known or 'one of ours'}.")

    async def _try_page(self, to: Findings) -> None:
        page, index = await asyncio.gather(self.public.ask(""), self.public.ask("task_index"))
        if page.status != 200 or page.kind != "text/html":
            to.error("the page", *why_not_ours(page, self.public))
            return
        shown, scripts = _ADDED.sub(b"", page.body, count=1), _SCRIPT.findall(index.body)
        if shown == (await self._read_file("index.html") or index.body):
            to.fine("the page", "it arrives as it is.")
        elif scripts and all(one in shown for one in scripts):
            to.warn(
                "the page", "something on the way writes into it.", f"{AT_PROXY}: it has to leave pages as they are."
            )
        else:
            to.error("the page", f"another page comes before the task's{title_of(page)}.", BEHIND_PAGE)
            return
        for script in scripts[:_SCRIPTS]:
            await self._try_script(to, unescape(script.decode("utf-8", "replace")))

    async def _try_script(self, to: Findings, named: str) -> None:
        public, what = self.public, f"the script {named} of the page"
        parts = urlsplit(urljoin(public.origin + public.folder, named))
        if f"{parts.scheme}://{parts.netloc}" != public.origin:
            return  # another site's, which is asked for nothing
        script = await public.ask(f"{parts.path}?{parts.query}" if parts.query else parts.path)
        if script.status != 200 or "javascript" not in script.kind:
            why = f"it is answered with {script.status} and {script.kind or 'no type'}, not with a script."
            remedy = f"{AT_PROXY}: it has to pass on all that is below {public.folder}."
            if named.startswith("/") and not parts.path.startswith(public.folder):
                remedy = "Name files in the page without a slash in front: so they are found in a folder, too."
            to.error(what, why, remedy)
            return
        served = await self._read_file(parts.path.removeprefix(public.folder))
        if served not in (None, script.body):
            to.warn(what, "something on the way changes it.", f"{AT_PROXY}: have it pass on scripts as they are.")
        else:
            to.fine(what, "it arrives.")

    async def _try_posting(self, to: Findings) -> None:
        sent = {"Content-Type": "application/json", "Origin": self.public.origin}
        answer = await self.public.ask("return_unit", "POST", _POSTED, sent)
        if answer.error_code in _NOBODY:
            to.fine("posting", "what is posted arrives, and is answered.")
        elif answer.error_code == "foreign_page":
            to.error("posting", "the router takes it for something of another site's page (403).", MIND_ORIGIN)
        elif answer.error_code in ("bad_request", "not_json"):
            why = "it does not arrive as it was sent: without its body, or its Content-Type."
            to.error("posting", why, f"{AT_PROXY}: have it pass on both.")
        else:
            why = f"it is answered with {answer.status} and {answer.kind or 'no type'}, not by the router."
            to.error("posting", why, f"{AT_PROXY}: it has to let POST through, with JSON and with files.")

    async def _try_socket(self, to: Findings) -> None:
        try:
            await self.public.talk()
        except Unanswered as error:
            remedy = MIND_ORIGIN if "with 403" in str(error) else f"{AT_PROXY}: it has to pass on WebSockets."
            to.error("the socket", f"a WebSocket {error}.", remedy)
        else:
            to.fine("the socket", "a WebSocket is opened, and carries messages both ways.")

    async def _read_file(self, name: str) -> bytes | None:
        """Return a file of the site; None where it is not known."""
        path = None if self.site is None else self.site / name
        if path is None or self.site not in path.parents or ".." in path.parts or not await in_thread(path.is_file):
            return None
        return await in_thread(path.read_bytes)

    # -- judging ---------------------------------------------------------------------------------------------

    def _judge_name(self, to: Findings, found: list[str]) -> None:
        host, are_local = self.public.place.host, all(map(is_local, found))
        if not self.allow_local and are_local and not is_local(host):
            if any(one.startswith("127.") or one == "::1" for one in found):
                to.error("the name", f"{host} leads to this computer itself, by {found[0]}.", PUT_IN_FRONT)
            else:
                why = f"{host} leads to {found[0]} from here, an address of this network alone."
                to.warn("the name", why, f"If it does so for everybody, nobody can come. {PUT_IN_FRONT}")
        elif not self.allow_local and all(":" in one for one in found):
            to.warn("the name", f"{host} leads to IPv6 alone, by which not everybody can come.", "Give it IPv4, too.")
        else:
            to.fine("the name", f"{host} leads to {', '.join(found[:3])}.")

    def _judge_certificate(self, to: Findings, certificate: Any) -> None:
        begin, end = (ssl.cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
        left = end - self.now()
        if left < min(_RENEWAL_DAYS * _DAY, (end - begin) * _RENEWAL_PART):
            why = f"it ends in {max(0, int(left / _DAY))} days."
            to.warn("the certificate", why, "Renew it, and find out why that does not happen by itself.")
        else:
            to.fine("the certificate", f"it is believed, and holds for {int(left / _DAY)} days more.")

    def _judge_clock(self, to: Findings, first: Answered) -> None:
        try:
            theirs = parsedate_to_datetime(first.headers.get("date", "")).timestamp()
        except ValueError:
            return  # nobody has to tell
        apart = theirs - (first.asked_at + first.seconds / 2)
        if abs(apart) > self.times.clock:
            which = "behind" if apart > 0 else "ahead of"
            why = f"that of this computer is {abs(apart):,.0f} seconds {which} that of what answers."
            to.warn("the clock", why, "Set it: by a wrong one, what a crowd has signed just now is too old or too new.")
        else:
            to.fine("the clock", "it agrees with that of what answers.")

    def _judge_speed(self, to: Findings, first: Answered) -> None:
        if first.seconds > self.times.slow:
            why = f"a small answer takes {first.seconds:.1f} seconds, and a page asks for several."
            to.warn("the speed", why, "Use a nearer or faster proxy or tunnel.")
        else:
            to.fine("the speed", f"a small answer takes {first.seconds:.2f} seconds.")


def _is_router(answer: Answered) -> bool:
    told = answer.json
    return answer.status == 200 and isinstance(told, dict) and told.get("operator") in ("here", "busy", "away")


async def _within(to: Findings, what: str, seconds: float, work: Awaitable[T]) -> T | None:
    """Return what some work gives; note why there is nothing, if so."""
    try:
        async with patience(seconds):
            return await work
    except TimeoutError:
        to.error(what, f"nothing came within {seconds:g} seconds.", f"{AT_PROXY}, and whether it runs. {NOT_FROM_HERE}")
    except Unanswered as error:
        remedy = f"{AT_PROXY}, whether it runs, and whether a firewall lets people in. {NOT_FROM_HERE}"
        to.error(what, f"the address {error}.", error.remedy or remedy)
    return None
