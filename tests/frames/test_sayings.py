"""Messages are found from what was said and what was heard of it."""

from __future__ import annotations

from typing import Any

from mephisto_nb.frames.frames import messages_frame


def record(*turns: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as a database does: whose record, who sent it, and what."""
    about = {"task_run_id": "run", "assignment_id": "talk", "assignment_index": 0, "unit_index": 0, "at": 1.0}
    names = {"agent_id": "{}", "unit_id": "unit of {}", "worker_id": "id of {}", "worker_name": "{}"}
    return [
        {**about, **{key: name.format(whose) for key, name in names.items()}, "sender": sender, "data": data, "id": n}
        for n, (whose, sender, data) in enumerate(turns)
    ]


def called(whose: str, name: str) -> tuple[str, str, dict[str, Any]]:
    return (whose, "operator", {"task_data": {"agent_display_name": name}})


def says(whose: str, text: str, id_: str) -> tuple[str, str, dict[str, Any]]:
    return (whose, "worker", {"text": text, "update_id": id_})


def hears(whose: str, text: str, name: str, id_: str) -> tuple[str, str, dict[str, Any]]:
    return (whose, "operator", {"text": text, "id": name, "update_id": id_})


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, list[str]]]:
    frame = messages_frame(rows)[["shown_name", "role", "text", "heard_by"]]
    return [tuple(row) for row in frame.itertuples(index=False)]


def test_a_message_sent_twice_or_passed_on_twice_is_two_rows() -> None:
    rows = record(
        called("ann", "Ada"), called("bob", "Ben"),
        says("ann", "ok", "1"), says("ann", "ok", "2"),
        hears("bob", "ok", "Ada", "3"), hears("bob", "ok", "Ada", "4"), hears("bob", "ok", "Ada", "5"),
    )  # fmt: skip
    assert told(rows) == [
        ("Ada", "worker", "ok", ["bob"]), ("Ada", "worker", "ok", ["bob"]), ("Ada", "task", "ok", ["bob"]),
    ]  # fmt: skip


def test_unheard_and_altered_messages_can_be_found() -> None:
    rows = record(
        called("ann", "Ada"), called("bob", "Ben"), says("ann", "hello", "1"), hears("bob", "HELLO", "Ada", "2"),
        says("bob", "lost", "3"),
    )  # fmt: skip
    assert told(rows) == [
        ("Ada", "worker", "hello", []), ("Ada", "task", "HELLO", ["bob"]), ("Ben", "worker", "lost", []),
    ]  # fmt: skip


def test_a_question_repeated_after_an_answer_is_a_row_for_each() -> None:
    rows = record(
        hears("ann", "Ready?", "Host", "1"), hears("bob", "Ready?", "Host", "2"), says("ann", "yes", "3"),
        hears("ann", "And now?", "Host", "4"), says("ann", "yes", "5"), hears("bob", "And now?", "Host", "6"),
    )  # fmt: skip
    assert [(text, heard) for _, role, text, heard in told(rows) if role == "task"] == [
        ("Ready?", ["ann", "bob"]), ("And now?", ["ann"]), ("And now?", ["bob"]),
    ]  # fmt: skip


def test_conversations_stand_one_after_the_other() -> None:
    first, second = record(says("ann", "a", "1"), says("ann", "b", "2")), record(says("bob", "c", "3"))
    for row in first:
        row |= {"assignment_id": "another", "assignment_index": 1}
    frame = messages_frame([first[0], *second, first[1]])
    assert list(frame["text"]) == ["c", "a", "b"]
