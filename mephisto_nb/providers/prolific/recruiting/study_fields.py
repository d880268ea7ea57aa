"""A study, by Prolific's names: as it is made for an offer, and whether it came out as it was meant."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.crowd import CrowdStudy, Offer, StudyStatus
from mephisto_nb.model.money import Money
from mephisto_nb.providers.prolific.completion_codes import ScreenOutPay
from mephisto_nb.providers.prolific.objects import ProlificStudy
from mephisto_nb.providers.prolific.settings import (
    LONGEST_NAME,
    ProlificProviderArgs,
    estimate_for,
    least_minutes,
)

_STATUSES = {
    "UNPUBLISHED": StudyStatus.DRAFT,
    "SCHEDULED": StudyStatus.STARTING,
    "PUBLISHING": StudyStatus.STARTING,
    "ACTIVE": StudyStatus.OPEN,
    "PAUSED": StudyStatus.PAUSED,
    "AWAITING REVIEW": StudyStatus.FULL,
    "COMPLETED": StudyStatus.OVER,
}
#: What Prolific fills in when somebody comes, as it is written in the address of a study.
PARTICIPANT, STUDY, SUBMISSION = "PROLIFIC_PID", "STUDY_ID", "SESSION_ID"
#: Without these, nobody could say what a study costs, and where it leads.
_ALWAYS_SHOWN = {"reward", "total_available_places", "external_study_url", "completion_codes", "filters"}


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a study is made of that was asked of Prolific before: where, and for whom."""

    project_id: str
    codes: Sequence[JSONObject]
    filters: Sequence[JSONObject]


def entry_address(url: str) -> str:
    """Return the address of a study: that of the task, with what Prolific is to fill in."""
    parts = urlsplit(url)
    own = "&".join(f"{name}={{{{%{name}%}}}}" for name in (PARTICIPANT, STUDY, SUBMISSION))
    query = f"{parts.query}&{own}" if parts.query else own
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query=query, fragment=""))


def screen_out_pay(args: ProlificProviderArgs, reward: Money) -> ScreenOutPay | None:
    """Return what is paid for being screened out; None: nothing.

    Raises
    ------
    ConfigError
        It is not less than the reward, or no whole number of the smallest unit.
    """
    if not args.screen_out.reward:
        return None
    pay = Money.of(args.screen_out.reward, reward.currency, "mephisto.provider.screen_out.reward")
    if not pay.is_whole or pay >= reward:
        raise ConfigError(
            f"mephisto.provider.screen_out.reward is {pay}. Prolific takes whole pennies or cents, and less than the "
            f"reward of {reward}."
        )
    return ScreenOutPay(pay.units, args.screen_out.places)


def places_of(args: ProlificProviderArgs, offer: Offer) -> int:
    """Return how many visits are wanted."""
    return args.submission_places or offer.places


def allowed_minutes(args: ProlificProviderArgs, offer: Offer) -> int:
    """Return for how many minutes a visit is allowed: as long as here, or what Prolific allows at least."""
    return max(-(-int(offer.visit_seconds) // 60), least_minutes(estimate_for(args, offer.visit_seconds)))


def compose_study(args: ProlificProviderArgs, offer: Offer, plan: StudyPlan) -> JSONObject:
    """Return the fields of a study."""
    estimate = estimate_for(args, offer.visit_seconds)
    return {
        "name": (args.study_name or offer.title)[:LONGEST_NAME],
        "internal_name": internal_name(args, offer),
        "description": args.study_description or as_html(offer.description),
        "external_study_url": entry_address(offer.url),
        "is_external_study_url_secure": args.signed_addresses,
        "prolific_id_option": "url_parameters",
        "completion_codes": list(plan.codes),
        "total_available_places": places_of(args, offer),
        "estimated_completion_time": int(estimate) if estimate == int(estimate) else estimate,
        "maximum_allowed_time": allowed_minutes(args, offer),
        "reward": offer.reward.units,
        "device_compatibility": list(args.device_compatibility),
        "peripheral_requirements": list(args.peripheral_requirements),
        "filters": list(plan.filters),
        "project": plan.project_id,
        "submissions_config": {
            "max_submissions_per_participant": args.submissions_per_participant,
            "max_concurrent_submissions": offer.concurrent or -1,
            "auto_rejection_categories": [],
        },
        "study_labels": [args.study_label] if args.study_label else [],
        "content_warnings": [args.content_warning] if args.content_warning else [],
        "content_warning_details": args.content_warning_details,
        "metadata": offer.task_run_id,
    }


def internal_name(args: ProlificProviderArgs, offer: Offer) -> str:
    """Return what the researcher reads in their list, by which a study is found again whose id was lost."""
    mark = name_mark(offer.task_run_id)
    return f"{(args.internal_name or offer.title)[: LONGEST_NAME - len(mark) - 1]} {mark}"


def name_mark(task_run_id: str) -> str:
    """Return what the internal names of all studies of a run end with."""
    return f"[{task_run_id}]"


def as_html(text: str) -> str:
    """Return plain text as the HTML that Prolific shows: its paragraphs, and nothing in it that counts as HTML.

    Examples
    --------
    >>> as_html("Rate <20> sentences.")
    '<p>Rate &lt;20&gt; sentences.</p>'
    """
    blocks = [block.strip() for block in text.replace("\r\n", "\n").split("\n\n")]
    return "".join(f"<p>{' '.join(html.escape(block).split())}</p>" for block in blocks if block)


def find_differences(sent: Mapping[str, JSON], study: ProlificStudy) -> list[str]:
    """Return in words what of a study is not as it was asked for; Prolific drops what it does not know in silence."""
    shown, found = study.fields, []
    for name, wanted in sent.items():
        if name not in shown and name not in _ALWAYS_SHOWN:
            continue
        got = shown.get(name)
        if not _is_same(name, wanted, got):
            found.append(f"{name} is {_short(got)}, and should be {_short(wanted)}")
    return found


def _is_same(name: str, wanted: JSON, got: JSON) -> bool:
    if name in ("description", "internal_name", "content_warning_details"):
        return True  # cleaned up, or changed at any time
    if name == "external_study_url":
        return unquote(str(wanted)) == unquote(str(got))
    if name == "device_compatibility" and not wanted:
        return True  # any will do, which may be told as all of them
    if name == "maximum_allowed_time":
        return isinstance(got, int | float | str) and (_as_number(got) or 0) >= float(str(wanted))
    if name == "completion_codes":
        return _codes(wanted) == _codes(got)
    if name == "filters":
        return _filters(wanted) == _filters(got)
    if name == "submissions_config":
        config = got if isinstance(got, dict) else {}
        return isinstance(wanted, dict) and all(
            bool((config.get(key) or -1) == wanted[key])
            for key in ("max_submissions_per_participant", "max_concurrent_submissions")
        )
    if isinstance(wanted, list):
        return sorted(map(str, wanted)) == sorted(map(str, got if isinstance(got, list) else []))
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return isinstance(got, int | float | str) and _as_number(got) == float(wanted)
    if name == "project" and isinstance(got, dict):
        got = got.get("id")
    return bool(wanted == got)


def _codes(value: JSON) -> list[JSON]:
    rows = value if isinstance(value, list) else []
    found: list[JSON] = []
    for one in rows:
        if isinstance(one, dict):
            actions = sorted(
                str(action.get("action")) for action in one.get("actions") or () if isinstance(action, dict)
            )
            found.append([one.get("code"), one.get("actor", "participant"), actions])
    return sorted(found, key=str)


def _filters(value: JSON) -> list[JSON]:
    rows = value if isinstance(value, list) else []
    found: list[JSON] = []
    for one in rows:
        if isinstance(one, dict):
            bounds = one.get("selected_range") or {}
            kept = {key: bound for key, bound in bounds.items() if bound is not None}
            found.append([one.get("filter_id"), sorted(map(str, one.get("selected_values") or ())), kept])
    return sorted(found, key=str)


def _as_number(value: int | float | str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _short(value: JSON) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def study_of(study: ProlificStudy, app_url: str) -> CrowdStudy:
    """Return a study as the run knows it."""
    return CrowdStudy(
        study_id=study.id,
        status=_STATUSES.get(study.status, StudyStatus.UNKNOWN),
        places=study.places,
        places_taken=study.places_taken,
        cost=Money.of_units(study.total_cost, study.currency) if study.currency else None,
        page=f"{app_url.rstrip('/')}/researcher/workspaces/studies/{study.id}",
    )
