"""What an action of a dashboard is: its button, what it asks for, what it says that it will do, and how it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.words import count
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.kernel.steering import RunSteering
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.run_state import RunState


@dataclass(frozen=True, slots=True)
class DrivenRun:
    """A run that this kernel drives, as actions use it.

    Attributes
    ----------
    live
        The run: its state is ``live.parts.engine.state``.
    steering
        What can be done to it.
    frames
        What has come in: its frames, and `RunFrames.export`. They read the database and files: ask them in a thread.
    """

    live: LiveRun
    steering: RunSteering
    frames: RunFrames


@dataclass(frozen=True, slots=True)
class ActionField:
    """One argument of an action, as a form asks for it. What nobody changes in the form is not sent.

    Parameters
    ----------
    name
        The argument.
    label, hint
        What stands over the field, and in small letters under it.
    kind
        ``whole`` (a number of 0 or more), ``amount`` (the same, with decimal places, in the run's currency, which
        stands behind the label) or ``lines`` (text of several lines, which comes as one string).
    now
        Where the state of the run has the value of now, as ``"limits.task_reward"``; empty: it has none.
    """

    name: str
    label: str
    hint: str = ""
    kind: Literal["whole", "amount", "lines"] = "whole"
    now: str = ""


@dataclass(frozen=True, slots=True)
class ActionForm:
    """Asks for arguments before an action is done; while they are typed it shows what `Action.preview` says of them.

    Parameters
    ----------
    title, yes
        What stands over the form, and on its button.
    fields
        What it asks for.
    where
        The form is shown only where this part of the run's state is true, as ``"run.has_own_links"``; empty: always.
    """

    title: str
    yes: str
    fields: tuple[ActionField, ...]
    where: str = ""


@dataclass(frozen=True, slots=True)
class ActionQuestion:
    """Asks whether an action is meant, with what `Action.preview` says of it between `title` and the button `yes`."""

    title: str
    yes: str


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of an action: `words` to show (empty: `Action.done`), and `text` to copy to the clipboard (or none)."""

    words: str = ""
    text: str = ""


class Action(ABC):
    """A button of a dashboard. The front end draws it from what `describe` gives, and knows none by name."""

    #: By what the front end, a notice and `run.preview` call it.
    name: ClassVar[str]
    #: What stands on the button, with "…" where it asks before it does anything.
    label: ClassVar[str]
    #: What somebody reads who points at the button.
    hint: ClassVar[str] = ""
    #: The states of a run (`TaskRun.status`) in which it is offered.
    statuses: ClassVar[tuple[str, ...]] = ("live", "paused")
    #: Parts of the run's state, as ``units.launched``; where all are 0 the button cannot be pressed.
    needs: ClassVar[tuple[str, ...]] = ()
    #: Whether it does harm that cannot be undone, so that its button is red.
    danger: ClassVar[bool] = False
    #: What it asks for, if anything.
    form: ClassVar[ActionForm | None] = None
    #: What it asks before it is done, unless the form was the question already; None: it is done at once.
    question: ClassVar[ActionQuestion | None] = None
    #: What is said while it is done, and when it is.
    during: ClassVar[str] = "Doing it…"
    done: ClassVar[str] = "Done."

    @abstractmethod
    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say in a sentence what it would do now, with numbers; nothing is done.

        Called by `run.preview`, before the question, and as somebody types into the form.

        Raises
        ------
        ConfigError
            A value cannot be.
        """

    @abstractmethod
    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """Do it, and say what came of it; called when the button, or the one that asks, was pressed.

        Raises
        ------
        MephistoError
            It could not be done; the message is shown on the dashboard.
        """

    def check(self, args: Mapping[str, object]) -> None:
        """Raise if an argument is none that the form asks for; called before `preview` and `do`.

        Raises
        ------
        ConfigError
            There is no such argument.
        """
        known = [field.name for field in self.form.fields] if self.form is not None else []
        if unknown := [name for name in args if name not in known]:
            takes = f"It takes {', '.join(known)}." if known else "Leave it out."
            raise ConfigError(f"The action {self.name!r} takes no argument {', '.join(unknown)}. {takes}")

    def offer(self, label: str = "", **args: Any) -> JSONObject:
        """Return what a notice needs to offer this action as its remedy, with these arguments."""
        self.check(args)
        return {"name": self.name, "args": args, "label": label or self.label}

    def describe(self) -> JSONObject:
        """Return all that the front end knows of it."""
        return {
            "name": self.name,
            "label": self.label,
            "hint": self.hint,
            "statuses": list(self.statuses),
            "needs": list(self.needs),
            "danger": self.danger,
            "form": None if self.form is None else asdict(self.form),
            "question": None if self.question is None else asdict(self.question),
            "during": self.during,
            "done": self.done,
        }


# -- sentences that several actions say ----------------------------------------------------------------------


def state_of(run: DrivenRun) -> RunState:
    """Return how a run is now."""
    return run.live.parts.engine.state


def count_unheld(state: RunState) -> int:
    """Return how many units nobody is working on, and nobody has answered."""
    return state.counts[UnitStatus.CREATED] + state.counts[UnitStatus.LAUNCHED]


def count_at_work(state: RunState) -> int:
    """Return how many units people have in hand, those of gates among them."""
    of_gates = (n for (_, status), n in state.gates.counts.items() if status is UnitStatus.ASSIGNED)
    return state.counts[UnitStatus.ASSIGNED] + sum(of_gates)


def takes_back(state: RunState) -> str:
    """Say how many units are taken back."""
    unheld = count_unheld(state)
    return f"{count(unheld, 'unit')} that nobody is working on {'is' if unheld == 1 else 'are'} taken back."


def at_work(state: RunState) -> str:
    """Say that workers who are at work go on."""
    working = count_at_work(state)
    if not working:
        return "Nobody is at work."
    return f"{count(working, 'worker')} at work {'goes' if working == 1 else 'go'} on, and may submit."


def when_it_ends(state: RunState) -> str:
    """Say when a run ends of which nothing more is handed out."""
    return "The run ends when they are done." if count_at_work(state) else "The run ends at once."


def closes_study(run: DrivenRun) -> str:
    """Say, behind a blank, what the end of a run means for its study at a crowd; '' where it has none."""
    if run.live.parts.study is None:
        return ""
    return " Its study is closed at the crowd, which may never open it again: to go on later, pause the run instead."
