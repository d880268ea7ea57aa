"""The budgets of the house, counted.

Mend the code rather than the budget; raise one only with a reason in the commit.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import statistics
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any

import pytest

from tests.source_tree import (
    PACKAGE,
    ROOT,
    Definition,
    Function,
    Module,
    assignments,
    classes,
    files_of_tests,
    functions,
    own_imports,
    package,
)

#: Classes that may have more than 20 methods of their own or 300 lines, and why.
LARGE_CLASSES = {
    "mephisto_nb.run.TaskRun": "a face: 27 names to type, each of which hands on to what does it",
    "mephisto_nb.ports.blueprint.Blueprint": "a port: each name is one thing that a kind of task may say",
    "mephisto_nb.blueprints.static_html.blueprint.StaticHTMLBlueprint": "says what that port asks",
    "mephisto_nb.blueprints.form.blueprint.FormBlueprint": "says what that port asks",
}

#: Classes that may have more than 25 public names, or 20 methods with inherited ones, their subclasses too, and why.
WIDE_CLASSES = {
    "TaskRun": "a face: one name for each frame of a run, and visits are a frame that others have no place for",
    "Blueprint": "a port: each name is one thing that a kind of task may say, and most have a default",
    "BaseGate": "a port: each name is one thing that a gate may say, and most have a default",
    "RunState": "a run in memory: one attribute for each index that a rule looks things up by",
    "Step": "the only place where a run is changed: one method for each change",
    "CrowdProvider": "a port: each name is one thing that a crowd may say or do, and most have a default",
    "PanelModel": "one method for each thing that the page of a panel may ask of it",
    "DatabaseFixtures": "one test for each rule that a database has to keep",
}

#: Names of classes that stand in two places on purpose, and why.
SHARED_NAMES = {
    "TaskRun": "the record, as Mephisto calls it, and the face that a researcher holds",
}

#: Functions that may have more than 80 lines, and why.
LARGE_FUNCTIONS = {
    "mephisto_nb.storage.migrations.versions.v0001_first.upgrade": "a list of tables, never edited after its release",
}

#: The layers, the lowest first, and what belongs to each. A longer name wins over a shorter one.
LAYERS = {
    "base": ["errors", "_typing", "utils"],
    "packets": ["model.packets", "model.states"],
    "model": ["model"],
    "rules": ["rules"],
    "ports": ["ports"],
    "adapters": ["storage", "blueprints", "architects", "providers"],
    "router": ["router"],
    # The rooms of what runs in a notebook's process: each may lean on those before it.
    "config": ["config"],
    "kernel": ["kernel"],
    "frames": ["frames"],
    "people": ["people"],
    "money": ["money"],
    "review": ["review"],
    "importing": ["importing"],
    "pages": ["pages"],
    "runs": ["runs"],
    "display": ["display"],
    "faces": ["run", "operator"],
    "top": ["testing", "tasks", "accounts", ""],
}
_BELOW_ADAPTERS = ("base", "packets", "model", "rules", "ports")
_IN_THE_NOTEBOOK = (
    "config",
    "kernel",
    "frames",
    "people",
    "money",
    "review",
    "importing",
    "pages",
    "runs",
    "display",
    "faces",
)
#: What each layer may import.
KNOWS = {
    **{layer: set(_BELOW_ADAPTERS[: number + 1]) for number, layer in enumerate(_BELOW_ADAPTERS)},
    "adapters": {*_BELOW_ADAPTERS, "adapters"},
    "router": {"base", "packets", "router"},
    **{one: {*_BELOW_ADAPTERS, *_IN_THE_NOTEBOOK[: number + 1]} for number, one in enumerate(_IN_THE_NOTEBOOK)},
    "top": set(LAYERS),
}
#: How a module under 60 lines says why it exists.
ALONE = re.compile(r"stands? alone", re.IGNORECASE)
#: What decides and what is stored knows nothing of the world: no files, network, database, clock, threads or log.
PURE = ("mephisto_nb.rules", "mephisto_nb.model")
OF_THE_WORLD = {
    "asyncio", "concurrent", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "queue", "random",
    "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "uuid", "warnings",
}  # fmt: skip
#: What the lowest layer imports beside the standard library, and who.
BESIDE_THE_LIBRARY = {"mephisto_nb.utils.run_sync": "nest_asyncio2"}
#: Where more of a kind is one more file (see CONTRIBUTING.md).
OF_A_KIND = ("rules.gates", "display.actions", "blueprints", "providers", "architects")
#: Adapters that are another one with something more, and lean on it as a stranger's plugin may.
BUILT_UPON = {
    "mephisto_nb.blueprints.form": "mephisto_nb.blueprints.static_html",
    "mephisto_nb.blueprints.chat": "mephisto_nb.blueprints.static_html",
    "mephisto_nb.blueprints.static_react": "mephisto_nb.blueprints.static_html",
    "mephisto_nb.blueprints.remote_procedure": "mephisto_nb.blueprints.static_react",
}
#: What takes long to import and is for notebooks alone; and vl-convert-python and pyjwt, which have other names there.
BROUGHT_BY_EXTRAS = {"IPython", "anywidget", "jwt", "traitlets", "vl_convert"}


def none(offenders: Iterable[str], rule: str) -> None:
    """Fail with the rule and everyone who breaks it."""
    found = list(offenders)
    assert not found, f"{rule}\n  " + "\n  ".join(found)


def longest(definitions: Iterable[Definition]) -> str:
    """Return the ten longest, for messages."""
    ranked = sorted(definitions, key=lambda one: -one.line_count)[:10]
    return "\n  ".join(f"{one.line_count:4} lines  {one.where}" for one in ranked)


def layer_of(module: str) -> str:
    """Return the layer of a module, by the longest prefix that the table holds."""
    inner = module.removeprefix(PACKAGE).removeprefix(".")
    places = {prefix: layer for layer, prefixes in LAYERS.items() for prefix in prefixes}
    parts = inner.split(".")
    found = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((places[prefix] for prefix in found if prefix in places), "unknown")


@cache
def adapters() -> list[str]:
    """Return the modules of the registered adapters, and the databases, each of which is one adapter."""
    groups = project()["entry-points"]
    targets = [target.split(":")[0] for group in groups.values() for target in group.values()]
    return [f"{PACKAGE}.storage", *targets]


def adapter_of(module: str) -> str | None:
    """Return the adapter that a module belongs to; None: what the adapters of one kind share."""
    return next((one for one in adapters() if f"{module}.".startswith(f"{one}.")), None)


def kind_of(module: str) -> str:
    """Return ``blueprints``, ``providers`` ..."""
    return module.split(".")[1]


@cache
def project() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


# Sizes


def test_no_file_is_over_600_lines() -> None:
    none(
        (f"{m.relative_path}: {m.line_count} lines" for m in package() if m.line_count > 600),
        "at most 600 lines a file",
    )


def is_whole(module: Module) -> bool:
    """Return whether a module has to be as it is: a package's own, a program's, or one that a tool asks for."""
    return module.path.stem.startswith("__") or ".migrations." in module.name


def test_a_short_module_says_why_it_stands_alone() -> None:
    short = (m for m in package() if m.line_count < 60 and not is_whole(m))
    silent = (m for m in short if not ALONE.search(ast.get_docstring(m.tree) or ""))
    none((f"{m.relative_path}: {m.line_count} lines" for m in silent), 'under 60 lines: say "Stands alone because ..."')


def is_of_a_kind(module: Module) -> bool:
    """Return whether a module is in a folder for more of a kind."""
    return f"{module.name}.".startswith(tuple(f"{PACKAGE}.{folder}." for folder in OF_A_KIND))


def test_there_are_at_most_300_modules_beside_those_of_a_kind() -> None:
    """Count the gates, actions, blueprints, types of fields, providers and architects apart.

    There were 220 modules with all of them when this was written. What was missing came since, each in a room of its
    own: of waiting and absence three, of calls and settings three, of what comes out three, and

    - of what strangers send, ten: hosts and pages, the shape of JSON, whose request it is, one person's share (on both
      sides), what is too large, how large a value is, large texts beside the loop, who speaks in a conversation
    - of what others hand in, five: foreign files, YAML and settings, answers of any size, and rows of any size
    - of files and machines that fail, eight: what a kernel and a router see of theirs, the router's folder, private
      files, SQLite files and their heads, troubles to tell of, the steady clock
    - of the link and its numbers, four: what goes out, how it gets on, and the numbers on both sides
    - two versions of the schema
    - of crowds and money, in rooms that the floor plan had kept free: outcomes and visits, the ledger, budget, forecast
      and reconciliation, and the stand-in of a crowd, which is a whole server
    """
    found = [module for module in package() if not is_of_a_kind(module)]
    assert len(found) <= 300, f"{len(found)} modules"


def test_no_folder_has_over_20_modules() -> None:
    counts = Counter(m.path.parent.relative_to(ROOT).as_posix() for m in package())
    none((f"{folder}: {count}" for folder, count in counts.items() if count > 20), "at most 20 modules a folder")


def test_each_folder_says_what_belongs_there() -> None:
    folders = (m for m in package() if m.path.name == "__init__.py")
    none((m.relative_path for m in folders if not ast.get_docstring(m.tree)), "a folder's __init__ has a docstring")


def test_the_median_function_is_under_10_lines() -> None:
    median = statistics.median(one.line_count for one in functions())
    assert median < 10, f"the median function has {median} lines; the longest:\n  {longest(functions())}"


def test_one_function_in_twenty_at_most_has_40_lines() -> None:
    p95 = statistics.quantiles((one.line_count for one in functions()), n=20)[-1]
    assert p95 < 40, f"the 95th percentile is {p95} lines; the longest:\n  {longest(functions())}"


def test_no_function_is_over_80_lines() -> None:
    large = (one for one in functions() if one.line_count > 80 and one.path not in LARGE_FUNCTIONS)
    none((f"{one.where}: {one.line_count} lines" for one in large), "at most 80 lines a function")


def methods_of(one: Definition) -> set[str]:
    """Return the names of the methods that a class defines itself."""
    return {child.name for child in one.node.body if isinstance(child, Function)}


def test_no_class_has_over_20_methods() -> None:
    counts = {one: len(methods_of(one)) for one in classes()}
    large = (f"{one.where}: {n} methods" for one, n in counts.items() if n > 20 and one.path not in LARGE_CLASSES)
    none(large, "at most 20 methods a class")


def test_no_class_has_over_20_methods_with_inherited_ones() -> None:
    counts = {one: len(all_methods_of(one)) for one in classes() if one.path not in LARGE_CLASSES}
    large = (f"{one.where}: {n} methods" for one, n in counts.items() if n > 20 and not may_be_wide(one))
    none(large, "at most 20 methods a class, inherited ones counted")


@cache
def known_classes() -> dict[str, Definition]:
    """Return the package's classes by name; of those that share one, the last."""
    return {one.node.name: one for one in classes() if not one.is_inside_function}


def bases_of(one: Definition) -> list[str]:
    """Return the names of what a class derives from, without modules and type parameters."""
    return [ast.unparse(base).split("[")[0].split(".")[-1] for base in getattr(one.node, "bases", [])]


def ancestry_of(one: Definition) -> list[Definition]:
    """Return a class and all that it derives from, as far as the package defines them."""
    known = known_classes()
    above = (ancestry_of(known[base]) for base in bases_of(one) if base in known and known[base] is not one)
    return [one, *chain.from_iterable(above)]


def may_be_wide(one: Definition) -> bool:
    """Return whether a class, or one that it derives from, is listed."""
    return not WIDE_CLASSES.keys().isdisjoint(above.node.name for above in ancestry_of(one))


def all_methods_of(one: Definition) -> set[str]:
    """Return the names of a class's methods, inherited ones too, as far as the package defines them."""
    return set().union(*map(methods_of, ancestry_of(one)))


def public_names_of(one: Definition) -> set[str]:
    """Return the public names of a class, inherited ones counted, as far as the package defines them."""
    names = {name for above in ancestry_of(one) for name in (*methods_of(above), *assigned_in(above.node))}
    return {name for name in names if not name.startswith("_")}


def assigned_in(node: ast.AST) -> Iterator[str]:
    """Return the names that a class's own body assigns, and the attributes that its methods do."""
    for child in getattr(node, "body", []):
        yield from (target.id for target, _ in assignments(child) if isinstance(target, ast.Name))
    attributes = (one for child in ast.walk(node) for one, _ in assignments(child) if isinstance(one, ast.Attribute))
    yield from (one.attr for one in attributes if ast.unparse(one.value) == "self")


def is_record(one: Definition) -> bool:
    """Return whether a class is a row of plain values, whose fields are columns, or settings that a file names."""
    marks = [ast.unparse(mark) for mark in getattr(one.node, "decorator_list", [])]
    has_methods = sum(isinstance(child, Function) for child in one.node.body) > 5
    return any("dataclass" in mark for mark in marks) and not has_methods


def test_no_class_has_over_25_public_names() -> None:
    counts = {one: len(public_names_of(one)) for one in classes() if not is_record(one)}
    large = (f"{one.where}: {n}" for one, n in counts.items() if n > 25 and not may_be_wide(one))
    none(large, "at most 25 public names a class, inherited ones counted")


#: Of a run: its frames, its panels, and what it is.
MOST_OF_A_FACE = 27


@pytest.mark.parametrize("face", ["Operator", "TaskRun"])
def test_a_face_is_a_menu_with_a_bound(face: str) -> None:
    (found,) = [one for one in classes() if one.path in (f"{PACKAGE}.run.{face}", f"{PACKAGE}.operator.{face}")]
    assert len(public_names_of(found)) <= MOST_OF_A_FACE


def names_used_twice() -> dict[str, list[str]]:
    """Return the public names of classes that stand in several places, and where."""
    places: dict[str, list[str]] = {}
    for one in classes():
        if not one.node.name.startswith("_") and not one.is_inside_function:
            places.setdefault(one.node.name, []).append(one.where)
    return {name: where for name, where in places.items() if len(where) > 1}


def test_a_class_name_is_used_once() -> None:
    twice = (f"{name}: {', '.join(where)}" for name, where in names_used_twice().items() if name not in SHARED_NAMES)
    none(twice, "a class name once per package")


def test_no_class_is_over_300_lines() -> None:
    large = (one for one in classes() if one.line_count > 300 and one.path not in LARGE_CLASSES)
    none((f"{one.where}: {one.line_count} lines" for one in large), "at most 300 lines a class")


def test_no_exception_for_size_outlives_its_reason() -> None:
    needed = {one.path for one in classes() if len(methods_of(one)) > 20 or one.line_count > 300}
    needed |= {one.path for one in functions() if one.line_count > 80}
    none({*LARGE_CLASSES, *LARGE_FUNCTIONS} - needed, "listed as large, but small or gone")


def test_no_exception_for_names_outlives_its_reason() -> None:
    wide = (one for one in classes() if len(all_methods_of(one)) > 20 or len(public_names_of(one)) > 25)
    needed = {above.node.name for one in wide if not is_record(one) for above in ancestry_of(one)}
    none(WIDE_CLASSES.keys() - needed, "listed as wide, but narrow or gone, and so is what derives from it")
    none(SHARED_NAMES.keys() - names_used_twice().keys(), "listed as a name of two classes, but there are not two")


def test_no_exception_for_imports_outlives_its_reason() -> None:
    known = {module.name for module in package()}
    placed = (f"{PACKAGE}.{one}".removesuffix(".") for prefixes in LAYERS.values() for one in prefixes)
    none((one for one in placed if one not in known), "LAYERS places what is gone")
    leaning = {(adapter_of(one.source), adapter_of(one.target)) for one in own_imports()}
    none((one for one, other in BUILT_UPON.items() if (one, other) not in leaning), "BUILT_UPON, but leans on nothing")
    imported = {(one.source, one.target.split(".")[0]) for module in package() for one in module.imports}
    none((one for one, name in BESIDE_THE_LIBRARY.items() if (one, name) not in imported), "no longer imports that")
    none(BROUGHT_BY_EXTRAS - {name for _, name in imported}, "BROUGHT_BY_EXTRAS, but imported by nobody")


# Direction


def test_every_module_has_a_layer() -> None:
    none((m.relative_path for m in package() if layer_of(m.name) == "unknown"), "LAYERS places each module")


def test_no_import_points_up() -> None:
    checked = (one for one in own_imports() if one.source != PACKAGE)
    up = (one for one in checked if layer_of(one.target) not in KNOWS[layer_of(one.source)])
    rule = "imports point down, those under TYPE_CHECKING too"
    none((f"{i.where}: {layer_of(i.source)} imports {i.target} ({layer_of(i.target)})" for i in up), rule)


def test_rules_and_records_know_nothing_of_the_world() -> None:
    imports = (one for module in package() if module.name.startswith(PURE) for one in module.imports)
    none((f"{i.where}: {i.target}" for i in imports if i.target.split(".")[0] in OF_THE_WORLD), "no I/O, no clock")
    calls = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "open", "input")
    read = (m.at(call) for m in package() if m.name.startswith(PURE) for call in m.calls(*calls))
    none(read, "the time is handed in, and so is what is in files")


def test_the_lowest_layer_imports_the_standard_library_alone() -> None:
    imports = (one for module in package() if layer_of(module.name) == "base" for one in module.imports)
    foreign = (one for one in imports if one.target.split(".")[0] not in {*sys.stdlib_module_names, PACKAGE})
    unlisted = (one for one in foreign if BESIDE_THE_LIBRARY.get(one.source) != one.target.split(".")[0])
    none((f"{i.where}: {i.target}" for i in unlisted), "the lowest layer imports the standard library alone")


def are_strangers(one: str, other: str) -> bool:
    """Return whether these are parts of different adapters, or of adapters of different kinds."""
    own, owner = adapter_of(one), adapter_of(other)
    known: list[str | None] = [None]
    while own is not None:
        known.append(own)
        own = BUILT_UPON.get(own)
    return kind_of(one) != kind_of(other) or owner not in known


def test_adapters_never_import_each_other() -> None:
    between = (i for i in own_imports() if layer_of(i.source) == layer_of(i.target) == "adapters")
    foreign = (i for i in between if are_strangers(i.source, i.target))
    none((f"{i.where} imports {i.target}" for i in foreign), "adapters never import each other")


def import_graph(*, for_types: bool = True) -> dict[str, set[str]]:
    """Return which module imports which: on top, inside functions and, if asked for, under TYPE_CHECKING.

    Left out is the package's own ``__init__``, which names everything and imports it when it is first asked for.
    """
    graph: dict[str, set[str]] = {module.name: set() for module in package()}
    for one in own_imports():
        is_wanted = for_types or not one.is_for_types
        if is_wanted and one.target != one.source and PACKAGE not in (one.source, one.target):
            graph[one.source].add(one.target)
    return graph


def chains(graph: dict[str, set[str]]) -> tuple[dict[str, list[str]], list[list[str]]]:
    """Return the longest chain of imports from each module, and every cycle met on the way."""
    done: dict[str, list[str]] = {}
    cycles: list[list[str]] = []

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            cycles.append([*path[path.index(name) :], name])
            return []
        if name not in done:
            followed = [visit(target, [*path, name]) for target in sorted(graph.get(name, ()))]
            done[name] = [name, *max(followed, key=len, default=[])]
        return done[name]

    for name in graph:
        visit(name, [])
    return done, cycles


def test_no_modules_import_each_other_in_a_ring() -> None:
    none(
        (" -> ".join(cycle) for cycle in chains(import_graph())[1]),
        "no cycle, not even in functions or for types",
    )


#: From a face through the displays to the engine, the rules and the states they decide on: 10 layers, 2 files each.
LONGEST_CHAIN = 21


def test_the_longest_chain_of_imports_has_its_bound() -> None:
    chain = max(chains(import_graph(for_types=False))[0].values(), key=len)
    assert len(chain) - 1 <= LONGEST_CHAIN, f"a chain of {len(chain) - 1} imports:\n  " + "\n  -> ".join(chain)


def optional_packages() -> set[str]:
    """Return the names under which the packages of our extras are imported."""
    wanted = [line for lines in project()["optional-dependencies"].values() for line in lines]
    return {re.split(r"[\[<>=;~ ]", line)[0].replace("-", "_") for line in wanted} | BROUGHT_BY_EXTRAS


def test_only_optional_packages_are_imported_inside_functions() -> None:
    optional = optional_packages()
    local = (one for module in package() for one in module.imports if one.is_local)
    none(
        (f"{i.where} imports {i.target}" for i in local if i.target.split(".")[0] not in optional),
        "imports stand on top",
    )


# Habits


def is_program(module: Module) -> bool:
    """Return whether a module talks to a terminal."""
    return module.is_testing or module.name.endswith((".__main__", ".cli"))


def test_nothing_is_printed_outside_programs() -> None:
    calls = (m.at(call) for m in package() if not is_program(m) for call in m.calls("print"))
    none(calls, "log, or show; print is for programs")


def test_no_except_is_bare() -> None:
    handlers = ((m, node) for m in package() for node in m.nodes if isinstance(node, ast.ExceptHandler))
    none((m.at(node) for m, node in handlers if node.type is None), "name what is caught")


def test_no_plain_exception_is_raised() -> None:
    raised = ((m, node.exc) for m in package() for node in m.nodes if isinstance(node, ast.Raise) and node.exc)
    plain = re.compile(r"(Base)?Exception\b(\(|$)")
    none((m.at(exc) for m, exc in raised if plain.match(ast.unparse(exc))), "raise a class of errors.py")


def test_the_package_asserts_nothing() -> None:
    checked = (m for m in package() if not m.is_testing)
    none((m.at(n) for m in checked for n in m.nodes if isinstance(n, ast.Assert)), "raise, for -O drops asserts")


def test_nothing_sleeps_in_a_thread() -> None:
    calls = [m.at(call) for m in package() for call in m.calls("time.sleep", "sleep")]
    none(calls, "be told; do not wait with time.sleep")


def fixed_names(module: Module) -> set[str]:
    """Return the names that a module assigns, and never anything but a constant."""
    values: dict[str, list[ast.expr | None]] = {}
    for target, value in chain.from_iterable(map(assignments, module.nodes)):
        values.setdefault(ast.unparse(target), []).append(value)
    return {name for name, found in values.items() if all(isinstance(value, ast.Constant) for value in found)}


def is_fixed(module: Module, value: ast.expr) -> bool:
    """Return whether a value is the same each time, and more than 0."""
    if isinstance(value, ast.Constant):
        return value.value != 0
    return ast.unparse(value) in fixed_names(module)


def test_no_coroutine_sleeps_for_a_fixed_time() -> None:
    calls = ((m, call) for m in package() for call in m.calls("asyncio.sleep", "anyio.sleep", "sleep"))
    times = ((m, value) for m, call in calls for value in (*call.args, *(one.value for one in call.keywords)))
    none((m.at(value) for m, value in times if is_fixed(m, value)), "be told; do not poll with asyncio.sleep")


# Documentation


def public_names() -> list[tuple[str, str | None]]:
    """Return where each public name stands, and its docstring."""
    modules = [(m.relative_path, ast.get_docstring(m.tree)) for m in package() if m.is_public]
    definitions = [one for m in package() if m.is_public for one in m.definitions if one.is_public and not one.is_again]
    return modules + [(one.where, one.docstring) for one in definitions]


def test_nine_public_names_in_ten_are_documented() -> None:
    names = public_names()
    bare = [where for where, docstring in names if not docstring]
    share = 1 - len(bare) / len(names)
    assert share >= 0.9, f"{share:.1%} of {len(names)} public names are documented; these are not:\n  " + "\n  ".join(
        bare
    )


def raises_of(docstring: str) -> list[str]:
    """Return the names in a docstring's ``Raises`` section."""
    section = re.search(
        r"^Raises\n-{6}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", inspect.cleandoc(docstring), re.MULTILINE | re.DOTALL
    )
    return [line.strip() for line in section[1].splitlines() if line[:1].strip()] if section else []


def is_exception(name: str) -> bool:
    """Return whether a name is one of Python's exceptions, or of a class of ours that derives from one."""
    ours = known_classes().get(name)
    names = [name] if ours is None else [base for one in ancestry_of(ours) for base in bases_of(one)]
    found = (getattr(builtins, one, None) for one in names)
    return any(isinstance(one, type) and issubclass(one, BaseException) for one in found)


def test_raises_sections_name_exceptions_of_ours_or_builtins() -> None:
    documented = (one for m in package() for one in m.definitions if one.docstring)
    named = ((one, name) for one in documented for line in raises_of(one.docstring or "") for name in line.split(","))
    unknown = (f"{one.where}: {name.strip()}" for one, name in named if not is_exception(name.strip()))
    none(unknown, "Raises names exceptions of errors.py, or builtins")


def test_no_docstring_begins_with_give() -> None:
    documented = (one for m in package() for one in m.definitions if one.docstring)
    found = (one.where for one in documented if re.match(r"(Give|Gives|Tell whether)\b", one.docstring or ""))
    none(found, 'plain verbs: "Return ...", "Raise ... if ..."')


def test_what_gives_nothing_back_does_not_begin_with_return() -> None:
    silent = (one for one in functions() if isinstance(one.node, Function) and one.docstring)
    named = (one for one in silent if one.node.returns is not None and ast.unparse(one.node.returns) == "None")
    found = (one.where for one in named if re.match(r"Returns?\b", one.docstring or ""))
    none(found, '"Return ..." is for what returns something')


# Tests


def test_the_name_of_a_test_is_a_rule_in_60_characters() -> None:
    named = (one for m in files_of_tests() for one in m.definitions if one.node.name.startswith("test_"))
    none((one.where for one in named if len(one.node.name.removeprefix("test_")) > 60), "at most 60 characters")


def test_the_median_test_is_under_15_lines() -> None:
    found = [one for module in files_of_tests() for one in module.definitions if one.node.name.startswith("test_")]
    median = statistics.median(one.line_count for one in found)
    assert median < 15, f"the median test has {median} lines; the longest:\n  {longest(found)}"


def test_no_test_sleeps() -> None:
    calls = (
        (m, call) for m in files_of_tests() for call in m.calls("time.sleep", "asyncio.sleep", "anyio.sleep", "sleep")
    )
    fixed = (m.at(call) for m, call in calls if ast.unparse(call.args[0]) != "0")
    none(fixed, "tests are told, they do not sleep")
