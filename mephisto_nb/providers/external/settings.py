"""What a researcher writes about a crowd that works by addresses: plain dataclasses, which hold no secret."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ExitArgs:
    """How people go back after one outcome. Empty: as the preset says, or else with words alone.

    Templates hold ``{participant}``, ``{study}``, ``{session}``, ``{code}``, ``{outcome}``, ``{signature}``, the names
    of `details`, and those of `captured` parameters.

    Parameters
    ----------
    code
        The code that is shown, and what ``{code}`` stands for.
    redirect
        Where the page leads: a template of an ``https`` address.
    call
        An address that this program asks itself, so that nobody's pay hangs on a browser: a template, which may hold
        the names of `secrets` as well.
    call_method
        ``GET`` or ``POST``.
    call_body
        What a POST sends: a template of ``name=value&name=value``.
    call_expects
        Words that the answer to the call has to hold, beside a status of 200 to 299; empty: none.
    per_person_code
        Whether each person has a code of their own, made of who they are and of a secret. See `verify_code`.
    automatic
        Whether the page leads back by itself; else by a button alone.
    text
        What people are told; empty: the words that fit the outcome.
    """

    code: str = ""
    redirect: str = ""
    call: str = ""
    call_method: str = "GET"
    call_body: str = ""
    call_expects: str = ""
    per_person_code: bool = False
    automatic: bool = True
    text: str = ""


@dataclass
class SignedArrivalArgs:
    """How a crowd signs the addresses that its people come by. Empty: it does not.

    Parameters
    ----------
    parameter
        The parameter that holds the signature.
    secret
        The name of the secret that the crowd shares with you.
    algorithm
        ``sha256``, ``sha1``, ``sha384``, ``sha512`` or ``md5``: an HMAC over it.
    over
        What is signed: text with ``{query}`` (all of the query before the signature, as it came), or with
        ``{participant}``, ``{study}``, ``{session}`` and the names of captured parameters.
    encoding
        How the signature is written: ``hex``, ``base64`` or ``base64url``.
    """

    parameter: str = ""
    secret: str = ""
    algorithm: str = "sha256"
    over: str = "{query}"
    encoding: str = "hex"


@dataclass
class SignedExitArgs:
    """What ``{signature}`` at the end of a redirect is: an HMAC over the address before the parameter that holds it.

    Parameters
    ----------
    secret
        The name of the secret that the crowd shares with you.
    algorithm
        ``sha256``, ``sha1``, ``sha384``, ``sha512`` or ``md5``.
    encoding
        How the signature is written: ``hex``, ``base64`` or ``base64url``.
    """

    secret: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"


@dataclass
class ExternalProviderArgs:
    """A crowd that sends people to an address, and takes them back by another, or with a code.

    A secret is never written here, but the name under which it is kept: in the environment, as
    ``MEPHISTO_SECRET_NAME``, or in the section ``secrets`` of ``~/.mephisto/config.yml``.

    Parameters
    ----------
    preset
        The crowd, if it is one of those that are known: `guides/crowds` lists them. None: all is said below.
    requester_name
        Any name: this program has no account with the crowd.
    details
        What the preset needs of yours, such as ``completion_code`` or ``project_id``, by its names. Templates may
        hold them.
    secrets
        Which secret a preset, or a template of a call, means by a name: ``{"credit_token": "sona"}``.
    participant_parameter
        The parameter of the address that holds who comes. Capital letters count, unless no parameter is spelt so.
    study_parameter
        The one that holds the study, if there is one.
    session_parameter
        The one that holds the visit, if the crowd counts visits.
    captured
        Further parameters that are kept beside the answers.
    participant_pattern
        The characters and the length that ids of people have, as a regular expression.
    id_pattern
        The same for studies and visits.
    code_secret
        The name of the secret that codes of people are made of; empty: the run's own, which is lost with the run.
    signed
        How addresses that people come by are signed.
    signed_exit
        How addresses that lead back are signed.
    completed, screened_out, quota_full, failed_checks, no_consent, timed_out, returned
        How people go back after each outcome.
    """

    _provider_type: str = "external"
    preset: str | None = None
    requester_name: str = "external_requester"
    details: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    participant_parameter: str = ""
    study_parameter: str = ""
    session_parameter: str = ""
    captured: list[str] = field(default_factory=list)
    participant_pattern: str = ""
    id_pattern: str = ""
    code_secret: str = ""
    signed: SignedArrivalArgs = field(default_factory=SignedArrivalArgs)
    signed_exit: SignedExitArgs = field(default_factory=SignedExitArgs)
    completed: ExitArgs = field(default_factory=ExitArgs)
    screened_out: ExitArgs = field(default_factory=ExitArgs)
    quota_full: ExitArgs = field(default_factory=ExitArgs)
    failed_checks: ExitArgs = field(default_factory=ExitArgs)
    no_consent: ExitArgs = field(default_factory=ExitArgs)
    timed_out: ExitArgs = field(default_factory=ExitArgs)
    returned: ExitArgs = field(default_factory=ExitArgs)
