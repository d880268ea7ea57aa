"""How people go back: by an address, a code, or a call of ours. Who has not finished never goes as one who has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from mephisto_nb.model.outcomes import ExitLink, LateExit, Outcome, VisitEnd
from mephisto_nb.ports.crowd_provider import VisitExits
from mephisto_nb.providers.external.calls import ask
from mephisto_nb.providers.external.codes import make_code, sign
from mephisto_nb.providers.external.settings import ExitArgs
from mephisto_nb.providers.external.setup import SESSION, STUDY, ExternalSetup
from mephisto_nb.providers.external.templates import SIGNATURE, before_signature, fill, fill_in, names_in
from mephisto_nb.utils.proofs import Secret

#: With this begins what people are told who need not do anything.
_NOTHING = "There is nothing more to do"
#: Who did nothing wrong and could do nothing; some crowds pay something for that.
_IN_VAIN = {Outcome.SCREENED_OUT, Outcome.QUOTA_FULL}


class ExternalExits(VisitExits):
    """Ways back by addresses and codes.

    Parameters
    ----------
    setup
        What was set.
    secret_of
        Returns the secret of a name, for a setting.
    code_secret
        Returns what codes of people are made of.
    """

    def __init__(
        self, setup: ExternalSetup, secret_of: Callable[[str, str], Secret], code_secret: Callable[[], Secret]
    ) -> None:
        self._setup, self._secret_of, self._code_secret = setup, secret_of, code_secret

    def get_exit(self, end: VisitEnd) -> ExitLink | None:
        """Return where a person goes now, with which code, and what they are told."""
        way = self._setup.way_of(end.outcome)
        if end.outcome is Outcome.COMPLETED:
            return None if way is None else self._made(way, end)
        alone = ExitLink(end.outcome, text=self._next_step(end.outcome), automatic=False)
        if way is None:
            return alone
        link = self._made(way, end)
        success = self.get_exit(replace(end, outcome=Outcome.COMPLETED))
        is_paid = success is not None and (
            (link.url is not None and link.url == success.url) or (link.code is not None and link.code == success.code)
        )
        return alone if is_paid else link

    def get_exit_if_over(self) -> LateExit | None:
        """Return where people go who come too late, as far as their own address says who they are."""
        outcome, setup = Outcome.QUOTA_FULL, self._setup
        way = setup.way_of(outcome) or ExitArgs()
        of_address = {**setup.parameters, **{name: name for name in setup.captured}}
        fixed = {**setup.values, "outcome": outcome.value}
        if STUDY not in of_address:
            fixed[STUDY] = setup.study_value
        if way.code and set(names_in(way.code)) <= set(fixed):
            fixed["code"] = fill(way.code, fixed, encode=False)
        url, code = fill_in(way.redirect, fixed), fixed.get("code", "")
        asked = set(names_in(url))
        if not asked <= set(of_address):  # a signature, a secret, or a code of their own
            url, asked = "", set()
        text = way.text or self._next_step(outcome, leads=bool(url), code=code)
        if not url and not code and text.startswith(_NOTHING):
            return None  # pages say so themselves
        link = ExitLink(outcome, url or None, code or None, text, automatic=False)
        return LateExit(link, {name: of_address[name] for name in sorted(asked)})

    def _made(self, way: ExitArgs, end: VisitEnd) -> ExitLink:
        code = self._code(way, end)
        url = self._address(way.redirect, end, code) if way.redirect else None
        text = way.text or self._next_step(end.outcome, leads=bool(url), code=code)
        return ExitLink(end.outcome, url, code or None, text, automatic=way.automatic and url is not None)

    def _next_step(self, outcome: Outcome, *, leads: bool = False, code: str = "") -> str:
        """Return what to do now: how the visit has ended is said before it."""
        preset = self._setup.preset
        crowd = preset.title if preset.name else "the site that sent you"
        if not leads and not code:
            return f"{_NOTHING}." if outcome is Outcome.COMPLETED else preset.advice
        step = f"Please go back to {crowd} now." if leads else f"Please copy this code to {crowd}."
        return f"{step} There you see whether something is paid for coming." if outcome in _IN_VAIN else step

    def _code(self, way: ExitArgs, end: VisitEnd) -> str:
        if way.per_person_code:
            return make_code(self._code_secret(), end.worker_name, self._study_of(end), end.outcome)
        return fill(way.code, self._values(end, ""), encode=False)

    def _address(self, template: str, end: VisitEnd, code: str) -> str:
        values = self._values(end, code)
        if self._setup.preset.shows_secrets:
            values |= self._secrets()
        if SIGNATURE in names_in(template):
            signed = self._setup.signed_exit
            secret = self._secret_of(signed.secret, "mephisto.provider.signed_exit.secret")
            text = fill(before_signature(template), values)
            values[SIGNATURE] = sign(secret, text, signed.algorithm, signed.encoding)
        return fill(template, values)

    def _values(self, end: VisitEnd, code: str) -> dict[str, str]:
        setup = self._setup
        captured = {name: _text(end.captured.get(name)) for name in setup.captured}
        of_visit = {
            "participant": end.worker_name,
            STUDY: self._study_of(end),
            SESSION: _text(end.captured.get(SESSION)),
            "outcome": end.outcome.value,
            "code": code,
        }
        return {**setup.values, **captured, **of_visit}

    def _study_of(self, end: VisitEnd) -> str:
        return _text(end.captured.get(STUDY)) or self._setup.study_value

    def _secrets(self) -> dict[str, str]:
        named = self._setup.secrets.items()
        return {key: self._secret_of(name, f"mephisto.provider.secrets.{key}").reveal() for key, name in named}


class CallingExits(ExternalExits):
    """The same, where an outcome is told to the crowd by a call of ours."""

    TELLS_CROWD: ClassVar[bool] = True

    async def finish(self, end: VisitEnd) -> None:
        """Ask the address that is set for the outcome, if one is.

        Raises
        ------
        WorldError
            It does not agree, or cannot be asked now.
        """
        way = self._setup.way_of(end.outcome)
        if way is None or not way.call:
            return
        values = self._values(end, self._code(way, end)) | self._secrets()
        await ask(fill(way.call, values), way.call_method, fill(way.call_body, values), way.call_expects)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
