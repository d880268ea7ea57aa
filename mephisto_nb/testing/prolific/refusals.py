"""The answers of a request that is refused, in each of the shapes that Prolific uses.

Stands alone because whatever happens in the stand-in may be refused.
"""

from __future__ import annotations

from mephisto_nb._typing import JSON, JSONObject

#: What the nested shape calls each status.
_TITLES = {400: "Bad request", 401: "Unauthorized", 404: "Not found", 405: "Method not allowed", 422: "Not processable"}


class ApiRefusal(Exception):
    """Raised where a request is refused; the server answers with `status` and `body`."""

    def __init__(self, status: int, body: JSONObject) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


def nested(detail: JSON, status: int = 400) -> ApiRefusal:
    """Return a refusal in the shape of most answers: an object ``error`` with all about it."""
    error = {
        "status": status,
        "title": _TITLES.get(status, "Error"),
        "error_code": 140_000 + status,
        "detail": detail,
        "additional_information": "/help/errors/",
        "traceback": None,
        "interactive": False,
    }
    return ApiRefusal(status, {"error": error})


def with_message(detail: JSON, status: int = 400) -> ApiRefusal:
    """Return a refusal in the flat shape of some answers: ``message`` and ``detail``."""
    return ApiRefusal(status, {"message": "Bad Request" if status == 400 else _TITLES[status], "detail": detail})


def bare(status: int, detail: str) -> ApiRefusal:
    """Return a refusal in the shortest shape: ``detail`` alone."""
    return ApiRefusal(status, {"detail": detail})


def not_found() -> ApiRefusal:
    """Return the refusal of what is not there, of what one may not see, and of a page past the end."""
    return bare(404, "Not found.")


def need(body: JSONObject, *names: str) -> None:
    """Raise an `ApiRefusal` that names the fields that a body lacks."""
    missing = {name: ["This field is required."] for name in names if body.get(name) in (None, "")}
    if missing:
        raise nested(missing)
