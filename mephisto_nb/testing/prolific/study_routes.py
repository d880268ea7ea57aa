"""Studies, their submissions, and what is paid for them."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific import submissions
from mephisto_nb.testing.prolific.bonuses import bulk_approve, pay_bonuses, price_of, set_up_bonuses
from mephisto_nb.testing.prolific.records import RECRUITING, UNPUBLISHED, StandInStudy
from mephisto_nb.testing.prolific.refusals import bare, need, nested
from mephisto_nb.testing.prolific.routes import ApiDesk, Call
from mephisto_nb.testing.prolific.studies import (
    change_study,
    clone_study,
    create_study,
    delete_study,
    transition_study,
)
from mephisto_nb.testing.prolific.study_checks import is_number
from mephisto_nb.testing.prolific.views import (
    cost_view,
    counts_view,
    iso,
    short_study_view,
    study_view,
    submission_row,
    submission_view,
)


def study_routes(desk: ApiDesk) -> list[Route]:
    """Return the routes of studies and submissions."""
    return [
        desk.route("studies/", get=_list, post=_create),
        desk.route("studies/{id}/", get=_show, patch=_change, delete=_delete),
        desk.route("studies/{id}/transition/", post=_transition),
        desk.route("studies/{id}/clone/", post=_clone),
        desk.route("studies/{id}/test-study/", post=_test_run),
        desk.route("studies/{id}/access-details-progress/", get=_progress),
        desk.route("studies/{id}/cost/", get=_cost),
        desk.route("studies/{id}/submissions/", get=_rows),
        desk.route("studies/{id}/submissions/counts/", get=_counts),
        desk.route("study-cost-calculator/", post=_calculate),
        desk.route("submissions/", get=_all_rows),
        desk.route("submissions/bulk-approve/", post=_bulk_approve),
        desk.route("submissions/bonus-payments/", post=_set_up_bonuses),
        desk.route("bulk-bonus-payments/{id}/pay/", post=_pay_bonuses),
        desk.route("submissions/{id}/", get=_submission),
        desk.route("submissions/{id}/transition/", post=_decide),
        desk.route("submissions/{id}/request-return/", post=_request_return),
    ]


async def _list(call: Call) -> Response:
    state, query = call.query.get("state"), call.query
    found = [one for one in call.world.studies.values() if state in (None, one.status)]
    if query.get("published") == "0":
        found = [one for one in found if one.status == UNPUBLISHED]
    if query.get("active") == "1":
        found = [one for one in found if one.status in RECRUITING]
    found = [one for one in found if query.get("search", "").lower() in str(one.fields["name"]).lower()]
    return call.page(found, lambda one: short_study_view(call.world, one), by_size=True)


async def _create(call: Call) -> Response:
    return call.answer(study_view(call.world, create_study(call.world, call.body)), 201)


def _study(call: Call) -> StandInStudy:
    return call.world.study(call.id())


def _whole(call: Call, study: StandInStudy) -> Response:
    return call.answer(study_view(call.world, study))


async def _show(call: Call) -> Response:
    return _whole(call, _study(call))


async def _change(call: Call) -> Response:
    study = _study(call)
    change_study(call.world, study, call.body)
    return _whole(call, study)


async def _delete(call: Call) -> Response:
    delete_study(call.world, _study(call))
    return Response(status_code=204)


async def _transition(call: Call) -> Response:
    study = _study(call)
    transition_study(call.world, study, call.body.get("action"))
    return _whole(call, study)


async def _clone(call: Call) -> Response:
    block = call.body.get("block_previous_participants", True) is not False
    return _whole(call, clone_study(call.world, _study(call), block))


async def _test_run(call: Call) -> Response:
    """Offer a draft, as a study of its own, to those who try it."""
    study = _study(call)
    if study.status != UNPUBLISHED:
        raise nested("Only unpublished studies can be tested.")
    if not call.desk.test_participants:
        raise nested("There is no test participant.")
    trial = clone_study(call.world, study, block=False)
    return call.answer({"study_id": trial.id, "study_url": f"https://app.prolific.com/studies/{trial.id}"})


async def _progress(call: Call) -> Response:
    """Say how many people each of several addresses was given."""
    study, rows = _study(call), []
    left = len(study.submissions)
    for one in study.fields["access_details"] or []:
        taken = min(left, one["total_allocation"])
        rows.append({**one, "allocated": taken})
        left -= taken
    return call.answer({"results": rows})


async def _cost(call: Call) -> Response:
    is_projected = call.query.get("is_projected", "").lower() in ("1", "true")
    return call.answer(cost_view(call.world, _study(call), is_projected=is_projected))


async def _calculate(call: Call) -> Response:
    need(call.body, "reward", "total_available_places")
    reward, places = call.body["reward"], call.body["total_available_places"]
    if not is_number(reward) or not is_number(places) or reward < 0 or places < 0:
        raise nested({"reward": ["A valid number is required."]})
    return call.answer({"total_cost": call.world.books.price(int(reward)).total * int(places)})


async def _rows(call: Call) -> Response:
    if "limit" in call.query and not (call.query["limit"].isdecimal() and 1 <= int(call.query["limit"]) <= 500):
        raise nested({"limit": ["From 1 to 500."]})
    return call.page(_study(call).submissions, lambda one: submission_row(one, call.shown))


async def _all_rows(call: Call) -> Response:
    """List submissions; of every study where none is named."""
    wanted = call.query.get("study")
    found = call.world.study(wanted).submissions if wanted else list(call.world.submissions.values())
    return call.page(found, lambda one: submission_view(one, call.shown), by_size=True)


async def _counts(call: Call) -> Response:
    return call.answer(counts_view(_study(call)))


async def _submission(call: Call) -> Response:
    return call.answer(submission_view(call.world.submission(call.id()), call.shown))


async def _decide(call: Call) -> Response:
    one, body = call.world.submission(call.id()), call.body
    action = body.get("action")
    if action == "APPROVE":
        submissions.approve(call.world, one)
    elif action == "REJECT":
        submissions.reject(call.world, one, body.get("message"), body.get("rejection_category"))
    elif action == "COMPLETE":
        data: JSONObject = body.get("completion_code_data") or {}
        submissions.complete(call.world, one, body.get("completion_code"), data)
    else:
        raise nested({"action": [f"{str(action)[:60]!r} is not a valid choice."]})
    return call.answer(submission_view(one, call.shown))


async def _request_return(call: Call) -> Response:
    reasons = call.body.get("request_return_reasons")
    if not isinstance(reasons, list) or not reasons:
        raise nested({"request_return_reasons": ["This field is required."]})
    one = call.world.submission(call.id())
    submissions.request_return(call.world, one)
    shown = {"id": one.id, "status": one.status, "participant": one.participant_id}
    return call.answer({**shown, "return_requested": iso(one.return_requested)})


async def _bulk_approve(call: Call) -> Response:
    bulk_approve(call.world, call.body, call.desk.bulk_asked)
    return call.answer({"message": "The request to bulk approve has been made successfully."})


async def _set_up_bonuses(call: Call) -> Response:
    study_id = call.body.get("study_id")
    if not isinstance(study_id, str) or study_id not in call.world.studies:
        raise bare(400, "study_id names no study.")
    made = set_up_bonuses(call.world, call.world.study(study_id), call.body.get("csv_bonuses"))
    price = price_of(made)
    shown = {"id": made.id, "study": study_id, "amount": price.amount, "fees": price.fees, "vat": price.vat}
    return call.answer({**shown, "total_amount": price.total}, 201)


async def _pay_bonuses(call: Call) -> Response:
    pay_bonuses(call.world, call.id())
    return Response(status_code=202)
