"""What a gate is.

There are two sorts. An `EntryGate` stands before the work: a worker is given an introduction (`PageGate`) or a unit of
its own (`UnitGate`), and gets work once a verdict on it has let them in. An `AnswerCheck` looks at each answer of the
work as it comes in. A gate is one file in this folder, and one line in `rules.gates.table`; nothing else knows it.

Gates decide, and do nothing: what they say is carried out by `rules.gates.steps` and `rules.gates.verdicts`. They
are called while a step is made, in the kernel's loop, so each method must be quick and must not wait for anything. A
researcher's function that may take its time is named (`FUNCTION`), and called by the kernel.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.gates import GateFinding
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate

#: What becomes of an answer that fails a check: it is kept and marked, or its unit is offered to somebody else.
FLAG, REPEAT = "flag", "repeat"
Settings = TypeVar("Settings")


# -- what gates say and are told -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GateWords:
    """Why a worker gets no unit: `code` for programs, `to_worker` for them; and the rest for the researcher.

    `about` ends the sentence "3 workers are ...", and `remedy` says what can be done about it.
    """

    code: str
    to_worker: str
    about: str
    remedy: str = "invite others"


@dataclass(frozen=True, slots=True)
class Standing:
    """What gates know of a worker: their qualifications, and how many units of the task they have taken."""

    grants: Mapping[str, int]
    num_units: int = 0


@dataclass(frozen=True, slots=True)
class SentAnswer:
    """An answer to look at: as it comes in, and once more where a check of its run judges later.

    As it comes in, it has not been read yet: `answer` is empty and `others` is None. A gate that gives out units, and
    the second look of checks, get an answer that was read; an introduction is `data` alone.

    Attributes
    ----------
    data
        What was sent.
    answer
        Its fields as `results()` has them; empty as it comes in.
    row
        All that is known of what it answers.
    seconds
        How long it took by the server's times; None where nobody knows.
    others
        The answers of other workers to the same assignment that came in before it; None as it comes in, and empty
        where no check `needs_others`.
    """

    data: JSON
    answer: JSONObject = field(default_factory=dict)
    row: JSONObject = field(default_factory=dict)
    seconds: float | None = None
    others: Sequence[JSONObject] | None = None

    @property
    def fields(self) -> JSONObject:
        """What was sent, by field; empty if it has none."""
        return self.data if isinstance(self.data, dict) else {}


class HandedIn(dict[str, JSON]):
    """What was handed in at the end of an introduction, by field.

    Functions written for Mephisto 1.x ask for ``data["outputs"]``, which is all of it, and for ``data["inputs"]``, what
    the page was handed; unless fields are called so.
    """

    def __init__(self, data: JSONObject, inputs: JSON) -> None:
        super().__init__(data)
        self._inputs = inputs

    def __missing__(self, key: str) -> JSON:
        if key == "outputs":
            return dict(self)
        if key == "inputs":
            return self._inputs
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, or what Mephisto 1.x calls so; or `default`."""
        return self[key] if key in self or key in ("outputs", "inputs") else default


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What follows from a verdict: the qualifications to be granted, and the one (if any) that keeps the worker out."""

    why: str
    grants: Sequence[tuple[str, int]] = ()
    shut_out: str = ""
    why_out: str = ""


@dataclass(frozen=True, slots=True)
class GateSetup(Generic[Settings]):
    """What a launch wants of a gate; `own_fields` are the settings of the blueprint itself."""

    settings: Settings
    shared: SharedTaskState
    own_fields: frozenset[str] = frozenset()


# -- the gates -----------------------------------------------------------------------------------------------


class BaseGate(ABC, Generic[Settings]):
    """A gate of one run.

    Parameters
    ----------
    settings
        The gate's own settings, a `SETTINGS`.
    shared
        Holds the researcher's functions and rows.
    task_name
        What qualifications are named after that the settings do not name.
    warn
        Called with what the researcher should read when a function of theirs fails.
    """

    #: What it is called in `run.gates()`, and in reasons.
    NAME: ClassVar[str]
    #: A dataclass of its settings. They stand under ``mephisto.blueprint``, whatever the blueprint.
    SETTINGS: ClassVar[type[Any]]
    #: Settings that must be 0 or more, or None.
    NOT_NEGATIVE: ClassVar[tuple[str, ...]] = ()
    #: The researcher's function that judges, plain or async, by its name in `SharedTaskState`; "": there is none.
    FUNCTION: ClassVar[str] = ""
    #: The researcher's other functions that may take their time; and those that must answer at once.
    OTHER_FUNCTIONS: ClassVar[tuple[str, ...]] = ()
    PLAIN_FUNCTIONS: ClassVar[tuple[str, ...]] = ()
    #: The setting that names its qualification; the ending that the task's name gets if it is not set (None: there is
    #: no gate then); and the endings of the qualifications that are named after it.
    QUALIFICATION: ClassVar[str] = ""
    DEFAULT_ENDING: ClassVar[str | None] = None
    ENDINGS: ClassVar[tuple[str, ...]] = ()
    #: Whether it reads what may be large: then it looks beside the loop.
    TAKES_TIME: ClassVar[bool] = False
    #: Whether its verdicts show how often a worker is right.
    SHOWS_ACCURACY: ClassVar[bool] = False

    def __init__(
        self,
        settings: Settings,
        shared: SharedTaskState,
        task_name: str = "",
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.settings, self.shared, self.task_name, self.warn = settings, shared, task_name, warn

    @classmethod
    @abstractmethod
    def is_open(cls, settings: Settings, shared: SharedTaskState) -> bool:
        """Return whether a run has this gate. Called when its rules are made."""

    @classmethod
    def check_setup(cls, setup: GateSetup[Settings]) -> None:
        """Refuse what cannot work; called before a launch, also where the gate is not open.

        Raises
        ------
        ConfigError
            Naming the key, its value and the mend.
        """

    @classmethod
    def noted(cls, settings: Settings, shared: SharedTaskState) -> JSONObject:
        """Return settings that the shared state has decided about, to be stored with the run."""
        return {}

    @classmethod
    def words(cls) -> Sequence[GateWords]:
        """Return all that workers may hear of it."""
        return ()

    @property
    def name(self) -> str:
        """The qualification that its others are named after."""
        given = named(getattr(self.settings, self.QUALIFICATION, None))
        return given or f"{self.task_name}{self.DEFAULT_ENDING or ''}"

    @property
    def function(self) -> Callable[..., Any] | None:
        """The researcher's function that judges."""
        found: Callable[..., Any] | None = getattr(self.shared, self.FUNCTION) if self.FUNCTION else None
        return found

    @property
    def hidden(self) -> frozenset[str]:
        """Fields of the work's rows that no page gets to see."""
        return frozenset()

    def look(self, sent: SentAnswer) -> GateFinding | None:
        """Return what can be found in an answer without the researcher's function; None: nothing.

        Called while a step is made, and again when an answer was read: see `SentAnswer`, and `AnswerCheck` for what
        follows. It must not raise: the first time it is a part of a step.
        """
        return None

    def arguments(self, sent: SentAnswer) -> tuple[JSON, ...]:
        """Return what the researcher's function is asked with."""
        return sent.answer, sent.row

    def found(self, passed: bool | None, detail: JSONObject | None = None) -> GateFinding:
        """Make a finding of this gate."""
        return GateFinding(self.NAME, passed, detail or {})


class EntryGate(BaseGate[Settings]):
    """A gate that stands before the work. `KIND` is its word in the database."""

    KIND: ClassVar[Gate]
    #: What those hear who did not pass, and how a visit ends by that.
    FAILED: ClassVar[GateWords]
    OUTCOME: ClassVar[Outcome] = Outcome.SCREENED_OUT

    @classmethod
    def words(cls) -> Sequence[GateWords]:
        """Return all that workers may hear of it."""
        return (cls.FAILED,)

    @abstractmethod
    def is_shut_to(self, standing: Standing) -> bool:
        """Return whether a worker did not pass: they hear `FAILED`, and get nothing. Called whenever they come."""

    @abstractmethod
    def is_due(self, standing: Standing) -> bool:
        """Return whether a worker has to pass it before their next unit. Called in the table's order."""

    @abstractmethod
    def decide(self, standing: Standing, *, passed: bool) -> GateDecision:
        """Say what follows from a verdict on a worker; `standing` is what was known of them before it."""


class PageGate(EntryGate[Settings]):
    """A gate whose worker is shown an introduction, before any unit. A run has one at most."""

    @property
    @abstractmethod
    def page_data(self) -> JSON:
        """What the introduction's page is handed."""

    def arguments(self, sent: SentAnswer) -> tuple[JSON, ...]:
        """Return what the researcher's function is asked with."""
        data = sent.data
        return (HandedIn(data, self.page_data) if isinstance(data, dict) else data,)


class UnitGate(EntryGate[Settings]):
    """A gate whose worker does a unit of its own, made of a row whose right answer is known.

    The rows are `ROWS` of the shared state; or else come from `OTHER`, which is asked for a row for each worker where
    `ASKS_FOR_EACH`, and else gives them one after another. `USE` is the setting that opens the gate, `LIMIT` that of
    how many units it may give out, `ANSWER` says which columns of the rows hold right answers. `UNIT_INDEX` is the
    `unit_index` of its units, as in Mephisto 1.x: below 0, and no other gate's.
    """

    UNIT_INDEX: ClassVar[int]
    #: Whether its units take places of a visit, among those of the work; if not, they come before these.
    TAKES_PLACE: ClassVar[bool] = True
    USE: ClassVar[str]
    LIMIT: ClassVar[str]
    ROWS: ClassVar[str]
    OTHER: ClassVar[str]
    ASKS_FOR_EACH: ClassVar[bool] = False
    ANSWER: ClassVar[str]
    #: What those hear for whom there is no unit.
    FULL: ClassVar[GateWords]

    @classmethod
    def words(cls) -> Sequence[GateWords]:
        """Return all that workers may hear of it."""
        return cls.FAILED, cls.FULL

    @classmethod
    def is_open(cls, settings: Settings, shared: SharedTaskState) -> bool:
        """Return whether a run has this gate: as it is set, or else if there are rows for it."""
        is_used: bool | None = getattr(settings, cls.USE)
        return bool(cls.given(shared)) if is_used is None else is_used

    @classmethod
    def given(cls, shared: SharedTaskState) -> list[str]:
        """Return which sources of rows there are."""
        return [name for name in (cls.ROWS, cls.OTHER) if getattr(shared, name) is not None]

    @classmethod
    def noted(cls, settings: Settings, shared: SharedTaskState) -> JSONObject:
        """Return settings that the shared state has decided about, to be stored with the run."""
        return {cls.USE: cls.is_open(settings, shared)}

    @classmethod
    def check_setup(cls, setup: GateSetup[Settings]) -> None:
        """Refuse to launch without rows, or with rows of which nothing says what is right. Raises `ConfigError`."""
        if not cls.is_open(setup.settings, setup.shared):
            return
        given = cls.given(setup.shared)
        if len(given) != 1:
            raise ConfigError(
                f"mephisto.blueprint.{cls.USE} asks for rows from SharedTaskState.{cls.ROWS} or .{cls.OTHER}; there is "
                f"{' and '.join(given) or 'neither'}. Give one of them."
            )
        if not names_of(getattr(setup.shared, cls.ANSWER)) and getattr(setup.shared, cls.FUNCTION) is None:
            raise ConfigError(
                f"Nothing says which answers to {cls.NAME} units are right. Give "
                f"SharedTaskState({cls.ANSWER}='COLUMN'), or {cls.FUNCTION}=f(answer, row) -> bool."
            )

    def check_rows(self, num_rows: int) -> None:
        """Refuse to launch with too few rows. Raises `ConfigError`."""
        if not num_rows:
            raise ConfigError(f"SharedTaskState.{self.ROWS} holds no rows. Give at least one.")

    @property
    def answers(self) -> tuple[str, ...]:
        """The columns with right answers, which are kept from the worker."""
        return names_of(getattr(self.shared, self.ANSWER))

    @property
    def max_units(self) -> int | None:
        """How many units it may give out in a run; None: any number."""
        limit: int | None = getattr(self.settings, self.LIMIT)
        return limit

    def look(self, sent: SentAnswer) -> GateFinding | None:
        """Hold an answer against the right ones of its row."""
        if not self.answers:
            return None
        wrong: list[JSON] = [
            name for name in self.answers if not is_same(sent.answer.get(name), sent.row.get(name))
        ]  # fmt: skip
        return self.found(not wrong, {"wrong": wrong} if wrong else {})

    def may_go_on_without(self, standing: Standing) -> bool:
        """Return whether a worker for whom there is no unit may do the work all the same. Called when one is due."""
        return False

    def pay(self, pay_amount: Money) -> Money:
        """Return what one of its units pays; `pay_amount` is what a unit of the work does."""
        return pay_amount


class AnswerCheck(BaseGate[Settings]):
    """A gate that looks at each answer of the work as it comes in.

    `look` is called for each answer as it comes in. If any check fails it there, that is the verdict, and nobody looks
    again. Otherwise, where a check of the run `judges_later`, the kernel reads the answer, its worker waits, and all
    checks with the usual `STORED_AS` look a second time, also those that told all at first: what counts of them is the
    second look. Unless that fails the answer, the `function` has the last word. None from both looks of all of them
    lets the answer pass; where nothing judges later, None from the first stores nothing.
    """

    #: In which of an answer's two rows in the database its findings are stored; a new check needs none of its own.
    STORED_AS: ClassVar[Gate] = Gate.ATTENTION

    @property
    def needs_others(self) -> bool:
        """Whether `look` finds more once it has the answers of others to the same assignment."""
        return False

    @property
    def judges_later(self) -> bool:
        """Whether its last word cannot be had at once."""
        return self.function is not None or self.needs_others


# -- all gates of a run --------------------------------------------------------------------------------------


@dataclass(slots=True)
class CommonGateSettings:
    """What all gates of a run have in common.

    Parameters
    ----------
    block_qualification
        Workers who hold this are kept out; who fails screening, gold or too many checks is granted it.
    after_failed_check
        What becomes of an answer that fails a check: ``flag`` keeps and marks it, ``repeat`` pays for it
        (soft-rejected) and offers its unit to somebody else.
    max_failed_checks
        Whoever has failed more than so many in a run gets no more units. None: any number.
    failed_checks_qualification
        Granted to those who fail, with how many as its value; ``NAME-blocked`` to those who get no more. None: made of
        the task's name.
    """

    block_qualification: str | None = None
    after_failed_check: str = FLAG
    max_failed_checks: int | None = None
    failed_checks_qualification: str | None = None


@dataclass(frozen=True, slots=True)
class GateRules:
    """The gates of a run, in the table's order, and what follows from failed checks (see `CommonGateSettings`)."""

    entries: tuple[EntryGate[Any], ...] = ()
    checks: tuple[AnswerCheck[Any], ...] = ()
    block: str = ""
    failed_checks: str = ""
    max_failed_checks: int | None = None
    repeats_failed: bool = False

    def entry(self, kind: Gate) -> EntryGate[Any] | None:
        """Return the gate before the work that the database calls so."""
        return next((gate for gate in self.entries if gate.KIND is kind), None)

    @property
    def introduction(self) -> PageGate[Any] | None:
        """The gate that shows newcomers a page."""
        return next((gate for gate in self.entries if isinstance(gate, PageGate)), None)

    @property
    def unit_gates(self) -> list[UnitGate[Any]]:
        """The gates that give out units of their own."""
        return [gate for gate in self.entries if isinstance(gate, UnitGate)]

    @property
    def later_checks(self) -> list[AnswerCheck[Any]]:
        """The checks that belong to one judgement, if an answer needs one; none if none needs it."""
        together = [check for check in self.checks if check.STORED_AS is AnswerCheck.STORED_AS]
        return together if any(check.judges_later for check in together) else []

    @property
    def hidden(self) -> frozenset[str]:
        """Fields of the work's rows that no page gets to see."""
        return frozenset().union(*(gate.hidden for gate in (*self.entries, *self.checks)))

    @property
    def checks_blocked(self) -> str:
        """What those are granted who failed too many checks."""
        return f"{self.failed_checks}-blocked"


#: Everybody who may work gets work.
NO_GATES = GateRules()


# -- what gates have in common -------------------------------------------------------------------------------


def named(value: str | None, otherwise: str = "") -> str:
    """Return a setting that is a name, or what holds where it is not set."""
    return value if value and value != "???" else otherwise


def names_of(answer: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the columns with right answers."""
    return () if answer is None else (answer,) if isinstance(answer, str) else tuple(answer)


def is_same(given: JSON, right: JSON) -> bool:
    """Return whether an answer says what is right; case, blanks around it, and 3 or "3" make no difference."""
    if isinstance(given, list) and isinstance(right, list):
        return sorted(map(plain, given)) == sorted(map(plain, right))
    return given == right or plain(given) == plain(right)


def plain(value: JSON) -> str:
    """Return a value as text without what makes no difference; "" for None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip().casefold()


def check_functions(shared: SharedTaskState, names: Sequence[str], *, plain_only: bool = False) -> None:
    """Raise `ConfigError` unless these of the shared state are functions, and (`plain_only`) not async ones."""
    for name in names:
        function = getattr(shared, name)
        if function is not None and not callable(function):
            raise ConfigError(f"SharedTaskState.{name} is {function!r}, which cannot be called.")
        if plain_only and inspect.iscoroutinefunction(function):
            raise ConfigError(f"SharedTaskState.{name} is async; it must answer at once: use a plain function.")


def check_not_negative(settings: object, names: Sequence[str]) -> None:
    """Raise `ConfigError` for a setting below 0."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not value >= 0:
            raise ConfigError(f"mephisto.blueprint.{name} is {value!r}; it must be 0 or more.")
