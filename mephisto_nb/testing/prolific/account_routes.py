"""The researcher's account: workspaces, groups of participants, filters, messages and hooks."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.filters import CATALOGUE, check_filters
from mephisto_nb.testing.prolific.hooks import EVENT_TYPES
from mephisto_nb.testing.prolific.records import StandInGroup, StandInMessage
from mephisto_nb.testing.prolific.refusals import bare, need, nested, not_found
from mephisto_nb.testing.prolific.routes import ApiDesk, Call
from mephisto_nb.testing.prolific.views import (
    balance_view,
    group_view,
    hook_event_view,
    hook_view,
    members_view,
    message_view,
    project_view,
    short_study_view,
    workspace_view,
)
from mephisto_nb.testing.prolific.world import (
    PER_HOUR,
    StandInWorkspace,
    exists,
    found,
    is_eligible,
    workspace_of_project,
)

#: Fewer people than this are told as 0.
_FEWEST_TOLD = 25


def account_routes(desk: ApiDesk) -> list[Route]:
    """Return the routes of all but studies and submissions."""

    async def jwks(_: Request) -> Response:
        return JSONResponse(desk.keys.jwks())

    return [
        Route("/.well-known/study/jwks.json", jwks),
        desk.route("users/me/", get=_me),
        desk.route("researchers/participants/", post=_add_test_participant),
        desk.route("workspaces/", get=_workspaces, post=_add_workspace),
        desk.route("workspaces/{id}/", get=_workspace, patch=_change_workspace),
        desk.route("workspaces/{id}/balance/", get=_balance),
        desk.route("workspaces/{id}/projects/", get=_projects, post=_add_project),
        desk.route("projects/{id}/", get=_project),
        desk.route("projects/{id}/studies/", get=_studies_of_project),
        desk.route("reward-recommendations/", get=_recommendations),
        desk.route("filters/", get=_filters),
        desk.route("eligibility-count/", post=_eligible),
        desk.route("participant-groups/", get=_groups, post=_add_group),
        desk.route("participant-groups/{id}/", get=_group, patch=_change_group, delete=_delete_group),
        desk.route("participant-groups/{id}/participants/", get=_members, post=_add_members, delete=_remove_members),
        desk.route("messages/", get=_messages, post=_send),
        desk.route("messages/unread/", get=_unread),
        desk.route("messages/bulk/", post=_send_bulk),
        desk.route("messages/participant-group/", post=_send_group),
        desk.route("hooks/event-types/", get=_event_types),
        desk.route("hooks/secrets/", get=_secrets, post=_make_secret),
        desk.route("hooks/subscriptions/", get=_hooks, post=_subscribe),
        desk.route("hooks/subscriptions/{id}/", get=_hook, post=_confirm, patch=_change_hook, delete=_delete_hook),
        desk.route("hooks/subscriptions/{id}/events/", get=_events),
    ]


# Who one is, and where


async def _me(call: Call) -> Response:
    account = call.world.books.accounts[call.world.home.id]
    return call.answer(
        {
            "id": call.world.user_id,
            "email": "researcher@example.org",
            "name": "Researcher",
            "user_type": "researcher",
            "currency_code": account.currency,
            "balance": account.total,
            "available_balance": account.available,
        }
    )


async def _add_test_participant(call: Call) -> Response:
    need(call.body, "email")
    email = str(call.body["email"])
    if email in call.desk.test_participants:
        raise nested({"email": ["There is somebody with this address."]})
    call.desk.test_participants[email] = call.world.new_id()
    return call.answer({"participant_id": call.desk.test_participants[email]}, 201)


async def _workspaces(call: Call) -> Response:
    return call.page(list(call.world.workspaces.values()), lambda one: workspace_view(call.world, one))


async def _add_workspace(call: Call) -> Response:
    need(call.body, "title")
    currency = call.body.get("currency_code", call.world.settings.currency)
    if currency not in PER_HOUR:
        raise nested({"currency_code": ["GBP or USD."]})
    made = call.world.add_workspace(str(call.body["title"]), currency)
    return call.answer(workspace_view(call.world, made), 201)


def _workspace_of(call: Call) -> StandInWorkspace:
    return found(call.world.workspaces, call.id())


async def _workspace(call: Call) -> Response:
    return call.answer(workspace_view(call.world, _workspace_of(call)))


async def _change_workspace(call: Call) -> Response:
    one = _workspace_of(call)
    one.title = str(call.body.get("title", one.title))
    one.description = str(call.body.get("description", one.description))
    return call.answer(workspace_view(call.world, one))


async def _balance(call: Call) -> Response:
    return call.answer(balance_view(call.world, _workspace_of(call).id))


async def _projects(call: Call) -> Response:
    workspace = _workspace_of(call)
    return call.page(list(workspace.projects), lambda one: project_view(call.world, workspace, one))


async def _add_project(call: Call) -> Response:
    need(call.body, "title")
    workspace, made = _workspace_of(call), call.world.new_id()
    workspace.projects[made] = str(call.body["title"])
    return call.answer(project_view(call.world, workspace, made), 201)


def _workspace_of_project(call: Call) -> StandInWorkspace:
    workspace = workspace_of_project(call.world, call.id())
    if workspace is None:
        raise not_found()
    return workspace


async def _project(call: Call) -> Response:
    return call.answer(project_view(call.world, _workspace_of_project(call), call.id()))


async def _studies_of_project(call: Call) -> Response:
    _workspace_of_project(call)
    own = [one for one in call.world.studies.values() if one.fields["project"] == call.id()]
    return call.page(own, lambda one: short_study_view(call.world, one), by_size=True)


async def _recommendations(call: Call) -> Response:
    currencies = [call.query["currency"]] if call.query.get("currency") in PER_HOUR else list(PER_HOUR)
    rows = [
        {"currency": one, "min_reward_per_hour": PER_HOUR[one][0], "recommended_reward_per_hour": PER_HOUR[one][1]}
        for one in currencies
    ]
    return call.answer(rows)


# Whom one asks


async def _filters(call: Call) -> Response:
    rows = list(CATALOGUE.values())
    return call.answer({"results": rows, "_links": {"next": {"href": None}}, "meta": {"count": len(rows)}})


async def _eligible(call: Call) -> Response:
    filters = call.body.get("filters")
    check_filters(filters, partial(exists, call.world))
    count = sum(is_eligible(call.world, filters or [], one) for one in call.world.people.values())
    return call.answer({"count": count if count >= _FEWEST_TOLD else 0})


async def _groups(call: Call) -> Response:
    wanted = call.query.get("workspace_id")
    rows = [one for one in call.world.groups.values() if not one.is_deleted and wanted in (None, one.workspace_id)]
    return call.page(rows, group_view)


async def _add_group(call: Call) -> Response:
    need(call.body, "name")
    workspace_id, body = call.body.get("workspace_id"), call.body
    if workspace_id not in call.world.workspaces:
        raise nested({"workspace_id": ["Name a workspace."]})
    now = call.world.now()
    members = {str(one): now for one in body.get("participant_ids") or []}
    made = StandInGroup(
        call.world.new_id(), str(body["name"]), str(body.get("description", "")), str(workspace_id), members
    )
    call.world.groups[made.id] = made
    return call.answer(group_view(made), 201)


def _group_of(call: Call) -> StandInGroup:
    """Return a group; one that was deleted still answers."""
    return found(call.world.groups, call.id())


async def _group(call: Call) -> Response:
    return call.answer(group_view(_group_of(call)))


async def _change_group(call: Call) -> Response:
    """Change a group; its members are replaced, not added to."""
    group = _group_of(call)
    group.name = str(call.body.get("name", group.name))
    group.description = str(call.body.get("description", group.description))
    if "participant_ids" in call.body:
        group.members = {str(one): call.world.now() for one in call.body["participant_ids"]}
    return call.answer(group_view(group))


async def _delete_group(call: Call) -> Response:
    _group_of(call).is_deleted = True
    return Response(status_code=204)


async def _members(call: Call) -> Response:
    return call.answer(members_view(_group_of(call)))


def _ids(call: Call) -> list[str]:
    ids = call.body.get("participant_ids")
    if not isinstance(ids, list) or not ids:
        raise nested({"participant_ids": ["This field is required."]})
    return [str(one) for one in ids]


async def _add_members(call: Call) -> Response:
    group = _group_of(call)
    for one in _ids(call):
        group.members.setdefault(one, call.world.now())
    return call.answer(members_view(group))


async def _remove_members(call: Call) -> Response:
    group = _group_of(call)
    for one in _ids(call):
        group.members.pop(one, None)
    return call.answer(members_view(group))


# Messages


def _write(call: Call, recipients: list[str], study_id: str | None) -> Response:
    need(call.body, "body")
    for one in recipients:
        made = StandInMessage(
            call.world.new_id(), call.world.user_id, one, str(call.body["body"]), study_id, call.world.now()
        )
        call.world.messages.append(made)
    call.world.wake()
    return Response(status_code=204)


async def _send(call: Call) -> Response:
    need(call.body, "recipient_id", "study_id")
    study, one = call.world.study(str(call.body["study_id"])), str(call.body["recipient_id"])
    if not call.world.submissions_of(study, one):
        raise bare(400, "This participant has taken no part in the study.")
    return _write(call, [one], study.id)


async def _send_bulk(call: Call) -> Response:
    need(call.body, "ids", "study_id")
    return _write(call, [str(one) for one in call.body["ids"]], call.world.study(str(call.body["study_id"])).id)


async def _send_group(call: Call) -> Response:
    need(call.body, "participant_group_id")
    group = found(call.world.groups, str(call.body["participant_group_id"]))
    return _write(call, list(group.members), call.body.get("study_id"))


async def _messages(call: Call) -> Response:
    user, after = call.query.get("user_id"), call.query.get("created_after")
    if user is None and after is None:
        raise nested("Give user_id or created_after.")
    since = _time(after)
    rows = [one for one in call.world.messages if user in (None, one.sender_id, one.recipient_id) and one.at > since]
    return call.answer({"results": [message_view(one) for one in rows]})


def _time(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise nested({"created_after": ["Not a valid time."]}) from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


async def _unread(call: Call) -> Response:
    own = call.world.user_id
    rows = [one for one in call.world.messages if one.recipient_id == own and not one.is_read]
    return call.answer({"results": [message_view(one, is_unread_list=True) for one in rows]})


# Hooks


async def _event_types(call: Call) -> Response:
    return call.answer({"results": [{"event_type": one, "description": one} for one in EVENT_TYPES]})


def _secret_view(workspace_id: str, made: tuple[str, str]) -> JSONObject:
    return {"id": made[0], "value": made[1], "workspace_id": workspace_id}


async def _secrets(call: Call) -> Response:
    wanted, all_of_them = call.query.get("workspace_id"), call.desk.hooks.secrets
    rows = [_secret_view(one, made) for one, made in all_of_them.items() if wanted in (None, one)]
    return call.answer({"results": rows, "meta": {"count": len(rows)}})


async def _make_secret(call: Call) -> Response:
    need(call.body, "workspace_id")
    workspace = found(call.world.workspaces, str(call.body["workspace_id"]))
    return call.answer(_secret_view(workspace.id, call.desk.hooks.make_secret(workspace.id)), 201)


async def _hooks(call: Call) -> Response:
    """List subscriptions: those that are on, or those that are off."""
    wanted, is_enabled = call.query.get("workspace_id"), call.query.get("is_enabled", "true").lower() != "false"
    rows = [
        one
        for one in call.desk.hooks.hooks.values()
        if one.is_enabled == is_enabled and wanted in (None, one.workspace_id)
    ]
    return call.page(rows, hook_view)


async def _subscribe(call: Call) -> Response:
    made = call.desk.hooks.subscribe(call.body)
    return call.answer(hook_view(made), 201, {"X-Hook-Secret": made.handshake})


async def _hook(call: Call) -> Response:
    return call.answer(hook_view(found(call.desk.hooks.hooks, call.id())))


async def _confirm(call: Call) -> Response:
    hook = found(call.desk.hooks.hooks, call.id())
    call.desk.hooks.confirm(hook, call.body.get("secret"))
    return call.answer(hook_view(hook))


async def _change_hook(call: Call) -> Response:
    hook = found(call.desk.hooks.hooks, call.id())
    call.desk.hooks.change(hook, call.body)
    return call.answer(hook_view(hook))


async def _delete_hook(call: Call) -> Response:
    found(call.desk.hooks.hooks, call.id())
    del call.desk.hooks.hooks[call.id()]
    return Response(status_code=204)


async def _events(call: Call) -> Response:
    status, resource = call.query.get("status"), call.query.get("resource_id")
    rows = [
        one
        for one in found(call.desk.hooks.hooks, call.id()).events
        if status in (None, one.status) and resource in (None, one.resource_id)
    ]
    return call.page(rows, hook_event_view)
