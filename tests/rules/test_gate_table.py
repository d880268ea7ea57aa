"""The table of gates: nothing else in the package knows one gate from another."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import AnswerCheck, CommonGateSettings, EntryGate
from mephisto_nb.rules.gates.table import GATES, all_words, settings_fields, unit_gates
from tests.source_tree import Module, package

#: Where gates may be named: their own folder, the enumeration that the database stores, and what reads and writes it.
HOME = "mephisto_nb.rules.gates."
DATABASE = ("mephisto_nb.model.states", "mephisto_nb.storage", "mephisto_nb.testing.contracts")
#: Modules with a flag for the introduction's page, which is a page of its own.
SHOW_THE_INTRODUCTION = {"mephisto_nb.pages", "mephisto_nb.display.preview"}
NAMES = {gate.NAME for gate in GATES}


def outsiders() -> list[Module]:
    return [module for module in package() if not f"{module.name}.".startswith((HOME, *DATABASE))]


def strings(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def names_a_gate(node: ast.AST) -> bool:
    """Return whether a piece of code asks which gate something is."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "Gate" and node.attr in Gate.__members__
    if isinstance(node, ast.Compare):
        return not NAMES.isdisjoint(strings(node))
    if isinstance(node, ast.MatchValue):
        return not NAMES.isdisjoint(strings(node))
    return False


def test_no_other_module_asks_which_gate_it_is() -> None:
    found = [m.at(node) for m in outsiders() for node in m.nodes if names_a_gate(node)]
    assert not found, f"ask the gate, or the table of gates, instead: {found}"


def test_no_other_module_has_a_flag_for_a_gate() -> None:
    flags = {f"is_{name}" for name in NAMES - {"time"}}  # what is a time is no gate
    found = [
        m.at(node)
        for m in outsiders()
        if m.name not in SHOW_THE_INTRODUCTION
        for node in m.nodes
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr) in flags
    ]
    assert not found, f"ask the gate, or the table of gates, instead: {found}"


def test_no_other_module_imports_a_gate() -> None:
    files = {gate.__module__ for gate in GATES}
    found = [one.where for m in outsiders() for one in m.imports if one.target in files]
    assert not found, f"only the table imports a gate: {found}"


def test_each_gate_has_a_name_and_a_file_of_its_own() -> None:
    assert len(NAMES) == len({gate.__module__ for gate in GATES}) == len(GATES)
    assert all(issubclass(gate, EntryGate | AnswerCheck) for gate in GATES)


def test_units_of_gates_are_told_apart_and_from_the_work() -> None:
    indexes = [gate.UNIT_INDEX for gate in unit_gates()]
    assert len(set(indexes)) == len(indexes)
    assert max(indexes) < 0


def test_no_two_gates_share_a_setting_or_a_code() -> None:
    names, codes = [name for name, _, _ in settings_fields()], [words.code for words in all_words()]
    assert (len(set(names)), len(set(codes))) == (len(names), len(codes))


def test_each_setting_of_a_gate_has_a_help_text_and_a_default() -> None:
    for settings in (*(gate.SETTINGS for gate in GATES), CommonGateSettings):
        for one in dataclasses.fields(settings):
            has_default = one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING
            assert has_default, one.name
            assert f"    {one.name}" in (settings.__doc__ or "") or f", {one.name}" in (settings.__doc__ or ""), (
                one.name
            )


def test_the_settings_of_gates_are_the_keys_that_users_know() -> None:
    known = {
        "onboarding_qualification", "onboarding_source", "onboarding_html", "block_qualification", "use_screening_task",
        "passed_qualification_name", "max_screening_units", "use_golds", "gold_qualification_base", "max_gold_units",
        "min_golds", "max_incorrect_golds", "attention_checks", "minimum_seconds", "after_failed_check",
        "max_failed_checks", "failed_checks_qualification",
    }  # fmt: skip
    assert known <= {name for name, _, _ in settings_fields()}
