"""A form from its class to its results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import mephisto_nb as mnb
from mephisto_nb.testing.simulated_workers import simulate_workers

pytestmark = pytest.mark.slow

TASK = {
    "task_name": "moods",
    "task_title": "Moods",
    "task_description": "Name a mood",
    "task_tags": "text",
    "task_reward": 0.1,
}


@dataclass
class Mood:
    mood: Literal["glad", "grim"]
    why: str = ""


async def test_a_launched_form_gives_one_row_an_answer_with_its_problems(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(tmp_path / "data"))
    task = mnb.form_task(Mood, [{"text": "Sun"}, {"text": "Rain"}], instruction="<p>${text}</p>", **TASK)
    async with mnb.Operator() as operator:
        run = await operator.launch_task_run(*task)
        await simulate_workers(run, lambda row: {"mood": "glad" if row["text"] == "Sun" else "wet"})
        await run.completed()
        results = run.results().set_index("input.text")
    assert results["answer.mood"].to_dict() == {"Sun": "glad", "Rain": "wet"}
    problems = results["answer.(problems)"].fillna("").to_dict()
    assert problems == {"Sun": "", "Rain": "mood: Please choose from what is offered."}


async def test_rows_have_their_own_forms_and_addresses_signed_by_worker(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(tmp_path / "data"))
    image = {"instruction": '<img src="${url}" alt="">', "fields": {"age": {"type": "number", "max": 3}}}
    forms = [{"fields": {"purrs": {"required": True}}}, image]
    rows = [{"form_version": 1}, {"form_version": 2, "url": "https://s3.example/1"}]
    signed = {"signed_columns": ["url"]}
    task = mnb.form_task(forms, rows, sign_url=lambda url: f"{url}?signed", blueprint_args=signed, **TASK)
    seen: list[str] = []

    def answer(row):
        seen.append(row["(form)"])
        return {"form_version": "1", "purrs": ""} if row["form_version"] == 1 else {"age": 4}

    async with mnb.Operator() as operator:
        run = await operator.launch_task_run(*task)
        await simulate_workers(run, answer)
        await run.completed()
        results = run.results().set_index("input.form_version")
    assert 'src="https://s3.example/1?signed"' in "".join(seen)
    assert results["input.url"].dropna().tolist() == ["https://s3.example/1"]
    problems = results["answer.(problems)"].to_dict()
    assert problems == {1: "purrs: Please answer this question.", 2: "age: Please give 3 or less."}


async def test_a_failing_signer_needs_attention_and_has_a_remedy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(tmp_path / "data"))
    task = mnb.form_task(
        {"instruction": '<img src="${url}">', "fields": {"a": "text"}},
        [{"url": "https://s3.example/1"}],
        sign_url=lambda url: {}[url],
        blueprint_args={"signed_columns": ["url"]},
        **TASK,
    )
    async with mnb.Operator() as operator:
        run = await operator.launch_task_run(*task)
        await simulate_workers(run, lambda row: {"a": row["url"]})
        await run.completed()
        (notice,) = [one for one in run.attention if "sign_url" in one]
    assert notice.startswith(
        "sign_url failed (KeyError), so pages got addresses in 'url' unsigned, which may not load."
    )
    assert "Mend what it asks" in notice
