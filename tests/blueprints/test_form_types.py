"""The table of field types: each family holds all that its types need, and nothing else asks for one by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.checks import checks_of, example_answer, find_problems
from mephisto_nb.blueprints.form.model import Field
from mephisto_nb.blueprints.form.spec import read_spec, to_spec
from mephisto_nb.blueprints.form.types import FOLDER, RULES, TYPES
from mephisto_nb.blueprints.form.types._base import own_keys
from mephisto_nb.display.preview import make_document
from mephisto_nb.errors import ConfigError
from mephisto_nb.pages import page_of
from mephisto_nb.tasks import chat_task, form_task
from tests.blueprints.forms import refused, sent_by
from tests.source_tree import package

ROOM = FOLDER.parent
#: The names that mean nothing else: a text, a number, a date and a file may be anything.
NAMES = set(TYPES) - {"text", "number", "date", "file"}
#: Where the same words are tags of HTML.
TAGS = ROOM / "html.py"


def is_a_type(node: ast.expr) -> bool:
    return re.search(r"\btype\b(\W*|'\s*,.*\))$", ast.unparse(node)) is not None


def names_a_type(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Constant) and one.value in TYPES for one in ast.walk(node))


def test_nothing_outside_the_families_compares_with_a_type() -> None:
    compared = (
        (module, node)
        for module in package()
        if FOLDER not in module.path.parents
        for node in module.nodes
        if isinstance(node, ast.Compare)
    )
    sides = ((module.at(node), [node.left, *node.comparators]) for module, node in compared)
    assert [at for at, both in sides if any(map(is_a_type, both)) and any(map(names_a_type, both))] == []


def test_no_other_module_of_forms_so_much_as_names_one() -> None:
    ours = [one for one in package() if one.path.parent == ROOM and one.path != TAGS]
    constants = ((one, node) for one in ours for node in one.nodes if isinstance(node, ast.Constant))
    assert [one.at(node) for one, node in constants if node.value in NAMES] == []


@pytest.mark.parametrize("path", sorted((ROOM / "page").glob("form*")), ids=lambda path: path.name)
def test_nor_does_what_the_page_of_every_form_is_made_of(path: Path) -> None:
    tests = re.findall(r"(?:field\??\.type|kind)\b\)?\s*[=!]=+\s*\S+", path.read_text(encoding="utf-8"))
    assert tests == []


def test_each_file_of_the_folder_belongs_to_a_family() -> None:
    families = {one.family for one in TYPES.values()}
    files = [one for one in FOLDER.iterdir() if one.is_file() and one.name != "__init__.py"]
    assert {one.stem for one in files} == {*families, "_base"}
    assert {one.suffix for one in files} <= {".py", ".html", ".js", ".css"}
    assert {one.stem for one in files if one.suffix == ".html"} == {*families, "_base"}


def test_browser_and_python_know_the_same_rules() -> None:
    scripts = "".join(one.read_text(encoding="utf-8") for one in sorted(FOLDER.glob("*.js")))
    known = set(re.findall(r"^rules\.(\w+) = ", scripts, re.MULTILINE))
    assert known == set(RULES)


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPES)
def test_each_type_says_all_that_is_asked_of_one(name: str) -> None:
    spec = {"name": "one", "type": name, "required": True, **NEEDED.get(name, {})}
    form = read_spec({"fields": [spec, {"name": "two"}]})
    assert read_spec(to_spec(form)) == form
    (field, _) = form.fields()
    kind = TYPES[name]
    assert set(kind.keys) <= set(own_keys(kind.field_class)) - set(own_keys(Field))
    assert {check.kind for check in checks_of(field)} <= {"required", *RULES}
    assert find_problems(form, example_answer(form)) == {}
    assert list(find_problems(form, {})) == (["one"] if kind.is_asked else [])


#: What a type cannot do without.
CHOICES = {"options": ["a", "b"]}
NEEDED = {"radio": CHOICES, "select": CHOICES, "likert": {**CHOICES, "statements": ["c", "d"]}, "ranking": CHOICES}


def test_a_setting_of_another_type_is_refused() -> None:
    told = r"a\.options is set, but only fields of type checkbox or radio or select"
    with pytest.raises(ConfigError, match=told):
        read_spec({"fields": {"a": {"options": ["x"]}}})


# The kinds that are made of parts

SCALE = {"type": "slider", "max": 10}
MATRIX = {"type": "likert", "statements": ["clear", "fair"], "options": ["no", "yes"]}
ORDER = {"type": "ranking", "options": ["price", "taste", "looks"]}
#: The last appears once the page has heard of what was filled in.
PARTS = {"fields": {"sure": SCALE, "view": MATRIX, "best": ORDER, "word": {}, "heard": {"show_if": {"word": "x"}}}}
UNTOUCHED = {"sure": "Not set yet", "view": [], "best": ["price", "taste", "looks"], "is_sure": False}
ANSWER = {"sure": 7, "view": {"clear": "yes"}, "best": ["looks", "taste", "price"]}


def shown(page: Page) -> JSONObject:
    """What the page shows of the three."""
    picked = page.get_by_role("radiogroup").filter(has=page.locator(":checked"))
    return {
        "sure": page.locator("output").inner_text(),
        "view": picked.evaluate_all("rows => rows.map((row) => row.innerText.split('\\n')[0])"),
        "best": page.locator(".form-ranked").all_inner_texts(),
        "is_sure": page.get_by_role("checkbox").is_checked(),
    }


@pytest.mark.browser
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ANSWER, {"sure": "7", "view": ["clear"], "best": ["looks", "taste", "price"], "is_sure": True}),
        ({"sure": "7", "view": "yes", "best": "looks"}, UNTOUCHED),
        ({"sure": [7], "view": ["yes"], "best": {"looks": 1}}, UNTOUCHED),
        ({"sure": None, "view": None, "best": None}, UNTOUCHED),
        ({"view": {"clear": 3, "dear": "yes"}, "best": ["taste", "<b>", "taste", None]},
         {**UNTOUCHED, "best": ["taste", "price", "looks"], "is_sure": True}),
    ],
)  # fmt: skip
def test_a_reviewer_sees_what_was_sent_whatever_it_was(page: Page, answer: Any, expected: JSONObject) -> None:
    site = page_of(form_task(PARTS, task_name="x")._blueprint, "x", {})
    told = {"task_config": site.task_config, "init_task_data": site.init_data, "is_onboarding": False}
    page.set_content(make_document(site.files, site.policy, told, "abc", {**answer, "word": "x"}))
    expect(page.get_by_label("Heard")).to_be_visible()
    assert shown(page) == expected


VALIDATORS = """
export const isMild = (field, value) => (value > 5 ? `${field.label}: ${value} of ${field.takes}` : null);
export const isWhole = (field, value) => (Object.keys(value ?? {}).length < 2 ? JSON.stringify(value) : null);
export const isSweet = (field, value) => (value === null || value[0] === "taste" ? null : value.join());
"""
TRIGGERS = """
export function fill(formData, updateFormData) {
  updateFormData("sure", 3);
  updateFormData("view", { clear: "no", fair: "yes" });
  updateFormData("best", ["taste", "price", "looks"]);
}
"""


@pytest.mark.browser
def test_functions_of_ones_own_judge_and_set_them(page: Page, serve_blueprint, tmp_path: Path) -> None:
    (tmp_path / "custom_validators.js").write_text(VALIDATORS, encoding="utf-8")
    (tmp_path / "custom_triggers.js").write_text(TRIGGERS, encoding="utf-8")
    checks = {"sure": "isMild", "view": "isWhole", "best": "isSweet"}
    fields = {name: {**PARTS["fields"][name], "custom_checks": {check: []}} for name, check in checks.items()}
    form = {"fields": {**fields, "go": {"triggers": {"onFocus": ["fill"]}}}}
    task = form_task(form, task_name="x", blueprint_args={"insertions": str(tmp_path)})
    router = serve_blueprint(task._blueprint, {})
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#announcer")).to_have_text("Your task is ready.")
    page.get_by_role("slider").press("End")
    page.get_by_role("radiogroup", name="fair").get_by_label("no").check()
    page.get_by_role("checkbox").check()
    assert refused(page) == ["Sure: 10 of text", '{"fair":"no"}', "price,taste,looks"]
    page.get_by_label("Go").focus()
    answer = {"sure": 3, "view": {"clear": "no", "fair": "yes"}, "best": ["taste", "price", "looks"], "go": ""}
    assert sent_by(page, router) == answer


def test_a_chat_takes_them_at_its_end_too() -> None:
    async def talk(data: Any, agents: Any) -> None:
        return None

    task = chat_task(talk, [{}], people=2, form=PARTS, task_name="x")
    assert task._blueprint.get_answer_names() == ["sure", "view", "best", "word", "heard"]
