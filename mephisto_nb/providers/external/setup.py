"""From settings and a preset to one set-up that is known to be sound: whatever cannot work is refused here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.codes import check_spelling
from mephisto_nb.providers.external.presets import TABLE
from mephisto_nb.providers.external.presets._base import ANY_ID, Preset
from mephisto_nb.providers.external.settings import (
    ExitArgs,
    ExternalProviderArgs,
    SignedArrivalArgs,
    SignedExitArgs,
)
from mephisto_nb.providers.external.templates import (
    SIGNATURE,
    before_signature,
    check_address,
    check_names,
    encoded,
    fill,
    names_in,
)

#: What templates may always hold.
OF_A_VISIT = ("participant", "study", "session", "code", "outcome", SIGNATURE)
#: The keys of an identity's `captured` under which the crowd's own ids stand.
STUDY, SESSION = "study", "session"
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?", re.ASCII)
_VALUE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)
_LONGEST_VALUE = 2000
#: Which outcome's way serves for which other, where no preset says so: what is said to both is the same.
_FALLS_BACK = {Outcome.QUOTA_FULL: Outcome.SCREENED_OUT, Outcome.FAILED_CHECKS: Outcome.SCREENED_OUT}
_ADVICE = "There is nothing more to do here. You can close this page."


@dataclass(frozen=True, slots=True)
class ExternalSetup:
    """All that is known of a crowd: what its addresses hold, and how people go back."""

    preset: Preset
    participant: str
    study: str
    session: str
    study_value: str
    captured: tuple[str, ...]
    participant_pattern: re.Pattern[str]
    id_pattern: re.Pattern[str]
    values: Mapping[str, str]
    secrets: Mapping[str, str]
    exits: Mapping[Outcome, ExitArgs]
    signed: SignedArrivalArgs
    signed_exit: SignedExitArgs
    code_secret: str
    link_key: str

    def way_of(self, outcome: Outcome) -> ExitArgs | None:
        """Return how people go back after an outcome; None: nothing was said of it."""
        found = self.exits.get(outcome)
        return self.exits.get(self.preset.falls_back.get(outcome, outcome)) if found is None else found

    def names_of_secrets(self) -> Iterator[tuple[str, str]]:
        """Return each setting that names a secret, with the name."""
        for key, name in self.secrets.items():
            yield f"mephisto.provider.secrets.{key}", name
        for setting, name in (
            ("signed.secret", self.signed.secret),
            ("signed_exit.secret", self.signed_exit.secret),
            ("code_secret", self.code_secret),
        ):
            if name:
                yield f"mephisto.provider.{setting}", name

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that make out who comes, by what they are."""
        named = {"participant": self.participant, STUDY: self.study, SESSION: self.session}
        return {role: name for role, name in named.items() if name}


def make_setup(args: ExternalProviderArgs) -> ExternalSetup:
    """Return the set-up that settings mean.

    Raises
    ------
    ConfigError
        Naming the setting that is missing or cannot work.
    """
    preset = _preset_of(args)
    values = _values_of(args, preset)
    participant = args.participant_parameter or preset.participant
    if not participant:
        raise ConfigError(
            "mephisto.provider.participant_parameter is empty, so nobody could be told from anybody. Name the "
            f"parameter of the address that holds the person's id, or a preset: {', '.join(TABLE)}."
        )
    study, session = args.study_parameter or preset.study, args.session_parameter or preset.session
    captured = tuple(dict.fromkeys(args.captured))
    _check_parameters(participant, study, session, captured)
    setup = ExternalSetup(
        preset=preset,
        participant=participant,
        study=study,
        session=session,
        study_value=values.get(preset.study_is, ""),
        captured=captured,
        participant_pattern=_pattern(args.participant_pattern or preset.participant_pattern, "participant_pattern"),
        id_pattern=_pattern(args.id_pattern or preset.id_pattern, "id_pattern"),
        values=values,
        secrets=_secrets_of(args, preset),
        exits=_exits_of(args, preset, values),
        signed=args.signed,
        signed_exit=args.signed_exit,
        code_secret=args.code_secret,
        link_key=preset.link_key,
    )
    if both := set(captured) & {*setup.values, *setup.secrets}:
        # Else whoever types an address could say what a host is.
        raise ConfigError(
            f"mephisto.provider.captured names {min(both)!r}, which is a name of yours in templates as well. Give "
            "yours another name."
        )
    _check_exits(setup)
    _check_signed(setup)
    return setup


# -- what is given -------------------------------------------------------------------------------------------


def _preset_of(args: ExternalProviderArgs) -> Preset:
    if not args.preset:
        return Preset(
            name="", title="the crowd", source="your settings", verified="All of it is what your settings say.",
            participant_pattern=ANY_ID, id_pattern=ANY_ID, falls_back=_FALLS_BACK, advice=_ADVICE,
        )  # fmt: skip
    found = TABLE.get(args.preset)
    if found is None:
        raise ConfigError(f"mephisto.provider.preset is {args.preset!r}. {_nearest(args.preset, TABLE)}")
    return found


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return (f"Did you mean {near[0]!r}? " if near else "") + f"There are: {', '.join(known) or 'none'}."


def _values_of(args: ExternalProviderArgs, preset: Preset) -> dict[str, str]:
    values = {key: str(value).strip() for key, value in args.details.items() if str(value).strip()}
    known = {**preset.needs, **preset.may_have}
    for key, value in values.items():
        where = f"mephisto.provider.details.{key}"
        if preset.name and key not in known and f"{{{key}}}" not in _own_templates(args):
            raise ConfigError(f"{where} is nothing that the preset {preset.name!r} knows. {_nearest(key, known)}")
        if not _VALUE.fullmatch(key) or key in OF_A_VISIT:
            raise ConfigError(f"{where} is no name for a value of yours. Take letters, digits and underscores.")
        if len(value) > _LONGEST_VALUE or not value.isprintable():
            raise ConfigError(f"{where} is too long, or holds what cannot be shown. Copy it anew.")
        if key in preset.hosts and not _HOST.fullmatch(value):
            raise ConfigError(
                f"{where} is {value[:60]!r}, which is no host. Write it as example.org, without https://."
            )
    missing = [f"mephisto.provider.details.{key} ({what})" for key, what in preset.needs.items() if key not in values]
    if missing:
        raise ConfigError(
            f"The preset {preset.name!r} needs {', and '.join(missing)}. Give it: "
            f"compose(..., provider_args={{'details': {{...}}}})."
        )
    return values


def _own_templates(args: ExternalProviderArgs) -> str:
    own = (getattr(args, outcome.value) for outcome in Outcome)
    return " ".join(f"{one.code} {one.redirect} {one.call} {one.call_body}" for one in own)


def _secrets_of(args: ExternalProviderArgs, preset: Preset) -> dict[str, str]:
    for key, what in preset.secrets.items():
        if not args.secrets.get(key):
            raise ConfigError(
                f"The preset {preset.name!r} needs mephisto.provider.secrets.{key}: the name under which you keep "
                f"{what}. Give it: compose(..., provider_args={{'secrets': {{'{key}': 'NAME'}}}}); and keep the secret "
                "in ~/.mephisto/config.yml, in the section 'secrets', under that name."
            )
    for key in args.secrets:
        if not _VALUE.fullmatch(key) or key in OF_A_VISIT or key in args.details:
            raise ConfigError(f"mephisto.provider.secrets.{key} is no name for a secret in templates, or is taken.")
    return dict(args.secrets)


def _check_parameters(participant: str, study: str, session: str, captured: tuple[str, ...]) -> None:
    named = [name for name in (participant, study, session) if name]
    for name in (*named, *captured):
        if not _PARAMETER.fullmatch(name):
            raise ConfigError(
                f"{name[:60]!r} is no parameter of an address that this reads: it has up to 64 letters, digits, dots, "
                "dashes, underscores and brackets."
            )
    everything = [name.lower() for name in (*named, *captured)]
    if twice := next((name for name in everything if everything.count(name) > 1), None):
        raise ConfigError(f"The parameter {twice!r} is named twice in mephisto.provider. Name each thing once.")
    if taken := {STUDY, SESSION, *OF_A_VISIT} & set(captured):
        raise ConfigError(
            f"mephisto.provider.captured names {min(taken)!r}, under which the crowd's own id is kept. Name it as "
            "study_parameter or session_parameter, if it is that."
        )


def _pattern(text: str, setting: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(f"mephisto.provider.{setting} is {text!r}, no regular expression: {error}.") from error


# -- the ways back -------------------------------------------------------------------------------------------


def _exits_of(args: ExternalProviderArgs, preset: Preset, values: Mapping[str, str]) -> dict[Outcome, ExitArgs]:
    found: dict[Outcome, ExitArgs] = {}
    for outcome in Outcome:
        own: ExitArgs = getattr(args, outcome.value)
        given = preset.exits.get(outcome)
        if given is not None and not _is_available(given, preset, values):
            given = None
        if _leads(own):
            way: ExitArgs | None = own
        elif given is not None:
            way = replace(given, text=own.text or given.text, automatic=own.automatic and given.automatic)
        else:
            way = own if own.text else None
        if way is not None:
            found[outcome] = replace(
                way,
                code=_inlined(way.code, values),
                redirect=_inlined(way.redirect, values),
                call=_inlined(way.call, values),
                call_body=_inlined(way.call_body, values),
            )
    return found


def _leads(way: ExitArgs) -> bool:
    return bool(way.code or way.redirect or way.call or way.per_person_code)


def _is_available(way: ExitArgs, preset: Preset, values: Mapping[str, str]) -> bool:
    named = {name for one in (way.code, way.redirect, way.call, way.call_body) for name in names_in(one)}
    return not any(name in preset.may_have and name not in values for name in named)


def _inlined(template: str, values: Mapping[str, str]) -> str:
    """Return a template that is one value alone as that value: it is a template itself."""
    names = names_in(template)
    return values[names[0]] if len(names) == 1 and template == f"{{{names[0]}}}" and names[0] in values else template


def _check_exits(setup: ExternalSetup) -> None:
    placed = (*OF_A_VISIT, *(name for name in setup.captured if _VALUE.fullmatch(name)), *setup.values)
    hidden = tuple(setup.secrets)
    fixed = {name: encoded(value) for name, value in setup.values.items()}
    fixed |= {key: setup.values[key] for key in setup.preset.hosts if key in setup.values}
    for outcome, way in setup.exits.items():
        where = f"mephisto.provider.{outcome.value}"
        _check_code(way, f"{where}.code", (*placed[:3], *placed[len(OF_A_VISIT) :]))
        if way.redirect:
            if not setup.preset.shows_secrets and (shown := set(names_in(way.redirect)) & set(hidden)):
                raise ConfigError(
                    f"{where}.redirect holds the secret {{{min(shown)}}}, which everybody who is led there could read. "
                    "Ask the address by `call` instead; or, if it is no secret, give it in `details`."
                )
            shown_too = hidden if setup.preset.shows_secrets else ()
            check_address(way.redirect, f"{where}.redirect", (*placed, *shown_too), fixed)
            _check_signature(way.redirect, setup, f"{where}.redirect")
        if way.call:
            check_address(way.call, f"{where}.call", (*placed, *hidden), fixed)
            check_names(way.call_body, f"{where}.call_body", (*placed, *hidden))
            if SIGNATURE in names_in(way.call + way.call_body):
                raise ConfigError(f"{where}.call holds {{signature}}, which stands at the end of a redirect alone.")
        if way.call_method not in ("GET", "POST") or (way.call_body and way.call_method != "POST"):
            raise ConfigError(
                f"{where}.call_method is {way.call_method!r}. It is GET, or POST if there is a call_body."
            )
        if "code" in names_in(way.redirect + way.call + way.call_body) and not (way.code or way.per_person_code):
            raise ConfigError(f"{where} holds {{code}} in its address, and has no code. Give {where}.code.")
    _check_failure_differs(setup, fixed)


def _check_code(way: ExitArgs, where: str, known: Collection[str]) -> None:
    check_names(way.code, where, known)
    if way.code and (len(way.code) > 200 or not way.code.isprintable()):
        raise ConfigError(f"{where} is too long, or cannot be shown. Copy it anew.")
    if way.code and way.per_person_code:
        raise ConfigError(f"{where} is given, and per_person_code makes another one. Choose one of them.")


def _check_signature(redirect: str, setup: ExternalSetup, where: str) -> None:
    if SIGNATURE not in names_in(redirect):
        return
    if not setup.signed_exit.secret:
        raise ConfigError(f"{where} holds {{signature}}, and mephisto.provider.signed_exit.secret names no secret.")
    check_spelling(setup.signed_exit.algorithm, setup.signed_exit.encoding, "mephisto.provider.signed_exit")
    if before_signature(redirect) == redirect or SIGNATURE in names_in(before_signature(redirect)):
        raise ConfigError(f"{where} has to end with the parameter of its signature, as ...&hash={{signature}}.")


def _check_failure_differs(setup: ExternalSetup, fixed: Mapping[str, str]) -> None:
    """Refuse ways back that would let somebody who has not finished go as one who has."""
    success = setup.way_of(Outcome.COMPLETED)
    if success is None or not _leads(success):
        return
    for outcome in Outcome:
        way = setup.way_of(outcome)
        if outcome is Outcome.COMPLETED or way is None:
            continue
        one, other = (_specimen(one, of, fixed) for one, of in ((success, Outcome.COMPLETED), (way, outcome)))
        if both := next((name for name, value in one.items() if value and value == other[name]), None):
            raise ConfigError(
                f"mephisto.provider.{outcome.value}.{both} is the one of success: who is {outcome.value} would be paid "
                f"as if they had finished. Give another {both}, or none."
            )


def _specimen(way: ExitArgs, outcome: Outcome, fixed: Mapping[str, str]) -> dict[str, str]:
    """Return where one and the same person would be led, and with which code."""
    code = f"code of {outcome}" if way.per_person_code else way.code
    values = _Same({"outcome": outcome.value, "code": code, **fixed})
    return {"code": code, "redirect": fill(way.redirect, values), "call": fill(way.call, values) + way.call_body}


class _Same(dict[str, str]):
    """Values of a template, of which those that are not known are always the same."""

    def __missing__(self, key: str) -> str:
        return f"same {key}"


def _check_signed(setup: ExternalSetup) -> None:
    signed = setup.signed
    if not signed.parameter:
        return
    where = "mephisto.provider.signed"
    check_spelling(signed.algorithm, signed.encoding, where)
    if not _PARAMETER.fullmatch(signed.parameter) or signed.parameter in setup.parameters.values():
        raise ConfigError(f"{where}.parameter is {signed.parameter!r}, which is none, or holds an id.")
    if not signed.secret:
        raise ConfigError(f"{where}.parameter is given, and {where}.secret names no secret. Name the one you share.")
    known = ("query", *setup.parameters, *setup.captured)
    check_names(signed.over, f"{where}.over", known)
    if not {"query", "participant"} & set(names_in(signed.over)):
        raise ConfigError(f"{where}.over is {signed.over!r}: it has to cover {{query}} or {{participant}}.")
