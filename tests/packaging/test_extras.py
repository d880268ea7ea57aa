"""Whoever lacks an optional package is told the one command that installs it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mephisto_nb.errors import ConfigError, MissingExtraError
from mephisto_nb.utils.extras import EXTRAS, needs
from tests.packaging.uses import USES
from tests.source_tree import ROOT, Module, package

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Programs that are started, and all extras together: nothing of either is imported.
NOT_IMPORTED = {"lab", "all"}
#: What packages of the core cannot be without, by the name under which it is imported.
COMES_ALONG = {
    "IPython": "ipywidgets",
    "traitlets": "ipywidgets",
    "numpy": "pandas",
    "omegaconf": "hydra-core",
}
#: Contract tests are run by pytest, which is there then.
RUN_BY = {"pytest": "mephisto_nb.testing.contracts"}
OPTIONAL = [(extra, module, name) for extra, one in EXTRAS.items() for module, name in one.packages.items()]


def names_of(requirements: list[str]) -> set[str]:
    """Return the names of packages that are asked for."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_the_table_of_extras_is_that_of_the_project() -> None:
    asked = {extra: names_of(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
    assert {extra: set(one.packages.values()) for extra, one in EXTRAS.items()} == {
        extra: names for extra, names in asked.items() if extra not in NOT_IMPORTED
    }


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Return what is said where each package is missing, by the name under which it is imported."""
    command = [sys.executable, "-m", "tests.packaging.without", *sorted(USES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    messages: dict[str, str] = json.loads(done.stdout)
    return messages


@pytest.mark.parametrize(("extra", "module", "name"), OPTIONAL)
def test_who_lacks_a_package_is_told_the_command(extra: str, module: str, name: str, told: dict[str, str]) -> None:
    assert told[module] == f"{EXTRAS[extra].need} {name}. Install it: pip install 'mephisto-nb[{extra}]'"


def test_each_optional_package_is_tried() -> None:
    assert set(USES) == {module for _, module, _ in OPTIONAL}


def test_a_package_that_is_broken_is_told_with_its_cause() -> None:
    with pytest.raises(MissingExtraError) as caught, needs("postgresql"):
        raise ImportError("no pq wrapper available")
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == (
        "PostgreSQL databases need psycopg, not usable here (no pq wrapper available). "
        "Install it: pip install 'mephisto-nb[postgresql]'"
    )


def test_every_import_is_of_the_core_or_says_its_extra() -> None:
    wrong = [f"{where} imports {name}" for where, name, extra in imports() if not is_allowed(where, name, extra)]
    assert not wrong, "\n".join(["write `with needs(EXTRA):` around it, or make it a dependency:", *wrong])


def is_allowed(where: str, name: str, extra: str | None) -> bool:
    """Return whether a plain install has a package, or the import names the extra that brings it."""
    if extra is not None:
        return name in EXTRAS[extra].packages
    core = names_of(PROJECT["dependencies"])
    owners = {canonicalize_name(owner) for owner in distributions().get(name, [])} | {COMES_ALONG.get(name, "")}
    return bool(owners & core) or where.startswith(RUN_BY.get(name, " "))


@cache
def distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def imports() -> Iterator[tuple[str, str, str | None]]:
    """Yield each import of somebody else's package: where, of what, and within ``with needs(...)`` of which extra."""
    ours = {*sys.stdlib_module_names, "mephisto_nb"}
    for module in package():
        for name, extra in _imports_in(module, module.tree, None):
            if name not in ours:
                yield module.name, name, extra


def _imports_in(module: Module, node: ast.AST, extra: str | None) -> Iterator[tuple[str, str | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name.split(".")[0], extra) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module.split(".")[0], extra
        yield from _imports_in(module, child, _extra_of(child) or extra)


def _extra_of(node: ast.AST) -> str | None:
    """Return the extra that a ``with needs(EXTRA):`` names."""
    calls = [ast.unparse(one.context_expr) for one in node.items] if isinstance(node, ast.With) else []
    return next((found[1] for call in calls if (found := re.fullmatch(r"needs\('(\w+)'\)", call))), None)
