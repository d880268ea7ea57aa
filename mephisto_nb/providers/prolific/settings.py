"""What a researcher sets about a run that Prolific brings people to; no token is among it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from mephisto_nb.errors import ConfigError
from mephisto_nb.providers.prolific.transport import PROLIFIC
from mephisto_nb.utils.addresses import read_address

#: Where participants and researchers look at Prolific.
APP = "https://app.prolific.com"
#: What a workspace may have its money in.
CURRENCIES = ("GBP", "USD")
#: The reasons for a rejection that Prolific knows.
REJECTIONS = (
    "TOO_QUICKLY", "TOO_SLOWLY", "FAILED_INSTRUCTIONS", "INCOMP_LONGITUDINAL", "FAILED_CHECK", "LOW_EFFORT",
    "MALINGERING", "NO_CODE", "BAD_CODE", "NO_DATA", "UNSUPP_DEVICE", "OTHER",
)  # fmt: skip
_DEVICES = ("desktop", "tablet", "mobile")
_PERIPHERALS = ("audio", "camera", "download", "microphone")
_LABELS = (
    "survey", "writing_task", "annotation", "decision_making_task", "interview", "other", "ai_annotation",
    "ai_evaluation", "ai_reasoning", "ai_fact_checking", "ai_safety", "ai_data_creation_text",
    "ai_data_creation_audio", "ai_data_creation_video", "ai_data_creation_images", "ai_other",
)  # fmt: skip
_WARNINGS = ("sensitive", "explicit")
#: A study's title may have so many characters.
LONGEST_NAME = 255


@dataclass
class ProlificScreenOutArgs:
    """What people get who come, and turn out not to be among those who are looked for.

    Prolific has to have switched this on for your workspace.

    Parameters
    ----------
    reward
        What each of them gets, in the currency of the task; less than the task's reward. 0: nobody is paid for that,
        and they are asked to return their place.
    places
        How many of them are paid at most. Prolific pauses the study once they are used up, and keeps money for all.
    """

    reward: float = 0.0
    places: int = 0


@dataclass
class ProlificGroupsArgs:
    """Who may come, by the names of groups of participants of the workspace, or of qualifications of yours.

    Parameters
    ----------
    allow
        Only who is in one of these.
    block
        Nobody who is in one of these.
    block_studies
        Nobody who took part in one of these studies, by their ids or their internal names.
    """

    allow: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)
    block_studies: list[str] = field(default_factory=list)


@dataclass
class ProlificProviderArgs:
    """How a run is offered on Prolific. The token is not among it: see `register_prolific`.

    Parameters
    ----------
    requester_name
        The name under which `register_prolific` keeps your token.
    workspace, project
        Where the study is made, by title or id. Empty: the only one that there is.
    study_name, study_description
        What people read before they come. Empty: the task's title and description.
    internal_name
        What you read in your list of studies. Empty: the task's title.
    estimated_minutes
        How long one visit takes most people. Prolific judges your pay by it, and later by how long they really took.
        0: the estimate from which Prolific itself would derive the time that a visit may take here.
    submission_places
        How many visits are wanted, as two for a pilot; none are added then. 0: as many as the run has work for.
    submissions_per_participant
        How often one person may come; -1: any number of times.
    filters
        Whom the study is for, by the names and labels that Prolific shows, or by its ids, such as
        ``{"Age": [18, 40], "Handedness": "Left-handed"}``. A range has two bounds, of which one may be null.
    participant_groups
        Who may come, by groups.
    device_compatibility
        Of ``desktop``, ``tablet`` and ``mobile`` those that will do. Empty: any.
    peripheral_requirements
        Of ``audio``, ``camera``, ``download`` and ``microphone`` those that are needed.
    study_label
        What kind of work it is, such as ``annotation``.
    content_warning, content_warning_details
        ``sensitive`` or ``explicit``, and what about.
    auto_approve
        Whether Prolific pays each visit as soon as it is finished; otherwise you review it.
    screen_out
        What people get who turn out not to be looked for.
    rejection_category
        The reason that Prolific is told for a rejection where a decision names none.
    signed_addresses
        Whether Prolific signs the addresses that people come by, so that nobody can come as somebody else.
    base_url, app_url
        Where Prolific is; others than its own are for rehearsals with a stand-in.
    """

    _provider_type: str = "prolific"
    requester_name: str = "prolific"
    workspace: str = ""
    project: str = ""
    study_name: str = ""
    study_description: str = ""
    internal_name: str = ""
    estimated_minutes: float = 0.0
    submission_places: int = 0
    submissions_per_participant: int = 1
    filters: dict[str, Any] = field(default_factory=dict)
    participant_groups: ProlificGroupsArgs = field(default_factory=ProlificGroupsArgs)
    device_compatibility: list[str] = field(default_factory=list)
    peripheral_requirements: list[str] = field(default_factory=list)
    study_label: str = ""
    content_warning: str = ""
    content_warning_details: str = ""
    auto_approve: bool = False
    screen_out: ProlificScreenOutArgs = field(default_factory=ProlificScreenOutArgs)
    rejection_category: str = "OTHER"
    signed_addresses: bool = True
    base_url: str = PROLIFIC
    app_url: str = APP


def check_settings(args: ProlificProviderArgs) -> None:
    """Raise `ConfigError` for what no study can have, as far as that is known without asking Prolific."""
    _check_numbers(args)
    _check_words("device_compatibility", args.device_compatibility, _DEVICES)
    _check_words("peripheral_requirements", args.peripheral_requirements, _PERIPHERALS)
    _check_words("study_label", [args.study_label] if args.study_label else [], _LABELS)
    _check_words("content_warning", [args.content_warning] if args.content_warning else [], _WARNINGS)
    _check_words("rejection_category", [args.rejection_category], REJECTIONS)
    for name in ("base_url", "app_url"):
        _check_address(name, getattr(args, name))
    if len(args.study_name) > LONGEST_NAME:
        raise ConfigError(
            f"mephisto.provider.study_name has {len(args.study_name)} characters. Prolific takes {LONGEST_NAME}; "
            "shorten it."
        )


def _check_numbers(args: ProlificProviderArgs) -> None:
    estimate = args.estimated_minutes
    if not math.isfinite(estimate) or (estimate != 0 and not 1 <= estimate <= 24 * 60):
        raise ConfigError(f"mephisto.provider.estimated_minutes is {estimate!r}. Give 1 to 1440 minutes, or 0.")
    if args.submission_places < 0:
        raise ConfigError(f"mephisto.provider.submission_places is {args.submission_places}. Give 0 or more.")
    most = args.submissions_per_participant
    if most < 1 and most != -1:
        raise ConfigError(f"mephisto.provider.submissions_per_participant is {most}. Give 1 or more, or -1 for any.")
    pay, places = args.screen_out.reward, args.screen_out.places
    if not math.isfinite(pay) or pay < 0 or places < 0 or (pay > 0) != (places > 0):
        raise ConfigError(
            f"mephisto.provider.screen_out pays {pay!r} for {places} places. Give both, more than 0 each, or neither."
        )


def _check_words(name: str, given: Sequence[str], known: Iterable[str]) -> None:
    known = list(known)
    for one in given:
        if one not in known:
            near = get_close_matches(str(one), known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"mephisto.provider.{name} holds {str(one)[:40]!r}. {hint}Prolific knows: {', '.join(known)}."
            )


def _check_address(name: str, address: str) -> None:
    try:
        place = read_address(address)
    except ValueError as error:
        raise ConfigError(f"mephisto.provider.{name} is {address[:80]!r}, which is no address: {error}.") from error
    if place.scheme != "https" and not (place.scheme == "http" and place.is_loopback):
        raise ConfigError(
            f"mephisto.provider.{name} is {address[:80]!r}. Only https is private; plain http is for a stand-in on "
            "this computer (http://127.0.0.1:PORT)."
        )


def is_stand_in(args: ProlificProviderArgs) -> bool:
    """Return whether a run is a rehearsal on this computer, with nobody at the other end."""
    return read_address(args.base_url).is_loopback


def least_minutes(estimate: float) -> int:
    """Return for how many minutes a visit has to be allowed at least, by Prolific's own rule."""
    return math.ceil(round(2 + 2 * estimate + 2 * math.sqrt(estimate), 6))


def estimate_for(args: ProlificProviderArgs, visit_seconds: float) -> float:
    """Return how many minutes a visit is said to take: what was set, or what Prolific's rule makes of its limit."""
    if args.estimated_minutes:
        return args.estimated_minutes
    half = max(0.0, visit_seconds / 120 - 1)  # of 2 + 2e + 2 sqrt(e) = the limit in minutes
    root = (math.sqrt(1 + 4 * half) - 1) / 2
    return float(max(1, math.floor(root * root)))
