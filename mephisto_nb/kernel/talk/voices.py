"""What a worker says, as the others hear it: under the name and the id that it gets here.

All that a page sends is its worker's own word, and code that hands a message on may do so as it came. So nothing of it
may be what other pages, or the record, take for the word of the server: who speaks, which message it is, that the talk
is over, whose turn it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.utils.proofs import Secret, message_id

#: In the record of a worker's message: its id, as the others got it. A page's own field of this name is left out.
HEARD_AS = "heard_as"
#: What pages take for the word of the task: of a message, and of its `task_data`.
_OF_THE_TASK = frozenset({HEARD_AS, "notice", "status", "waiting_room"})
_OF_THE_STATE = frozenset({"agent_display_name", "live_update_requested", "task_done"})
_STATE = "task_data"
_CLAIMED = (*_OF_THE_TASK, _STATE)


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
        """Return the id of what `speaker` calls `said`: 32 hexadecimal digits. The task itself has no name ("")."""
        own = message_id(self._secret.reveal(), speaker, said)
        return self._marked(own) if speaker else own

    def is_of_worker(self, update_id: str) -> bool:
        """Return whether an id is that of a worker's word, whoever it is, and however long ago."""
        return update_id == self._marked(update_id)

    def _marked(self, update_id: str) -> str:
        begin = update_id[:16]
        return begin + message_id(self._secret.reveal(), "a worker's word", begin)[:16]

    def recorded(self, agent_id: str, data: JSONObject) -> JSONObject:
        """Return a message of a worker's page with what the others know it by."""
        kept = {name: value for name, value in data.items() if name != HEARD_AS}
        said = data.get("update_id")
        return {**kept, HEARD_AS: self.id_of(agent_id, said)} if isinstance(said, str) else kept


def as_heard(data: JSONObject, name: str, update_id: str | None, given: Collection[str] = ()) -> JSONObject:
    """Return a worker's message as any page may hear it.

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
    return _own_words(as_said(data, name, update_id), given)


def as_said(data: JSONObject, name: str, update_id: str | None) -> JSONObject:
    """Return a worker's message as the task's code hears it: all that was said, under the name and the id it has here.

    `Spoken` keeps other pages from taking it for more than that, whom the code hands it on to. It knows the message by
    its id; what the code makes of one under an id of its own, `without_claims` knows by the values.
    """
    heard = {**without_mark(data), "id": name, **({} if update_id is None else {"update_id": update_id})}
    # A number or a truth value cannot be known again, so it is not heard there at all.
    claims = {key: _claim(heard[key]) for key in _CLAIMED if isinstance(heard.get(key), str | list | dict)}
    return {key: claims.get(key, value) for key, value in heard.items() if key in claims or key not in _CLAIMED}


class _Claim:
    """A value that a worker has given where pages look for the word of the task. It is what it was otherwise."""


class _ClaimedText(_Claim, str):
    pass


class _ClaimedList(_Claim, list[JSON]):
    pass


class _ClaimedMap(_Claim, dict[str, JSON]):
    pass


def _claim(value: JSON) -> JSON:
    kind = _ClaimedText if isinstance(value, str) else _ClaimedList if isinstance(value, list) else _ClaimedMap
    return kind(value)


def without_claims(data: JSONObject, given: Collection[str]) -> JSONObject:
    """Return what the task's code says without what it has taken over from a worker's message as if it were its own.

    A copy of such a value is known as well, but not what was made of it (of a text, or key by key of a dictionary).
    """
    claims = [key for key in _CLAIMED if isinstance(data.get(key), _Claim)]
    if not claims:
        return data
    said = {key: value for key, value in data.items() if key not in claims}
    return {**said, _STATE: _own_state(data[_STATE], given)} if _STATE in claims else said


@dataclass(frozen=True, slots=True)
class Spoken:
    """Whose word a message is that the task's code has heard.

    `said` is what their own page calls it; `given` are names of what pages were handed to work on.
    """

    agent_id: str
    said: str
    given: frozenset[str] = frozenset()

    def handed_on(self, data: JSONObject, agent_id: str) -> JSONObject:
        """Return what is handed on to an agent, the message or what was made of it, as its page may hear it."""
        return data if agent_id == self.agent_id else _own_words(data, self.given)

    def sent(self, data: JSONObject, agent_id: str) -> JSONObject:
        """Return what is sent to an agent's page: its own word it knows by its own name of it, and drops it."""
        return {**data, "update_id": self.said} if agent_id == self.agent_id else data


def whose_word(
    spoken: Mapping[str, Spoken], update_id: str | None, voices: Voices | None, given: frozenset[str]
) -> Spoken | None:
    """Return whose word a message is that is handed on; None: it is the task's own.

    Parameters
    ----------
    spoken
        What was heard in the same talk, by its id.
    update_id
        What the message is called.
    voices
        Knows the words of workers by their ids, in whichever talk they were heard.
    given
        Names of what the page was handed to work on that it is handed on to.
    """
    found = spoken.get(update_id or "")
    if found is None and update_id is not None and voices is not None and voices.is_of_worker(update_id):
        return Spoken("", update_id, given)
    return found


def _own_words(data: JSONObject, given: Collection[str]) -> JSONObject:
    heard = {key: value for key, value in data.items() if key not in _OF_THE_TASK}
    if _STATE in heard:
        heard[_STATE] = _own_state(heard[_STATE], given)
    return heard


def without_mark(data: JSONObject) -> JSONObject:
    """Return a message of the record as its own page sent it."""
    return {key: value for key, value in data.items() if key != HEARD_AS} if HEARD_AS in data else data


def _own_state(state: JSON, given: Collection[str]) -> JSON:
    if not isinstance(state, dict):
        return {}
    return {key: value for key, value in state.items() if key not in _OF_THE_STATE and key not in given}
