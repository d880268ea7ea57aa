"""What was said in live tasks, chosen from the record of what each page sent and was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mephisto_nb._typing import JSON, JSONObject

#: Who says what the task's code signs with no name.
_TASK = "task"
#: Those of a row that tell whose page it belongs to.
_OWN = ("unit_index", "unit_id", "agent_id", "worker_id", "worker_name")


@dataclass(slots=True, eq=False)
class _Saying:
    """One thing that was said: its row, who has heard it, and how much was said by workers before."""

    row: JSONObject
    before: int
    heard: set[str] = field(default_factory=set)


class _Conversation:
    """Puts together what was said in one assignment from the record, row by row."""

    def __init__(self, bot_words: set[tuple[str, str]]) -> None:
        self.sayings: list[_Saying] = []
        #: Each saying and each hearing, as a row of its own.
        self.everything: list[JSONObject] = []
        self._bot_words = bot_words
        self._by_words: dict[tuple[str | None, str], list[_Saying]] = {}
        self._by_id: dict[tuple[str, str], _Saying] = {}
        self._names: dict[str, str] = {}
        self._count = 0

    def add(self, row: JSONObject) -> None:
        """Take in one row of the record."""
        data, text = row["data"], row["data"].get("text")
        state = data.get("task_data")
        if row["sender"] == "operator" and isinstance(state, dict) and "agent_display_name" in state:
            self._names[row["agent_id"]] = str(state["agent_display_name"])
        if isinstance(text, str) and text:
            if row["sender"] == "worker":
                self._say(row, text)
            elif row["sender"] == "operator":
                self._hear(row, text)

    def _say(self, row: JSONObject, text: str) -> None:
        self._count += 1
        name = self._names.get(row["agent_id"])
        said = {**row, "text": text, "speaker": row["worker_name"], "shown_name": name, "role": "worker"}
        self._add(said, text, name)

    def _hear(self, row: JSONObject, text: str) -> None:
        name = str(row["data"].get("id") or _TASK)
        role = "bot" if (name, text) in self._bot_words else "task"
        said = {**row, "text": text, "speaker": name, "shown_name": name, "role": role}
        saying = self._find(row, name, text)
        if saying is None:
            saying = self._add({**said, **dict.fromkeys(_OWN)}, text, name)
        saying.heard.add(row["agent_id"])
        saying.row["heard_by"] = [*saying.row["heard_by"], row["worker_name"]]
        as_told = {name: saying.row[name] for name in ("speaker", "shown_name")}
        self.everything.append({**said, **as_told, "heard_by": [row["worker_name"]]})

    def _find(self, row: JSONObject, name: str, text: str) -> _Saying | None:
        """Give what somebody hears in this row, if it was said, or heard by another, before."""
        if (named := self._by_id.get((_id_of(row["data"]) or "", text))) is not None:
            return named
        for saying in self._by_words.get((name, text), ()):
            # What a worker says, the code may hand on whenever it likes. What it says itself to one after the other is
            # one saying as long as nobody answers.
            is_open = saying.row["role"] == "worker" or saying.before == self._count
            if is_open and row["agent_id"] not in saying.heard:
                return saying
        return None

    def _add(self, said: JSONObject, text: str, name: str | None) -> _Saying:
        saying = _Saying({**said, "heard_by": []}, self._count)
        self.sayings.append(saying)
        self._by_words.setdefault((name, text), []).append(saying)
        if id_ := _id_of(said["data"]):
            self._by_id[id_, text] = saying
        if said["role"] == "worker":
            self.everything.append(dict(saying.row))
        return saying


def choose_sayings(rows: Sequence[JSONObject], *, everything: bool = False) -> list[JSONObject]:
    """Give what was said, once, by conversation and in the order of the record; or each saying and each hearing."""
    indices = {row["assignment_id"]: (row["task_run_id"], row["assignment_index"]) for row in rows}
    bots = _words_of_bots(rows)
    talks = {id_: _Conversation(bots.get(id_, set())) for id_ in sorted(indices, key=lambda id_: indices[id_])}
    for row in rows:
        talks[row["assignment_id"]].add(row)
    if everything:
        return [row for talk in talks.values() for row in talk.everything]
    return [saying.row for talk in talks.values() for saying in talk.sayings]


def _words_of_bots(rows: Sequence[JSONObject]) -> dict[str, set[tuple[str, str]]]:
    """Give what programs were kept to have said, by assignment: their name, and the text."""
    words: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        value = row["data"].get("value") if row["sender"] == "once" else None
        if isinstance(value, dict) and value.get("id") and value.get("text"):
            words.setdefault(row["assignment_id"], set()).add((str(value["id"]), str(value["text"])))
    return words


def _id_of(data: JSON) -> str | None:
    update_id = data.get("update_id") if isinstance(data, dict) else None
    return update_id if isinstance(update_id, str) else None
