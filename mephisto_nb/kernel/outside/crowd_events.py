"""What a crowd has posted to the run's address for events, handed on to those who can read it.

Stands alone because whoever reads it knows nothing of the link that it came by, nor that one of them.

Nothing of it is stored here. It is handed on once the step is committed that acknowledges it, so it comes once at
least, for as long as a kernel lives; what goes under with one is found by asking the crowd how things are.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TypeAlias

from mephisto_nb.model.packets import Received
from mephisto_nb.utils.logging import get_logger, tell, warn_once

#: Called with when the router got an event (epoch seconds), with its headers, and with its body.
CrowdEventListener: TypeAlias = Callable[[float, Mapping[str, str], bytes], None]

logger = get_logger(__name__)


class CrowdEvents:
    """The events of one run that wait for their step to be committed."""

    def __init__(self) -> None:
        #: Called on the loop with each event, in order: be quick, or begin something. What they raise goes to the log.
        #: Who is to hear of what waits in the router stands here before the link to it opens.
        self.listeners: list[CrowdEventListener] = []
        # By number, for a step that fails is decided once more.
        self._waiting: dict[int, Received] = {}

    def take(self, received: Received) -> None:
        """Keep an event until its step is committed. Called in that step."""
        self._waiting[received.seq] = received

    def hand_on(self, committed_seq: int) -> None:
        """Hand on what is committed now. Called after each step."""
        for seq in sorted(seq for seq in self._waiting if seq <= committed_seq):
            received = self._waiting.pop(seq)
            data = received.packet.data
            try:
                headers = {str(name): str(value) for name, value in data["headers"].items()}
                body = base64.b64decode(data["body"], validate=True)
            except (KeyError, TypeError, AttributeError, ValueError):
                warn_once(logger, "An event of the crowd came from the router in a form that is not known here.")
                continue
            tell(self.listeners, received.received_at, headers, body)
