"""Forms of Python types: pydantic models and dataclasses, with what they demand, and classes within them."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, PositiveInt, SecretStr, StringConstraints

from mephisto_nb.blueprints.form.blueprint import FormBlueprint, FormBlueprintArgs
from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.sources import read_types
from mephisto_nb.blueprints.form.spec import read_spec, to_spec
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.tasks import form_task


class Size(enum.Enum):
    VERY_SMALL = "s"
    LARGE = "l"


class Address(BaseModel):
    city: str = Field(min_length=2)
    zip_code: str = Field(pattern=r"^\d{5}$", title="ZIP")


class Person(BaseModel):
    """What pydantic can say of a person."""

    name: str = Field(title="Your name", description="As in <passports>", max_length=5)
    age: int = Field(ge=18, le=99)
    children: PositiveInt | None = None
    height: Annotated[float, Field(ge=0.5)] | None = Field(default=None, json_schema_extra={"placeholder": "1.7"})
    price: Decimal = Field(default=Decimal("1.5"), multiple_of=Decimal("0.5"))
    size: Size = Size.LARGE
    mood: Literal["glad", "grim"]
    likes: list[Literal["tea", "coffee"]] = Field(min_length=1)
    code: Annotated[str, StringConstraints(pattern=re.compile("^a"))] = "a"
    secret: SecretStr = Field(min_length=4)
    home: Address
    work: Address | None = Field(default=None, title="Where you work")
    agree: bool


def by_name(cls: Any) -> dict[str, Any]:
    return {one.name: one for one in read_types(cls).fields()}


def test_a_pydantic_model_brings_its_types_titles_and_constraints() -> None:
    fields = by_name(Person)
    name, age = fields["name"], fields["age"]
    assert (name.label, name.help, name.max_length) == ("Your name", "As in &lt;passports&gt;", 5)
    assert (age.type, age.min, age.max, age.step, age.required) == ("number", 18, 99, 1, True)
    assert (fields["children"].min, fields["children"].required) == (1, False)
    assert (fields["height"].min, fields["height"].placeholder, fields["height"].required) == (0.5, "1.7", False)
    assert (fields["price"].value, fields["price"].step) == ("1.5", 0.5)
    assert [(one.value, one.label, one.checked) for one in fields["size"].options] == [
        ("s", "Very small", False),
        ("l", "Large", True),
    ]
    assert (fields["likes"].type, fields["likes"].min_length) == ("checkbox", 1)
    assert (fields["code"].pattern, fields["secret"].type, fields["agree"].type) == ("^a", "password", "checkbox")


def test_nested_models_are_sections_with_nested_answers() -> None:
    form = read_types(Person)
    assert [section.title for section in form.sections] == ["", "Home", "Where you work", ""]
    fields = by_name(Person)
    assert (fields["home.city"].required, fields["work.city"].required) == (True, False)
    assert (fields["home.city"].label, fields["home.zip_code"].label) == ("City", "ZIP")
    bad = {"home.city": "X", "home.zip_code": "1234"}
    assert {name for name in find_problems(form, bad) if "." in name} == {"home.city", "home.zip_code"}
    columns = form_task(Person, task_name="people").example({"home.city": "Kyiv"})
    assert columns["answer.home.city"].tolist() == ["Kyiv"]


def test_what_a_model_would_refuse_is_refused_by_its_form() -> None:
    good = {"name": "Ann", "age": 20, "mood": "glad", "likes": ["tea"], "secret": "abcd"}
    good |= {"home.city": "Kyiv", "home.zip_code": "12345", "agree": True}
    form = read_types(Person)
    assert find_problems(form, good) == {}
    for name, value in {"name": "Annabel", "age": 17, "mood": "sad", "likes": [], "code": "b", "price": 1.2}.items():
        assert list(find_problems(form, {**good, name: value})) == [name]


def test_a_bound_that_no_form_can_say_is_named() -> None:
    class Wrong(BaseModel):
        share: float = Field(gt=0)

    with pytest.raises(ConfigError, match=r"^Wrong\.share has gt=0(\.0)?, for which a form has no words. Give ge"):
        read_types(Wrong)


@dataclass
class Detail:
    word: str
    sure: bool = False


@dataclass
class Part:
    kind: Literal["a", "b"]
    detail: Detail


@dataclass
class Whole:
    title: str
    part: Part = dataclass_field(metadata={"label": "The part", "help": "<b>Look</b> closely"})


def test_dataclasses_nest_two_deep() -> None:
    form = read_types(Whole)
    section = form.sections[1]
    assert (section.title, section.instruction) == ("The part", "<b>Look</b> closely")
    assert [one.title for one in section.fieldsets] == ["", "Detail"]
    assert [one.name for one in form.fields()] == ["title", "part.kind", "part.detail.word", "part.detail.sure"]


def test_deeper_than_there_are_headings_is_refused() -> None:
    @dataclass
    class Deepest:
        whole: Whole

    with pytest.raises(ConfigError, match=r"Part\.detail is a class within a class within a class"):
        read_types(Deepest)


class Grade(enum.IntEnum):
    BAD = 1
    GOOD = 2


@dataclass
class Typed:
    """Choices that are no texts."""

    score: Literal[1, 2, 3, 4, 5]
    many: Literal[1, 2, 3, 4, 5, 6, 7]
    share: Literal[0.5, 1.0]
    sure: Literal[True, False]
    grade: Grade
    grades: list[Grade]
    scale: dict[Literal["a", "b"], Literal[1, 2]]
    level: Literal[1, "none", None]
    when: date


SENT = {
    "score": "4", "many": "7", "share": "1", "sure": "false", "grade": "2", "grades": ["1", "2"],
    "scale": {"a": "1", "b": "2"}, "level": "1", "when": "2026-01-31",
}  # fmt: skip
READ = {
    "score": 4, "many": 7, "share": 1.0, "sure": False, "grade": 2, "grades": [1, 2], "scale": {"a": 1, "b": 2},
    "level": 1, "when": "2026-01-31", "(problems)": None,
}  # fmt: skip


@pytest.mark.parametrize("sent", [SENT, READ | {"(problems)": ""}], ids=["page", "rehearsal"])
def test_choices_come_back_as_the_values_of_the_class(sent: dict[str, Any]) -> None:
    for form in (read_types(Typed), read_spec(json.loads(json.dumps(to_spec(read_types(Typed)))))):
        blueprint = FormBlueprint(FormBlueprintArgs(form=to_spec(form)), SharedTaskState(static_task_data=[{}]))
        answer = {name: value for name, value in blueprint.get_answer(sent).items() if name in READ}
        assert answer == READ
        assert all(type(value) is type(READ[name]) for name, value in answer.items())
        assert blueprint.get_answer_times() == {"when": "date"}


def test_numbers_among_options_of_a_description_come_back_as_numbers() -> None:
    fields = {
        "a": {"type": "radio", "options": [1, 2.5, "x"]},
        "b": {"type": "select", "multiple": True, "options": [{"value": 3, "label": "three"}, 4]},
        "c": {"type": "ranking", "options": [1, 2]},
    }
    row = form_task({"fields": fields}, [{"t": "x"}], task_name="t").example({"a": "2.5", "b": ["3"], "c": ["2", "1"]})
    assert row.iloc[0][["answer.a", "answer.b", "answer.c"]].tolist() == [2.5, [3], [2, 1]]
    assert row["answer.(problems)"].isna().all()


def test_what_was_not_offered_stays_as_it_was_sent() -> None:
    row = form_task({"fields": {"a": {"type": "radio", "options": [1, 2]}}}, [{"t": "x"}], task_name="t").example(
        {"a": "3"}
    )
    assert row.iloc[0][["answer.a", "answer.(problems)"]].tolist() == ["3", "a: Please choose from what is offered."]


def test_grades_can_be_averaged_and_days_compared() -> None:
    row = form_task(Typed, [{"t": "x"}], task_name="t").example(SENT)
    assert (row["answer.score"].mean(), row["answer.when"].dt.year[0]) == (4.0, 2026)
