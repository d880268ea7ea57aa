"""What is held, as it is written on the wire: under the names, and with the differences, that Prolific has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.books import StandInPrice
from mephisto_nb.testing.prolific.hooks import HookDelivery, StandInHook
from mephisto_nb.testing.prolific.records import (
    ACTIVE,
    APPROVED,
    AWAITING_REVIEW,
    HANDED_IN,
    PARTIALLY_APPROVED,
    REJECTED,
    RESERVED,
    RETURNED,
    SCREENED_OUT,
    TIMED_OUT,
    StandInGroup,
    StandInMessage,
    StandInStudy,
    StandInSubmission,
)
from mephisto_nb.testing.prolific.studies import full_cost, pay_per_hour
from mephisto_nb.testing.prolific.world import PER_HOUR, ProlificWorld, StandInWorkspace, is_eligible

#: How many rows a page has where nobody says.
_PAGE = 20
#: What is counted of a study's submissions, as it is spelt there.
COUNTED = (
    ACTIVE, APPROVED, AWAITING_REVIEW, REJECTED, RESERVED, RETURNED, TIMED_OUT, PARTIALLY_APPROVED, SCREENED_OUT,
)  # fmt: skip


def iso(at: float | None) -> str | None:
    """Return a time as it is written."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def study_view(world: ProlificWorld, study: StandInStudy) -> JSONObject:
    """Return a study as it is given by itself."""
    books, currency = world.books, world.account_of(study).currency
    per_hour, estimate = pay_per_hour(study), study.fields["estimated_completion_time"]
    workspace = world.workspaces[study.workspace_id]
    shown = {name: value for name, value in study.fields.items() if value is not None or name == "metadata"}
    return {
        **shown,
        **short_study_view(world, study),
        "publish_at": None,
        "average_reward_per_hour": per_hour or 0,
        "estimated_reward_per_hour": round(study.reward * 60 / estimate),
        "is_underpaying": None if per_hour is None else per_hour < PER_HOUR[currency][0],
        "minimum_reward_per_hour": PER_HOUR[currency][0],
        "average_time_taken": round(sum(study.durations) / len(study.durations)) if study.durations else 0,
        "fees_per_submission": study.place.fees,
        "fees_percentage": float(books.fees_percentage),
        "vat_percentage": float(books.vat_percentage),
        "service_margin_percentage": "0",
        "discount_from_coupons": 0,
        "total_participant_pool": len(world.people),
        "eligible_participant_count": sum(
            is_eligible(world, study.fields["filters"], one) for one in world.people.values()
        ),
        "share_id": study.id[-8:],
        "currency_code": currency,
        "presentment_currency_code": currency,
        "workspace": workspace.id,
        "researcher": {"id": world.user_id, "name": "Researcher", "email": "researcher@example.org"},
        "has_credentials": False,
    }


def short_study_view(world: ProlificWorld, study: StandInStudy) -> JSONObject:
    """Return a study as it is given in a list."""
    names = ("name", "internal_name", "study_type", "total_available_places", "reward")
    return {
        "id": study.id,
        **{name: study.fields[name] for name in names},
        "status": study.status,
        "places_taken": sum(study.counts[status] for status in (ACTIVE, *HANDED_IN)),
        "number_of_submissions": sum(study.counts[status] for status in COUNTED) - study.counts[RESERVED],
        "total_cost": full_cost(study).total,
        "published_at": iso(study.published_at),
        "publish_at": None,
        "date_created": iso(study.created_at),
    }


def submission_row(submission: StandInSubmission, shown: Callable[[str], str]) -> JSONObject:
    """Return a submission as it is given in the list of a study's."""
    return {
        "id": submission.id,
        "participant_id": submission.participant_id,
        "started_at": iso(submission.started_at),
        "completed_at": iso(submission.completed_at),
        "is_complete": submission.completed_at is not None,
        "time_taken": submission.seconds,
        "reward": submission.study.reward,
        "status": shown(submission.status),
        "study_code": submission.code,
        "strata": submission.strata,
        "star_awarded": False,
        "bonus_payments": list(submission.bonuses),
        "ip": "",
        "return_requested": iso(submission.return_requested),
        "has_siblings": False,
    }


def submission_view(submission: StandInSubmission, shown: Callable[[str], str]) -> JSONObject:
    """Return a submission as it is given by itself: under other names than in a list."""
    return {
        "id": submission.id,
        "study_id": submission.study.id,
        "participant": submission.participant_id,
        "started_at": iso(submission.started_at),
        "completed_at": iso(submission.completed_at),
        "entered_code": submission.code,
        "status": shown(submission.status),
        "bonus_payments": list(submission.bonuses),
        "return_requested": iso(submission.return_requested),
    }


def counts_view(study: StandInStudy) -> JSONObject:
    """Return how many submissions of a study are in each state."""
    counts = {status: study.counts[status] for status in COUNTED}
    return {**counts, "TOTAL": len(study.submissions)}


def workspace_view(world: ProlificWorld, one: StandInWorkspace) -> JSONObject:
    """Return a workspace."""
    user = {"id": world.user_id, "name": "Researcher", "email": "researcher@example.org", "roles": ["WORKSPACE_ADMIN"]}
    return {
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "owner": world.user_id,
        "users": [user],
        "projects": [{"id": project} for project in one.projects],
        "wallet": one.id,
        "naivety_distribution_rate": None,
    }


def project_view(world: ProlificWorld, workspace: StandInWorkspace, project_id: str) -> JSONObject:
    """Return a project."""
    return {
        "id": project_id,
        "title": workspace.projects[project_id],
        "description": "",
        "owner": world.user_id,
        "users": [],
        "workspace": workspace.id,
    }


def balance_view(world: ProlificWorld, workspace_id: str) -> JSONObject:
    """Return the money of a workspace."""
    account = world.books.accounts[workspace_id]
    return {
        "currency_code": account.currency,
        "total_balance": account.total,
        "balance_breakdown": _breakdown(world.books.split(account.total)),
        "available_balance": account.available,
        "available_balance_breakdown": _breakdown(world.books.split(account.available)),
    }


def _breakdown(price: StandInPrice) -> JSONObject:
    return {"rewards": price.amount, "fees": price.fees, "vat": price.vat}


def cost_view(world: ProlificWorld, study: StandInStudy, *, is_projected: bool) -> JSONObject:
    """Return what a study has cost, or will if every place is paid."""
    books, currency = world.books, world.account_of(study).currency
    paid = books.paid("reward", "partial", study_id=study.id)
    extra = books.paid("bonus", "screen_out", study_id=study.id)
    rewards = full_cost(study) if is_projected else paid
    parts = {"rewards": _cost_part(rewards, currency), "bonuses": _cost_part(extra, currency)}
    return {**parts, "_links": {}}


def _cost_part(price: StandInPrice, currency: str) -> JSONObject:
    parts = {"rewards": price.amount, "fees": price.fees, "tax": price.vat}
    return {part: {"amount": amount, "currency": currency} for part, amount in parts.items()}


def group_view(group: StandInGroup) -> JSONObject:
    """Return a group of participants."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "workspace_id": group.workspace_id,
        "project_id": None,
        "organisation_id": None,
        "participant_count": len(group.members),
        "is_deleted": group.is_deleted,
        "feeder_studies": [],
    }


def members_view(group: StandInGroup) -> JSONObject:
    """Return who is in a group."""
    return {"results": [{"participant_id": one, "datetime_created": iso(at)} for one, at in group.members.items()]}


def message_view(message: StandInMessage, *, is_unread_list: bool = False) -> JSONObject:
    """Return a message; who sent it has another name in the list of unread ones."""
    return {
        "id": message.id,
        "sender" if is_unread_list else "sender_id": message.sender_id,
        "body": message.body,
        "datetime_created": iso(message.at),
        "type": "message",
        "channel_id": f"{message.sender_id[:12]}{message.recipient_id[:12]}",
        "data": {"study_id": message.study_id, "category": "other"},
    }


def hook_view(hook: StandInHook) -> JSONObject:
    """Return a subscription."""
    names = ("id", "event_type", "target_url", "is_enabled", "workspace_id")
    return {name: getattr(hook, name) for name in names}


def hook_event_view(event: HookDelivery) -> JSONObject:
    """Return what became of an event."""
    return {
        "id": event.id,
        "datetime_created": iso(event.created_at),
        "datetime_updated": iso(event.changed_at),
        "event_type": event.hook.event_type,
        "resource_id": event.resource_id,
        "status": event.status,
        "target_url": event.hook.target_url,
        "payload": event.body.decode(),
    }


def page_of_limit(rows: list[Any], query: dict[str, str], url: str) -> tuple[list[Any], JSONObject]:
    """Return a page by ``limit`` and ``offset``, and the rest of its answer: links, and whether it is past the end."""
    limit, start = _number(query.get("limit"), _PAGE, most=1000), _number(query.get("offset"), 0)
    last = max(0, (len(rows) - 1) // limit) * limit
    after = start + limit if start + limit < len(rows) else None
    links = _links(url, f"limit={limit}&offset=", (start, after, last))
    is_past = start > 0 and start >= len(rows)
    return rows[start : start + limit], {"_links": links, "meta": {"count": len(rows)}, "past": is_past}


def page_of_size(rows: list[Any], query: dict[str, str], url: str) -> tuple[list[Any], JSONObject]:
    """Return a page by ``page`` and ``page_size``, and the rest of its answer, as `page_of_limit` does."""
    size, page = _number(query.get("page_size"), _PAGE, most=500), max(1, _number(query.get("page"), 1))
    last = max(1, -(-len(rows) // size))
    links = _links(url, f"page_size={size}&page=", (page, page + 1 if page < last else None, last))
    part = rows[(page - 1) * size : page * size]
    return part, {"_links": links, "meta": {"count": len(rows)}, "past": page > last}


def _links(url: str, query: str, places: tuple[int, int | None, int]) -> JSONObject:
    own, after, last = places
    hrefs = {"self": own, "next": after, "previous": None, "last": last}
    return {
        name: {"href": None if place is None else f"{url}?{query}{place}", "title": name.title()}
        for name, place in hrefs.items()
    }


def _number(text: str | None, default: int, most: int | None = None) -> int:
    if text is None or not text.isdecimal() or (most is not None and int(text) < 1):
        return default
    return int(text) if most is None else min(int(text), most)
