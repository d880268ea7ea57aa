"""The life of a study: made, published, paused, stopped, changed, over; and the money that it holds."""

from __future__ import annotations

import math
from functools import partial

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.books import StandInPrice
from mephisto_nb.testing.prolific.records import (
    ACTIVE,
    APPROVED,
    AWAITING_REVIEW,
    COMPLETED,
    PARTIALLY_APPROVED,
    PAUSED,
    PROCESSING,
    PUBLISHING,
    RESERVED,
    SCHEDULED,
    UNPUBLISHED,
    StandInStudy,
)
from mephisto_nb.testing.prolific.refusals import nested
from mephisto_nb.testing.prolific.study_checks import (
    FIELDS,
    RETIRED,
    check_access_details,
    checked_study,
    is_number,
    is_web_address,
)
from mephisto_nb.testing.prolific.world import PER_HOUR, ProlificWorld, StandInWorkspace, exists, workspace_of_project

#: What may be changed once a study is published.
_STILL_OPEN = {"internal_name", "total_available_places", "access_details", "credential_pool_id"}
#: From which states an action leads where.
_ACTIONS = {"PAUSE": ((ACTIVE,), PAUSED), "START": ((PAUSED,), ACTIVE), "STOP": ((ACTIVE, PAUSED), AWAITING_REVIEW)}


def create_study(world: ProlificWorld, given: JSONObject) -> StandInStudy:
    """Make a draft, or raise `ApiRefusal`."""
    fields, workspace = _checked(world, given)
    made = StandInStudy(world.new_id(), fields, workspace.id, world.now(), StandInPrice(), StandInPrice())
    _set_prices(world, made)
    world.studies[made.id] = made
    return made


def clone_study(world: ProlificWorld, study: StandInStudy, block: bool) -> StandInStudy:
    """Make a draft like another study; whoever took part in that one is not asked again, if `block`."""
    fields = {name: value for name, value in study.fields.items() if value is not None}
    if block:
        blocked = {"filter_id": "previous_studies_blocklist", "selected_values": [study.id]}
        fields["filters"] = [*fields["filters"], blocked]
    return create_study(world, {**fields, "name": f"{study.fields['name']} Copy"[:255]})


def change_study(world: ProlificWorld, study: StandInStudy, given: JSONObject) -> None:
    """Change fields of a study: all of a draft, few of one that is published."""
    if study.status == UNPUBLISHED:
        study.fields, workspace = _checked(world, {**study.fields, **given})
        study.workspace_id = workspace.id
        _set_prices(world, study)
        return
    frozen = [name for name in given if name in {*FIELDS, *RETIRED} - _STILL_OPEN]
    if frozen:
        raise nested({name: ["This field cannot be changed once the study is published."] for name in frozen})
    _grow(world, study, given)
    for name in ("internal_name", "credential_pool_id"):
        if name in given:
            study.fields[name] = given[name]
    refresh(world, study)


def delete_study(world: ProlificWorld, study: StandInStudy) -> None:
    """Remove a draft; what is published stays."""
    if study.status != UNPUBLISHED:
        raise nested("Only unpublished studies can be deleted.")
    del world.studies[study.id]


def transition_study(world: ProlificWorld, study: StandInStudy, action: object) -> None:
    """Publish, pause, start again or stop a study."""
    if action == "PUBLISH":
        _publish(world, study)
        return
    if not isinstance(action, str) or action not in _ACTIONS:
        raise nested({"action": [f"{str(action)[:60]!r} is not a valid choice."]})
    sources, target = _ACTIONS[action]
    if study.status not in sources:
        raise nested(f"A study that is {study.status} cannot {action}.")
    study.is_stopped = action == "STOP"
    set_study_status(world, study, target)
    refresh(world, study)


def set_study_status(world: ProlificWorld, study: StandInStudy, status: str) -> None:
    """Have a study be in a state, and tell of it."""
    if study.status != status:
        study.status = status
        told = {"resource_id": study.id, "event_type": "study.status.change", "status": status, "metadata": {}}
        world.tell(study.workspace_id, "study.status.change", told)


def refresh(world: ProlificWorld, study: StandInStudy) -> None:
    """Draw the conclusions of whatever has changed: whether it recruits, is in review or over, and its money."""
    at_work = sum(study.counts[status] for status in (RESERVED, ACTIVE, AWAITING_REVIEW, PROCESSING))
    status = study.status
    if status in (ACTIVE, PAUSED) and study.handed_in >= study.places:
        status = AWAITING_REVIEW
    elif status == AWAITING_REVIEW and not study.is_stopped and study.handed_in < study.places:
        status = ACTIVE
    if status == AWAITING_REVIEW and not at_work and (study.is_stopped or _paid_places(study) >= study.places):
        status = COMPLETED
    set_study_status(world, study, status)
    world.account_of(study).lock(study.id, to_be_kept(study))


def to_be_kept(study: StandInStudy) -> int:
    """Return how much money a study has to hold: of every place and screen-out that may still have to be paid."""
    if study.status in (UNPUBLISHED, SCHEDULED):
        return 0
    if study.is_stopped or study.status == COMPLETED:
        waiting = sum(study.counts[status] for status in (RESERVED, ACTIVE, AWAITING_REVIEW, PROCESSING))
        return study.place.total * waiting
    return _needed_for(study, study.places)


def full_cost(study: StandInStudy) -> StandInPrice:
    """Return what a study costs if every place, and every screen-out, is paid."""
    return study.place * study.places + study.screen_out * study.slots


def _paid_places(study: StandInStudy) -> int:
    return study.counts[APPROVED] + study.counts[PARTIALLY_APPROVED]


def _checked(world: ProlificWorld, given: JSONObject) -> tuple[JSONObject, StandInWorkspace]:
    """Return the fields of a draft, and the workspace that it is in; or raise `ApiRefusal`."""
    workspace = _workspace_for(world, given)
    minimum = PER_HOUR[world.books.accounts[workspace.id].currency][0]
    fields = checked_study(given, partial(exists, world), minimum, world.settings.features)
    return {**fields, "project": given.get("project") or next(iter(workspace.projects))}, workspace


def _workspace_for(world: ProlificWorld, given: JSONObject) -> StandInWorkspace:
    project = given.get("project")
    workspace = world.home if project is None else workspace_of_project(world, str(project))
    if workspace is None:
        raise nested({"project": ["No such project."]})
    return workspace


def _set_prices(world: ProlificWorld, study: StandInStudy) -> None:
    study.place = world.books.price(study.reward)
    actions = [action for code in study.codes for action in code["actions"]]
    pays = [int(action["fixed_screen_out_reward"]) for action in actions if "fixed_screen_out_reward" in action]
    study.screen_out = world.books.price(pays[0]) if pays else StandInPrice()


def _publish(world: ProlificWorld, study: StandInStudy) -> None:
    if study.status != UNPUBLISHED:
        raise nested(f"A study that is {study.status} cannot PUBLISH.")
    afford(world, study, full_cost(study).total)
    study.published_at = world.now()
    set_study_status(world, study, PUBLISHING)
    refresh(world, study)
    world.clock.call_at(world.now() + world.settings.publishing, lambda: _go_live(world, study))


def _go_live(world: ProlificWorld, study: StandInStudy) -> None:
    if study.status == PUBLISHING:
        set_study_status(world, study, ACTIVE)


def afford(world: ProlificWorld, study: StandInStudy, more: int) -> None:
    """Raise `ApiRefusal` where there is not so much that may be spent."""
    available = world.account_of(study).available
    if more > available:
        raise nested(f"Insufficient funds: {more} needed, {available} available. Top up your balance.")


def _grow(world: ProlificWorld, study: StandInStudy, given: JSONObject) -> None:
    """Add places to a published study."""
    wanted, details = given.get("total_available_places"), given.get("access_details")
    if wanted is None and details is None:
        return
    if details is not None:
        wanted, details = _with_more_addresses(study, details, wanted)
    if not is_number(wanted) or wanted != int(wanted) or wanted < study.places:
        raise nested({"total_available_places": ["The number of places can only be increased."]})
    if wanted == study.places:
        return
    needed = _needed_for(study, int(wanted))
    afford(world, study, needed - world.account_of(study).locked_by.get(study.id, 0))
    study.fields["total_available_places"] = int(wanted)
    if details is not None:
        study.fields["access_details"] = details
    study.is_stopped = False
    if study.status in (AWAITING_REVIEW, COMPLETED):
        set_study_status(world, study, ACTIVE)
    world.wake()


def _needed_for(study: StandInStudy, places: int) -> int:
    """Return how much a study that recruits has to hold for so many places, and the screen-outs that are left."""
    slots = max(0, study.slots - study.screened_out)
    return study.place.total * max(0, places - _paid_places(study)) + study.screen_out.total * slots


def _with_more_addresses(study: StandInStudy, details: object, wanted: object) -> tuple[int, list[JSONObject]]:
    """Return the places and the addresses of a study to which some are added."""
    given = details if isinstance(details, list) else []
    if not given or not all(isinstance(one, dict) and is_web_address(one.get("external_url")) for one in given):
        raise nested({"access_details": ["Each needs an external_url."]})
    merged = {one["external_url"]: dict(one) for one in study.fields["access_details"] or []}
    merged.update({one["external_url"]: dict(one) for one in given})
    shares = [one.get("total_allocation") for one in merged.values()]
    total = sum(int(share) for share in shares if is_number(share))
    problems = check_access_details(list(merged.values()), total if wanted is None else wanted)
    if problems:
        raise nested(problems)
    return total, list(merged.values())


def pay_per_hour(study: StandInStudy) -> int | None:
    """Return what people got per hour, by the median of how long they took; None where nobody has handed in."""
    if not study.durations:
        return None
    ranked = sorted(study.durations)
    middle = len(ranked) // 2
    median = ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2
    return math.floor(study.reward * 3600 / max(median, 1))
