"""What a worker says, as the others hear it: under the name and the id that it gets here.

All that a page sends is its worker's own word, and code that hands a message on may do so as it came. So nothing of it
may be what other pages, or the record, take for the word of the server: who speaks, which message it is, that the talk
is over, whose turn it is.
"""

from __future__ import annotations

from collections.abc import Collection

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.utils.proofs import Secret, message_id

#: In the record of a worker's message: its id, as the others got it. A page's own field of this name is left out.
HEARD_AS = "heard_as"
#: What pages take for the word of the task: of a message, and of its `task_data`.
_OF_THE_TASK = frozenset({HEARD_AS, "notice", "status", "waiting_room"})
_OF_THE_STATE = frozenset({"agent_display_name", "live_update_requested", "task_done"})
_STATE = "task_data"


class Voices:
    """Names messages by the ids that other browsers get: nobody can choose one, or foresee it.

    Parameters
    ----------
    secret
        The run's, so that an id is the same after a restart.
    """

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def id_of(self, speaker: str, said: str) -> str:
        """Return the id of what `speaker` calls `said`: 32 hexadecimal digits."""
        return message_id(self._secret.reveal(), speaker, said)

    def recorded(self, agent_id: str, data: JSONObject) -> JSONObject:
        """Return a message of a worker's page with what the others know it by."""
        kept = {name: value for name, value in data.items() if name != HEARD_AS}
        said = data.get("update_id")
        return {**kept, HEARD_AS: self.id_of(agent_id, said)} if isinstance(said, str) else kept


def as_heard(data: JSONObject, name: str, update_id: str | None, given: Collection[str] = ()) -> JSONObject:
    """Return a worker's message as anybody may hear it.

    Parameters
    ----------
    data
        What the page sent.
    name
        What the others call the worker.
    update_id
        What the message is called; None: the page gave it no name that could be one.
    given
        Names of what pages were handed to work on, which no worker changes for another.
    """
    heard = {key: value for key, value in data.items() if key not in _OF_THE_TASK}
    if _STATE in heard:
        heard[_STATE] = _own_state(heard[_STATE], given)
    return {**heard, "id": name, **({} if update_id is None else {"update_id": update_id})}


def without_mark(data: JSONObject) -> JSONObject:
    """Return a message of the record as its own page sent it."""
    return {key: value for key, value in data.items() if key != HEARD_AS} if HEARD_AS in data else data


def _own_state(state: JSON, given: Collection[str]) -> JSON:
    if not isinstance(state, dict):
        return {}
    return {key: value for key, value in state.items() if key not in _OF_THE_STATE and key not in given}
