"""What holds where several people do one assignment together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WhenWaited(StrEnum):
    """What becomes of those who have waited for partners for as long as they have to."""

    SEND_HOME = "send_home"
    PAY = "pay"
    BOT = "bot"
    FEWER = "fewer"


class WhenLeft(StrEnum):
    """What becomes of the others when somebody leaves in the middle."""

    END = "end"
    CONTINUE = "continue"
    BOT = "bot"
    REQUEUE = "requeue"


@dataclass(frozen=True, slots=True)
class PartnerRules:
    """How an assignment of several units is done by people who are there at the same time.

    Parameters
    ----------
    waiting_timeout
        For how many seconds somebody waits for the others at most.
    when_waited
        What then happens: they are sent home (``send_home``), sent home and paid for waiting (``pay``), programs take
        the empty seats (``bot``), or those begin who are there (``fewer``).
    minimum
        How many have to be there to begin with fewer.
    waiting_pay
        What those are owed who are sent home without work, in US dollars; once a run.
    when_left
        What happens when somebody leaves in the middle: it ends, and the others may submit (``end``); they go on
        (``continue``); a program goes on in that seat (``bot``); the others wait for somebody else, with whom it
        begins anew (``requeue``).
    """

    waiting_timeout: float = 300.0
    when_waited: WhenWaited = WhenWaited.SEND_HOME
    minimum: int = 2
    waiting_pay: float = 0.0
    when_left: WhenLeft = WhenLeft.END
