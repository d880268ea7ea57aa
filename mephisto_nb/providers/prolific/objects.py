"""What Prolific answers, as values with fixed names: what it calls the same thing by two names has one here.

Amounts are whole numbers of the currency's smallest unit. States are texts: whoever reads one has to bear a new one.
`fields` holds all that was answered, what nobody here knows of as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Self

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import CrowdError


def _get(body: JSONObject, names: tuple[str, ...]) -> JSON:
    """Return the first of several names that holds something."""
    return next((body[name] for name in names if body.get(name) is not None), None)


def _text(body: JSONObject, *names: str) -> str:
    value = _get(body, names)
    if isinstance(value, dict):  # where later versions nest what was an id
        value = value.get("id")
    return "" if value is None else str(value)


def _maybe_text(body: JSONObject, *names: str) -> str | None:
    return _text(body, *names) or None


def _id(body: JSONObject, *names: str) -> str:
    found = _text(body, *(names or ("id",)))
    if not found:
        raise CrowdError(f"Prolific answered an object without {(names or ('id',))[0]}. Try again later.")
    return found


def _whole(value: JSON) -> int | None:
    """Return a number that has no fraction; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return int(number) if number.is_finite() and number == number.to_integral_value() else None


def _number(body: JSONObject, *names: str) -> int:
    return _whole(_get(body, names)) or 0


def _amount(body: JSONObject, name: str) -> int:
    """Return an amount that has to be there: nobody may take money for none because it was not understood."""
    found = _whole(body.get(name))
    if found is None:
        raise CrowdError(f"Prolific answered {str(body.get(name))[:40]!r} as {name}: no amount. Try again later.")
    return found


def _decimal(body: JSONObject, *names: str) -> Decimal | None:
    value = _get(body, names)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _amounts(value: JSON) -> tuple[int, ...]:
    found = [_whole(one) for one in value] if isinstance(value, list) else []
    return tuple(one for one in found if one is not None)


def _part(body: JSONObject, name: str) -> JSONObject:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class ProlificUser:
    """Whose token it is."""

    id: str
    email: str = ""
    name: str = ""
    currency: str = ""
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        name = _text(body, "name", "first_name", "username")
        return cls(_id(body), _text(body, "email"), name, _text(body, "currency_code"), body)


@dataclass(frozen=True, slots=True)
class ProlificWorkspace:
    """A workspace: whose money, projects and studies are together. Several may have one title."""

    id: str
    title: str = ""
    description: str = ""
    project_ids: tuple[str, ...] = ()
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        projects = body.get("projects")
        ids = [_text(one, "id") if isinstance(one, dict) else str(one) for one in projects or () if one]
        return cls(_id(body), _text(body, "title", "name"), _text(body, "description"), tuple(ids), body)


@dataclass(frozen=True, slots=True)
class ProlificProject:
    """A project of a workspace."""

    id: str
    title: str = ""
    workspace_id: str = ""
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        return cls(_id(body), _text(body, "title", "name"), _text(body, "workspace", "workspace_id"), body)


@dataclass(frozen=True, slots=True)
class ProlificBalance:
    """The money of a workspace: all of it, and what is not kept for studies, split into pay, fees and tax."""

    currency: str
    total: int
    available: int
    available_rewards: int = 0
    available_fees: int = 0
    available_vat: int = 0
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        parts = _part(body, "available_balance_breakdown")
        return cls(
            _id(body, "currency_code"),
            _amount(body, "total_balance"),
            _amount(body, "available_balance"),
            _number(parts, "rewards"),
            _number(parts, "fees"),
            _number(parts, "vat"),
            body,
        )


@dataclass(frozen=True, slots=True)
class ProlificStudy:
    """A study. In lists some of it is missing: ask for the study itself.

    `reward` and the costs are in the smallest unit of `currency`, times in minutes.
    """

    id: str
    name: str
    status: str
    currency: str = ""
    internal_name: str = ""
    reward: int = 0
    total_cost: int = 0
    places: int = 0
    places_taken: int = 0
    number_of_submissions: int = 0
    estimated_minutes: Decimal | None = None
    maximum_minutes: Decimal | None = None
    fees_percentage: Decimal | None = None
    vat_percentage: Decimal | None = None
    #: Pay per hour by the time that people took, and the least that is allowed.
    average_per_hour: int | None = None
    minimum_per_hour: int | None = None
    is_underpaying: bool | None = None
    external_url: str = ""
    project_id: str = ""
    workspace_id: str = ""
    metadata: str = ""
    published_at: str | None = None
    completion_codes: tuple[JSONObject, ...] = ()
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        underpaying, codes = body.get("is_underpaying"), body.get("completion_codes")
        return cls(
            id=_id(body),
            name=_text(body, "name"),
            status=_text(body, "status"),
            currency=_text(body, "presentment_currency_code", "currency_code"),
            internal_name=_text(body, "internal_name"),
            reward=_number(body, "reward"),
            total_cost=_number(body, "total_cost"),
            places=_number(body, "total_available_places"),
            places_taken=_number(body, "places_taken"),
            number_of_submissions=_number(body, "number_of_submissions"),
            estimated_minutes=_decimal(body, "estimated_completion_time"),
            maximum_minutes=_decimal(body, "maximum_allowed_time"),
            fees_percentage=_decimal(body, "fees_percentage"),
            vat_percentage=_decimal(body, "vat_percentage"),
            average_per_hour=_whole(body.get("average_reward_per_hour")),
            minimum_per_hour=_whole(body.get("minimum_reward_per_hour")),
            is_underpaying=underpaying if isinstance(underpaying, bool) else None,
            external_url=_text(body, "external_study_url"),
            project_id=_text(body, "project"),
            workspace_id=_text(body, "workspace", "workspace_id"),
            metadata=_text(body, "metadata"),
            published_at=_maybe_text(body, "published_at"),
            completion_codes=tuple(one for one in codes or () if isinstance(one, dict)),
            fields=body,
        )


@dataclass(frozen=True, slots=True)
class CostPart:
    """What people get, and what comes on top of it."""

    rewards: int
    fees: int
    tax: int
    currency: str

    @property
    def total(self) -> int:
        """All of it."""
        return self.rewards + self.fees + self.tax

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        found = [_part(body, name) for name in ("rewards", "fees", "tax")]
        currency = next((_text(one, "currency") for one in found if one.get("currency")), "")
        rewards, fees, tax = (_number(one, "amount") for one in found)
        return cls(rewards, fees, tax, currency)


@dataclass(frozen=True, slots=True)
class ProlificCost:
    """What a study costs: rewards, and bonuses, among which screen-outs are."""

    rewards: CostPart
    bonuses: CostPart

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        return cls(CostPart.read(_part(body, "rewards")), CostPart.read(_part(body, "bonuses")))


@dataclass(frozen=True, slots=True)
class RewardAdvice:
    """What to pay per hour: the least that is allowed, and what is recommended."""

    currency: str
    minimum_per_hour: int
    recommended_per_hour: int

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        least, advised = _number(body, "min_reward_per_hour"), _number(body, "recommended_reward_per_hour")
        return cls(_id(body, "currency"), least, advised)


@dataclass(frozen=True, slots=True)
class ProlificSubmission:
    """One participant's work in a study, be it from a list or by itself.

    `bonus_payments` also holds what was paid for being screened out. `seconds` is how long it took, in lists alone.
    """

    id: str
    participant_id: str
    status: str
    study_id: str = ""
    started_at: str | None = None
    completed_at: str | None = None
    entered_code: str | None = None
    seconds: int | None = None
    bonus_payments: tuple[int, ...] = ()
    return_requested: str | None = None
    fields: Mapping[str, JSON] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: JSONObject, study_id: str = "") -> Self:
        """Return what an answer holds; a list does not say of which study it is."""
        return cls(
            id=_id(body),
            participant_id=_text(body, "participant_id", "participant"),
            status=_text(body, "status"),
            study_id=_text(body, "study_id", "study") or study_id,
            started_at=_maybe_text(body, "started_at"),
            completed_at=_maybe_text(body, "completed_at"),
            entered_code=_maybe_text(body, "entered_code", "study_code"),
            seconds=_whole(body.get("time_taken")),
            bonus_payments=_amounts(body.get("bonus_payments")),
            return_requested=_maybe_text(body, "return_requested"),
            fields=body,
        )


@dataclass(frozen=True, slots=True)
class BonusSetUp:
    """Bonuses that were set up, and are not paid yet: what they come to."""

    id: str
    study_id: str
    amount: int
    fees: int
    vat: int
    total: int
    currency: str

    @classmethod
    def read(cls, body: JSONObject, currency: str) -> Self:
        """Return what an answer holds; it does not say in which currency."""
        amount, fees, vat, total = (_amount(body, name) for name in ("amount", "fees", "vat", "total_amount"))
        return cls(_id(body), _text(body, "study", "study_id"), amount, fees, vat, total, currency)


@dataclass(frozen=True, slots=True)
class ProlificGroup:
    """A group of participants. Prolific counts its members late."""

    id: str
    name: str = ""
    description: str = ""
    workspace_id: str = ""
    participant_count: int = 0
    is_deleted: bool = False

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        count = _number(body, "participant_count", "eligible_participant_count")
        workspace, gone = _text(body, "workspace_id", "workspace"), body.get("is_deleted") is True
        return cls(_id(body), _text(body, "name"), _text(body, "description"), workspace, count, gone)


@dataclass(frozen=True, slots=True)
class ProlificFilter:
    """A filter that there is: of kind ``select`` with `choices` (id to text), or ``range`` with bounds."""

    id: str
    title: str = ""
    kind: str = ""
    data_type: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    lowest: JSON = None
    highest: JSON = None

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        choices = {str(key): str(value) for key, value in _part(body, "choices").items()}
        one_id = _id(body, "filter_id", "id")
        kinds = _text(body, "type"), _text(body, "data_type")
        return cls(one_id, _text(body, "title"), *kinds, choices, body.get("min"), body.get("max"))


@dataclass(frozen=True, slots=True)
class ProlificMessage:
    """A message to or from a participant."""

    id: str
    sender_id: str
    body: str
    sent_at: str | None = None
    study_id: str = ""
    category: str = ""
    channel_id: str = ""

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        data = _part(body, "data")
        return cls(
            id=_text(body, "id"),
            sender_id=_text(body, "sender_id", "sender"),
            body=_text(body, "body"),
            sent_at=_maybe_text(body, "datetime_created", "sent_at"),
            study_id=_text(data, "study_id") or _text(body, "study_id"),
            category=_text(data, "category"),
            channel_id=_text(body, "channel_id"),
        )


@dataclass(frozen=True, slots=True)
class ProlificHook:
    """A subscription to one type of event of a workspace."""

    id: str
    event_type: str
    target_url: str
    is_enabled: bool = False
    workspace_id: str = ""

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        kind, target = _text(body, "event_type"), _text(body, "target_url")
        return cls(_id(body), kind, target, body.get("is_enabled") is True, _text(body, "workspace_id"))


@dataclass(frozen=True, slots=True)
class HookLogEntry:
    """An event, and whether it was delivered: ``PENDING``, ``SUCCEEDED`` or ``FAILED``."""

    id: str
    event_type: str
    resource_id: str
    status: str
    created_at: str | None = None

    @classmethod
    def read(cls, body: JSONObject) -> Self:
        """Return what an answer holds."""
        kind, resource = _text(body, "event_type"), _text(body, "resource_id")
        return cls(_id(body), kind, resource, _text(body, "status"), _maybe_text(body, "datetime_created"))
