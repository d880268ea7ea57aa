"""What a study has to be like before Prolific takes it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.testing.prolific.filters import check_filters
from mephisto_nb.testing.prolific.refusals import nested

_DEVICES = {"desktop", "tablet", "mobile"}
_PERIPHERALS = {"audio", "camera", "download", "microphone"}
_PROLIFIC_IDS = {"url_parameters", "question", "not_required"}
_STUDY_TYPES = {"SINGLE", "QUOTA"}
_LABELS = {
    "survey", "writing_task", "annotation", "decision_making_task", "interview", "other", "ai_annotation",
    "ai_evaluation", "ai_reasoning", "ai_fact_checking", "ai_safety", "ai_data_creation_text",
    "ai_data_creation_audio", "ai_data_creation_video", "ai_data_creation_images", "ai_other",
}  # fmt: skip
#: Fields that there were, and are refused now; and ``status``, which only Prolific sets.
RETIRED = ("completion_code", "completion_option", "failed_attention_code", "eligibility_requirements", "status")
#: The fields that a study is made with, and what each is where it is not given. All else is dropped without a word.
FIELDS: JSONObject = {
    "name": None, "internal_name": "", "description": None, "external_study_url": None,
    "is_external_study_url_secure": False, "prolific_id_option": None, "completion_codes": None,
    "total_available_places": None, "estimated_completion_time": None, "maximum_allowed_time": None, "reward": None,
    "device_compatibility": [], "peripheral_requirements": [], "filters": None, "filter_set_id": None,
    "filter_set_version": None, "study_type": "SINGLE", "project": None, "submissions_config": {},
    "naivety_distribution_rate": None, "study_labels": [], "content_warnings": [], "content_warning_details": "",
    "metadata": None, "access_details": None, "credential_pool_id": None,
}  # fmt: skip
_REQUIRED = (
    "name", "description", "prolific_id_option", "completion_codes", "total_available_places",
    "estimated_completion_time", "reward",
)  # fmt: skip
_ACTIONS = {
    "AUTOMATICALLY_APPROVE": (),
    "MANUALLY_REVIEW": (),
    "REQUEST_RETURN": ("return_reason",),
    "ADD_TO_PARTICIPANT_GROUP": ("participant_group",),
    "REMOVE_FROM_PARTICIPANT_GROUP": ("participant_group",),
    "FIXED_SCREEN_OUT_PAYMENT": ("fixed_screen_out_reward", "slots"),
    "DYNAMIC_PAYMENT": (),
}
#: What has to be switched on for an action.
_FEATURES = {"FIXED_SCREEN_OUT_PAYMENT": "screen_out", "DYNAMIC_PAYMENT": "dynamic_payment"}


def checked_study(
    given: JSONObject,
    exists: Callable[[str, str], bool],
    minimum_per_hour: int,
    features: frozenset[str],
) -> JSONObject:
    """Return the fields of a study, with defaults for those that are not given.

    Raises
    ------
    ApiRefusal
        It cannot be like this; the answer names each field.
    """
    problems: dict[str, list[str]] = {}
    for name in RETIRED:
        if name in given:
            problems[name] = ["This field is not supported."]
    for name in _REQUIRED:
        if given.get(name) in (None, "", []):
            problems[name] = ["This field is required."]
    if problems:
        raise nested(problems)
    fields = {**FIELDS, **{name: given[name] for name in FIELDS if name in given}}
    for check in (_check_texts, _check_numbers, _check_choices, _check_limits, _check_address):
        problems.update(check(fields))
    if not problems:
        _set_time(fields, problems)
        _check_pay(fields, minimum_per_hour, problems)
        _check_codes(fields, exists, features, problems)
    if problems:
        raise nested(problems)
    _check_who(fields, exists)
    return fields


def _check_texts(fields: JSONObject) -> dict[str, list[str]]:
    names = ("name", "description", "internal_name", "metadata", "content_warning_details")
    wrong = {n: ["Not a valid string."] for n in names if not isinstance(fields[n], str | None)}
    if isinstance(fields["name"], str) and len(fields["name"]) > 255:
        wrong["name"] = ["At most 255 characters."]
    return wrong


def _check_numbers(fields: JSONObject) -> dict[str, list[str]]:
    wrong = {}
    for name in ("total_available_places", "reward"):
        if not is_number(fields[name]) or fields[name] != int(fields[name]) or fields[name] < 1:
            wrong[name] = ["A whole number of 1 or more is required."]
    for name in ("estimated_completion_time", "maximum_allowed_time"):
        if fields[name] is not None and (not is_number(fields[name]) or fields[name] < 1):
            wrong[name] = ["A number of 1 or more is required."]
    return wrong


def _check_choices(fields: JSONObject) -> dict[str, list[str]]:
    wrong = {}
    for name, known in (("device_compatibility", _DEVICES), ("peripheral_requirements", _PERIPHERALS)):
        if not isinstance(fields[name], list) or not set(map(str, fields[name])) <= known:
            wrong[name] = [f"Choose from {', '.join(sorted(known))}."]
    for name, known in (("prolific_id_option", _PROLIFIC_IDS), ("study_type", _STUDY_TYPES)):
        if fields[name] not in known:
            wrong[name] = [f"{str(fields[name])[:60]!r} is not a valid choice."]
    for name, known in (("study_labels", _LABELS), ("content_warnings", {"sensitive", "explicit"})):
        if not isinstance(fields[name], list) or len(fields[name]) > 1 or not set(map(str, fields[name])) <= known:
            wrong[name] = ["Choose one at most."]
    if not isinstance(fields["is_external_study_url_secure"], bool):
        wrong["is_external_study_url_secure"] = ["Must be a valid boolean."]
    return wrong


def _check_limits(fields: JSONObject) -> dict[str, list[str]]:
    config = fields["submissions_config"] or {}
    if not isinstance(config, dict):
        return {"submissions_config": ["Expected an object."]}
    for name in ("max_submissions_per_participant", "max_concurrent_submissions"):
        value = config.get(name, -1)
        if not is_number(value) or (value < 1 and value != -1):
            return {"submissions_config": [f"{name} is 1 or more, or -1 for no limit."]}
    if not set(config.get("auto_rejection_categories") or []) <= {"EXCEPTIONALLY_FAST"}:
        return {"submissions_config": ["auto_rejection_categories knows EXCEPTIONALLY_FAST alone."]}
    return {}


def _check_address(fields: JSONObject) -> dict[str, list[str]]:
    url, details = fields["external_study_url"], fields["access_details"]
    if (url is None) == (details is None):
        return {"external_study_url": ["Give either this or access_details."]}
    if url is not None:
        return {} if is_web_address(url) else {"external_study_url": ["Enter a valid URL."]}
    return check_access_details(details, fields["total_available_places"])


def check_access_details(details: JSON, places: Any) -> dict[str, list[str]]:
    """Return what is wrong with the addresses of a study that has several."""
    good = isinstance(details, list) and details and all(isinstance(one, dict) for one in details)
    if not good or not all(is_web_address(one.get("external_url")) for one in details):
        return {"access_details": ["Each needs an external_url."]}
    shares = [one.get("total_allocation") for one in details]
    if not all(is_number(share) and share >= 1 for share in shares) or sum(shares) != places:
        return {"access_details": ["The sum of total_allocation has to be total_available_places."]}
    return {}


def _set_time(fields: JSONObject, problems: dict[str, list[str]]) -> None:
    """Take the least time that one has to be given, where none is."""
    estimate = fields["estimated_completion_time"]
    least = 2 + 2 * estimate + 2 * math.sqrt(estimate)
    if fields["maximum_allowed_time"] is None:
        fields["maximum_allowed_time"] = math.ceil(least)
    elif fields["maximum_allowed_time"] < least:
        problems["maximum_allowed_time"] = [f"Must be at least {math.ceil(least)} minutes."]


def _check_pay(fields: JSONObject, minimum_per_hour: int, problems: dict[str, list[str]]) -> None:
    per_hour = fields["reward"] * 60 / fields["estimated_completion_time"]
    if per_hour < minimum_per_hour:
        problems["reward"] = [f"{per_hour:.0f} per hour is below the minimum of {minimum_per_hour}."]


def _check_who(fields: JSONObject, exists: Callable[[str, str], bool]) -> None:
    """Check filters and the set of them, one of which a study has."""
    if fields["filter_set_id"] is not None:
        raise nested({"filter_set_id": ["No such filter set."]})
    if fields["filters"] is None:
        raise nested({"filters": ["This field may not be null; send an empty list for everybody."]})
    if check_filters(fields["filters"], exists) and fields["study_type"] != "QUOTA":
        raise nested({"study_type": ["Must be QUOTA where a filter has weightings."]})


def _check_codes(
    fields: JSONObject, exists: Callable[[str, str], bool], features: frozenset[str], problems: dict[str, list[str]]
) -> None:
    codes = fields["completion_codes"]
    if not isinstance(codes, list) or not all(isinstance(one, dict) for one in codes):
        problems["completion_codes"] = ["Expected a list of objects."]
        return
    fields["completion_codes"] = codes = [
        {
            "code": one.get("code"),
            "code_type": one.get("code_type"),
            "actor": one.get("actor", "participant"),
            "actions": one.get("actions") or [],
        }
        for one in codes
    ]
    found = [problem for one in codes for problem in _problems_of_code(one, codes, fields, exists, features)]
    twice = [name for name, times in Counter(one["code"] for one in codes).items() if times > 1]
    if twice:
        found.append(f"Codes have to be unique: {twice[0]}")
    if sum(_has(one, "FIXED_SCREEN_OUT_PAYMENT") for one in codes) > 1:
        found.append("At most one code may screen out.")
    if found:
        problems["completion_codes"] = found


def _has(code: JSONObject, action: str) -> bool:
    return any(isinstance(one, dict) and one.get("action") == action for one in code["actions"])


def _problems_of_code(
    one: JSONObject,
    codes: list[JSONObject],
    fields: JSONObject,
    exists: Callable[[str, str], bool],
    features: frozenset[str],
) -> list[str]:
    found = []
    if not isinstance(one["code_type"], str) or not one["code_type"]:
        found.append("code_type is required.")
    if one["actor"] not in ("participant", "researcher"):
        found.append("actor is participant or researcher.")
    if one["code"] is None:
        alone = sum(other["actor"] == "participant" for other in codes) == 1
        if one["actor"] != "participant" or not alone or one["actions"]:
            found.append("code may only be null for the one code of participants, without actions.")
    elif not isinstance(one["code"], str) or not 1 <= len(one["code"]) <= 128:
        found.append("code is a text.")
    if _has(one, "AUTOMATICALLY_APPROVE") and _has(one, "MANUALLY_REVIEW"):
        found.append("AUTOMATICALLY_APPROVE and MANUALLY_REVIEW exclude each other.")
    for action in one["actions"]:
        found += _problems_of_action(action, fields, exists, features)
    return found


def _problems_of_action(
    action: JSON, fields: JSONObject, exists: Callable[[str, str], bool], features: frozenset[str]
) -> list[str]:
    name = action.get("action") if isinstance(action, dict) else None
    if name not in _ACTIONS:
        return [f"Unknown action: {str(action)[:60]}"]
    missing = [key for key in _ACTIONS[name] if action.get(key) in (None, "")]
    if missing:
        return [f"{name} needs {', '.join(missing)}."]
    if name in _FEATURES and _FEATURES[name] not in features:
        return [f"{name} is not enabled for this workspace."]
    if name == "FIXED_SCREEN_OUT_PAYMENT":
        pay, slots = action["fixed_screen_out_reward"], action["slots"]
        if not is_number(pay) or not 0 < pay < fields["reward"] or not is_number(slots) or slots < 1:
            return ["fixed_screen_out_reward is less than the reward, and slots 1 or more."]
    if "participant_group" in action and not exists("ParticipantGroupID", str(action["participant_group"])):
        return ["No such participant group."]
    return []


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_web_address(value: object) -> bool:
    """Return whether a value looks like an address that a browser can open."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in value
