"""What may lie in the repository: no registry's address, no path of one machine, files that agree with each other."""

from __future__ import annotations

import re
import runpy
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent

#: Written in parts, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    ("pypi", "org"),
    ("python" + "hosted", "org"),
    ("pypi", "python", "org"),
    ("registry", "npmjs", "org"),
    ("registry", "yarnpkg", "com"),
    ("npmmirror", "com"),
    ("deb", "debian", "org"),
    ("security", "debian", "org"),
    ("conda", "anaconda", "org"),
]
MACHINE_PATHS = ["/" + "root/", "/" + "work/", "/" + "home/" + r"\w+/", "/" + r"tmp/\w", "/" + "Users/" + r"\w+/"]
MATCH_SPEC = re.compile(
    r"[a-z0-9][a-z0-9._-]*( (?P<versions>(==|>=|<=|!=|~=|<|>|=)[0-9][\w.*]*(,(==|>=|<=|!=|~=|<|>)[0-9][\w.*]*)*))?"
)


@cache
def tracked_texts() -> dict[str, str]:
    """Return what git tracks and can be read as text; skip where there is no git, as in an unpacked archive."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts[name] = content.decode("utf-8", errors="replace")
    return texts


def lines_with(pattern: str) -> list[str]:
    """Return ``file:line`` of each tracked line in which the pattern is found."""
    found = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in tracked_texts().items()
        if found.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if found.search(line)
    ]


@pytest.mark.parametrize("parts", REGISTRY_HOSTS, ids="-".join)
def test_no_tracked_file_names_a_registry(parts: tuple[str, ...]) -> None:
    found = lines_with(r"(?<![\w-])" + re.escape(".".join(parts)) + r"\b")
    assert not found, "\n".join(["packages are named, their registry is the machine's to choose:", *found])


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_tracked_file_names_a_path_of_one_machine(path: str) -> None:
    found = lines_with(r"(?<![\w./}])" + path)
    assert not found, "\n".join(["paths are relative to the repository, or asked of the machine:", *found])


def test_the_npm_lock_holds_no_addresses_of_packages() -> None:
    lock = (ROOT / "tests/npm/package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock


def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def required() -> list[Requirement]:
    """Return all that pyproject.toml asks for, extras and tools included, but for itself."""
    table = project()
    extras = table["project"]["optional-dependencies"].values()
    lists = [table["project"]["dependencies"], *extras, *table["dependency-groups"].values()]
    found = [Requirement(line) for lines in lists for line in lines]
    return [one for one in found if one.name != table["project"]["name"]]


@cache
def locked() -> dict[str, list[Version]]:
    """Return the versions that requirements.lock pins; several where they depend on the Python."""
    pins: dict[str, list[Version]] = {}
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE):
        pins.setdefault(canonicalize_name(name), []).append(Version(version))
    return pins


@pytest.mark.parametrize("wanted", required(), ids=lambda one: one.name)
def test_the_lock_satisfies_pyproject(wanted: Requirement) -> None:
    pins = locked().get(canonicalize_name(wanted.name), [])
    assert pins, f"{wanted} is not in requirements.lock: run `make lock`"
    assert any(pin in wanted.specifier for pin in pins), f"the lock has {pins}, not {wanted}: run `make lock`"


@cache
def environment() -> dict[str, Any]:
    """Return environment.yml."""
    table: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    return table


def conda_specs() -> list[str]:
    """Return the conda packages of environment.yml."""
    return [one for one in environment()["dependencies"] if isinstance(one, str)]


def pip_lines() -> list[str]:
    """Return what environment.yml leaves to pip."""
    return [line for one in environment()["dependencies"] if isinstance(one, dict) for line in one["pip"]]


def test_the_conda_environment_has_its_keys_and_no_others() -> None:
    assert set(environment()) == {"name", "channels", "dependencies"}
    assert environment()["channels"] == ["conda-forge", "nodefaults"]
    assert all(set(one) == {"pip"} for one in environment()["dependencies"] if isinstance(one, dict))


@pytest.mark.parametrize("spec", conda_specs())
def test_a_conda_package_is_written_as_conda_reads_it(spec: str) -> None:
    assert MATCH_SPEC.fullmatch(spec), f"{spec!r} is no conda match specification"


def test_conda_brings_pip_itself_where_pip_installs() -> None:
    assert pip_lines()
    assert "pip" in conda_specs()


def test_pip_installs_this_package_with_extras_that_exist() -> None:
    [line] = pip_lines()
    match = re.fullmatch(r"-e (\S+?)\[([\w,]+)\]", line)
    assert match, f"{line!r} is not of the form -e PATH[EXTRA,EXTRA]"
    assert (ROOT / match[1] / "pyproject.toml").is_file()
    assert set(match[2].split(",")) <= set(project()["project"]["optional-dependencies"])


def test_conda_and_pyproject_ask_for_the_same_versions() -> None:
    asked = {one.name: str(one.specifier) for one in required()} | {"python": project()["project"]["requires-python"]}
    conda = dict(spec.split(" ") for spec in conda_specs() if " " in spec)
    assert {name: asked[name] for name in conda if name in asked} == {n: v for n, v in conda.items() if n in asked}


def test_ci_runs_what_is_run_at_home() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    assert "make test" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize(("told", "expected"), [("uv 0.9.1 (a date)\n", True), ("uv 0.9.10\n", False), ("", False)])
def test_a_version_that_begins_alike_is_another(told: str, expected: bool) -> None:
    is_version = runpy.run_path(str(ROOT / "tools" / "prepare.py"))["is_version"]
    assert is_version(told, "uv 0.9.1") is expected
