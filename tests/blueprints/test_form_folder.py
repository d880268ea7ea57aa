"""FormComposer's folders: tokens and their values, forms that differ, addresses to sign, functions of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.blueprints.form import FormBlueprint, FormBlueprintArgs
from mephisto_nb.blueprints.form.render import fill_form
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.kernel.live_run import RunTally
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.tasks import FormTask, form_task
from tests.blueprints.forms import composed

NAME = {"type": "input", "name": "name", "label": "Name of {{ animal }}", "validators": {"required": True}}


@pytest.fixture
def folder(tmp_path: Path):
    """Write files into a folder: ``folder(unit_config=..., token_sets_values_config=...)``; give its path."""

    def write(**files: Any) -> str:
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        return str(tmp_path)

    return write


def rows_of(task: FormTask) -> list[Any]:
    return list(task.shared_state.static_task_data)


def test_each_set_of_tokens_is_a_row(folder, tmp_path: Path) -> None:
    (tmp_path / "insertions").mkdir()
    (tmp_path / "insertions" / "cat.html").write_text("<b>Cats</b> purr", encoding="utf-8")
    config = composed(NAME, instruction="Look: {{about}}")
    sets = [{"animal": "cat", "about": "insertions/cat.html"}, {"animal": "dog", "about": "Dogs & co"}]
    path = folder(unit_config=config, token_sets_values_config=[{"tokens_values": one} for one in sets])
    task = form_task(path, task_name="pets")
    assert task.form.instruction == "Look: ${about | safe}"
    assert task.form.fields()[0].label == "Name of ${animal}"
    assert rows_of(task) == [{"animal": "cat", "about": "<b>Cats</b> purr"}, sets[1]]


def test_a_token_in_an_insertion_alone_is_one(folder, tmp_path: Path) -> None:
    (tmp_path / "insertions").mkdir()
    (tmp_path / "insertions" / "words.html").write_text("<b>About {{company}}</b>", encoding="utf-8")
    sets = [{"tokens_values": {"company": name}} for name in ("Acme", "Umbrella")]
    plain = {**NAME, "label": "Name"}
    path = folder(unit_config=composed(plain, instruction="insertions/words.html"), token_sets_values_config=sets)
    assert rows_of(form_task(path, task_name="pets")) == [{"company": "Acme"}, {"company": "Umbrella"}]


@pytest.mark.parametrize("event", ["onChange", "onBlur", "onFocus", "onClick"])
def test_a_trigger_may_be_a_name_alone(folder, tmp_path: Path, event: str) -> None:
    (tmp_path / "insertions").mkdir()
    (tmp_path / "insertions" / "custom_triggers.js").write_text("export function changed() {}", encoding="utf-8")
    field = {"type": "input", "name": "a", "label": "A", "triggers": {event: "changed"}}
    task = form_task(folder(unit_config=composed(field)), task_name="pets")
    assert task.form.has_triggers


STRANGE = {
    "an unused token": ({}, [{"animal": "cat", "n": 1}], "gives values for 'n', which unit_config.json does not use"),
    "sets that are unlike": ({}, [{"animal": "cat"}, {"animal": "dog", "n": 1}], "[0] has not the same tokens"),
    "a key beside the form": ({"forms": 1}, [{"animal": "cat"}], "holds 'forms' beside 'form'"),
}


@pytest.mark.parametrize(("beside", "sets", "told"), STRANGE.values(), ids=STRANGE)
def test_what_form_composer_refuses_is_remarked(folder, beside: Any, sets: Any, told: str, caplog: Any) -> None:
    tokens = [{"tokens_values": one} for one in sets]
    path = folder(unit_config={**composed(NAME), **beside}, token_sets_values_config=tokens)
    assert len(rows_of(form_task(path, task_name="pets"))) == len(sets)
    assert told in caplog.text


def test_a_field_without_a_type_is_an_input_with_a_remark(folder, caplog: Any) -> None:
    task = form_task(folder(unit_config=composed({"name": "a", "label": "A"})), task_name="pets")
    assert task.form.fields()[0].type == "text"
    assert "fields[0] has no type" in caplog.text


def test_separate_tokens_are_combined(folder) -> None:
    tokens = {"animal": ["cat", "dog"], "n": [2, 3]}
    task = form_task(folder(form_config=composed(NAME), separate_token_values_config=tokens), task_name="pets")
    assert rows_of(task) == [{"animal": a, "n": n} for a in ("cat", "dog") for n in (2, 3)]


def test_rows_of_ones_own_take_the_place_of_token_files(folder) -> None:
    path = folder(unit_config=composed(NAME), separate_token_values_config={"animal": ["cat"]})
    assert rows_of(form_task(path, [{"animal": "hen"}], task_name="pets")) == [{"animal": "hen"}]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"token_sets_values_config": [{"tokens_values": {"anmal": 1}}]}, r"json\[0\] gives no value for 'animal'"),
        ({"token_sets_values_config": {"animal": 1}}, "must be a list of sets"),
        ({"separate_token_values_config": {"animal": "cat"}}, "must be a mapping of tokens and lists"),
        ({"separate_token_values_config": {"animal": list(range(400)), "b": list(range(400))}}, "more than 100,000"),
        ({"token_sets_values_config": [{"tokens_values": {"animal": "<script>"}}]}, r"\[0\]\.animal, line 1: <script>"),
        ({"token_sets_values_config": [{"tokens_values": {"animal": "no.html"}}]}, "insertion that cannot be read"),
    ],
)  # fmt: skip
def test_token_files_that_do_not_fit_are_refused(folder, files: Any, told: str) -> None:
    with pytest.raises((ConfigError, DataFileError), match=told):
        form_task(folder(unit_config=composed(NAME), **files), task_name="pets")


def test_a_folder_without_a_form_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"holds none of task_data\.json, unit_config\.json, form_config\.json"):
        form_task(str(tmp_path), task_name="pets")


def test_each_row_is_checked_by_its_own_version_of_the_form(folder) -> None:
    cat = composed({"type": "input", "name": "purrs", "label": "Purrs?", "validators": {"required": True}})
    dog = composed({"type": "number", "name": "age", "label": "Age"}) | {"meta": {"tokens_values": {"animal": "dog"}}}
    task = form_task(folder(task_data=[cat, dog, cat]), task_name="pets")
    assert rows_of(task) == [{"form_version": 1}, {"form_version": 2, "animal": "dog"}, {"form_version": 1}]
    blueprint = task._blueprint
    page = blueprint.get_init_data({"form_version": 2}, {})
    assert 'name="age"' in page["(form)"]
    assert "purrs" not in page["(form)"]
    assert (
        blueprint.get_answer({"form_version": "1", "purrs": ""})["(problems)"] == "purrs: Please answer this question."
    )
    assert blueprint.get_answer({"form_version": "2", "age": 3}) == {"age": 3, "(problems)": None}
    for nonsense in ("9" * 9999, 2, None, ["2"], "3"):
        assert list(blueprint.get_answer({"form_version": nonsense})) == ["purrs", "(problems)"]


def test_rows_name_their_form_and_must_hold_what_it_asks_for() -> None:
    forms = [{"fields": {"a": "text"}}, {"instruction": "<p>${text}</p>", "fields": {"b": "text"}}]
    with pytest.raises(DataFileError, match=r"row 0 .* has None for 'form_version', which says which of the 2 forms"):
        form_task(forms, [{"text": "x"}], task_name="x")
    with pytest.raises(DataFileError, match=r"row 1 .* lacks 'text'"):
        form_task(forms, [{"form_version": 1}, {"form_version": 2}], task_name="x")
    task = form_task(forms, [{"form_version": 2, "text": "<i>"}], task_name="x")
    assert "<p>&lt;i&gt;</p>" in task._blueprint.get_init_data({"form_version": 2, "text": "<i>"}, {})["(form)"]


@pytest.mark.parametrize("call", ["getMultiplePresignedUrls", "getPresignedUrl"])
def test_addresses_are_signed_when_a_worker_gets_the_row(folder, call: str) -> None:
    token = "{{" + call + '("https%3A//s3.org/1.jpg")}}'
    config = composed(NAME, instruction='<img src="{{file}}"> <img src="{{' + call + "('https://s3.org/2.jpg')}}\">")
    sets = [{"tokens_values": {"animal": "cat", "file": token}}]
    path = folder(unit_config=config, token_sets_values_config=sets)
    with pytest.raises(ConfigError, match="have to be signed, but there is no sign_url"):
        form_task(path, task_name="pets")
    task = form_task(path, sign_url=lambda url: f"{url}?signed", task_name="pets")
    (row,) = rows_of(task)
    assert sorted(map(str, row.values())) == ["cat", "https://s3.org/1.jpg", "https://s3.org/2.jpg"]
    page = task._blueprint.get_init_data(row, {})
    assert page["file"] == "https://s3.org/1.jpg?signed"
    assert page["presigned_url_1"] == "https://s3.org/2.jpg?signed"
    assert task._blueprint.get_inputs(row, {})["file"] == "https://s3.org/1.jpg"


def test_a_run_that_is_taken_up_without_its_signer_says_so() -> None:
    settings = FormBlueprintArgs(form={"instruction": "${url}", "fields": {"a": "text"}}, signed_columns=["url"])
    blueprint = FormBlueprint(settings, SharedTaskState())
    tally = RunTally(0.0, noted=blueprint.troubles)
    for _ in range(2):
        assert blueprint.get_init_data({"url": "https://s3.org/1"}, {}) == {"url": "https://s3.org/1"}
    (told,) = tally.troubles
    assert told.startswith("There is no sign_url, so pages get the addresses in 'url' unsigned. Take the run up again")


def test_a_signer_that_fails_costs_no_worker_the_page(caplog) -> None:
    form = {"instruction": '<img src="${picture}">', "fields": {"a": "text"}}
    columns = {"signed_columns": ["picture"]}
    rows = [{"picture": "https://s3.org/1"}]
    task = form_task(form, rows, sign_url=lambda url: url[1000], blueprint_args=columns, task_name="x")
    tally = RunTally(0.0, noted=task._blueprint.troubles)
    assert task._blueprint.get_init_data(rows[0], {}) == rows[0]
    assert "sign_url failed" in caplog.text
    (told,) = tally.troubles
    assert told.startswith("sign_url failed (IndexError), so pages got addresses in 'picture' unsigned")


def test_functions_of_ones_own_must_be_there_before_a_launch(folder, tmp_path: Path) -> None:
    field = {**NAME, "label": "Name", "validators": {"isShort": [3]}, "triggers": {"onChange": ["tell", [1, 2]]}}
    path = folder(task_data=[composed(field)])
    with pytest.raises(ConfigError, match=r"calls isShort, of custom_validators\.js, which is not there \(looked for"):
        form_task(path, task_name="pets")
    scripts = tmp_path / "insertions"
    scripts.mkdir()
    (scripts / "custom_validators.js").write_text("export function isShort2(field, value) { return null; }")
    with pytest.raises(ConfigError, match=r"calls 'isShort', which .* does not export"):
        form_task(path, task_name="pets")
    (scripts / "custom_validators.js").write_text("export function isShort(field, value) { return null; }")
    (scripts / "custom_triggers.js").write_text(
        'import { validateFieldValue } from "mephisto-addons";\nexport const tell = 1;'
    )
    task = form_task(path, task_name="pets")
    assert task.form.fields()[0].triggers == {"onChange": ("tell", 1, 2)}
    task._blueprint.build_site(tmp_path / "site")
    assert 'from "../form_helpers.js"' in (tmp_path / "site" / "insertions" / "custom_triggers.js").read_text()
    assert (tmp_path / "site" / "form_helpers.js").is_file()


def test_what_only_the_browser_could_check_is_said(folder, tmp_path: Path) -> None:
    (tmp_path / "insertions").mkdir()
    (tmp_path / "insertions" / "custom_validators.js").write_text("export const isShort = () => null;")
    field = {**NAME, "label": "Name", "validators": {"required": True, "isShort": True}}
    blueprint = form_task(folder(task_data=[composed(field)]), task_name="pets")._blueprint
    assert blueprint.get_answer({"name": "x"})["(unchecked)"] == "name: isShort"
    assert blueprint.get_answer({})["(unchecked)"] is None


def test_answers_are_read_by_the_form_as_it_was_at_the_launch(tmp_path: Path) -> None:
    file = tmp_path / "form.json"
    file.write_text(json.dumps({"fields": {"age": {"type": "number", "max": 3}}}))
    state = SharedTaskState(static_task_data=[{}])
    noted = FormBlueprint(FormBlueprintArgs(form_source=str(file)), state).get_noted_args()
    file.write_text(json.dumps({"fields": {"mood": "text", "age": 7}}))
    again = FormBlueprint(FormBlueprintArgs(**noted), SharedTaskState())
    assert again.get_answer({"age": 4})["(problems)"] == "age: Please give 3 or less."


def test_lines_of_a_text_are_kept_in_rows_that_name_their_form() -> None:
    html = '<p title="${text}">${text}</p><textarea>${text}</textarea><b>${n}</b>${text | safe}'
    filled = fill_form(html, {"text": "a\n<b", "n": 1})
    kept = '<span class="keeps-lines">a\n&lt;b</span>'
    assert filled == f'<p title="a\n&lt;b">{kept}</p><textarea>a\n&lt;b</textarea><b>1</b>a\n<b'
