"""The reference of settings: every field of every dataclass that a configuration is made of."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mephisto_nb as mnb
from docs.generate.docstrings import described, escape, prose, sections
from docs.generate.look_up import find, plugins
from mephisto_nb.providers.external import ExitArgs, SignedArrivalArgs, SignedExitArgs
from mephisto_nb.rules.gates.table import GATES


@dataclass(frozen=True)
class Setting:
    """One field: where it is written, what it takes, what it is without being set, and what is said about it."""

    path: str
    type: str
    default: str
    text: str


@dataclass(frozen=True)
class Group:
    """The settings of one class. `of` tells settings of the same path apart: the name of a plugin."""

    title: str
    path: str
    args: type[Any]
    of: str = ""
    intro: str = ""

    def settings(self) -> Iterator[Setting]:
        """Return the settings of the class, in its order, without the one that names the plugin itself."""
        said = described(self.args)
        types = inspect.get_annotations(self.args) | {one.name: one.type for one in dataclasses.fields(self.args)}
        for one in dataclasses.fields(self.args):
            names_plugin = re.fullmatch(r"_\w+_type", one.name) and one.name not in said
            is_section = dataclasses.is_dataclass(_default_of(one)) or one.type == "Any"
            if not names_plugin and not is_section:
                yield Setting(f"{self.path}{one.name}", str(types[one.name]), _shown(one), said.get(one.name, ""))


def groups() -> list[Group]:
    """Return all settings, in the order of the page."""
    blueprints = [
        Group(f"The blueprint `{name}`", "mephisto.blueprint.", plugin.ArgsClass, name)
        for name, plugin in plugins("blueprints").items()
    ]
    servers = [
        Group(f"The {section} `{name}`", f"mephisto.{section}.", plugin.ArgsClass, name)
        for section, kind in (("provider", "providers"), ("architect", "architects"))
        for name, plugin in plugins(kind).items()
    ]
    servers += [
        Group(
            "Each way back of `external`, as after `completed`", "mephisto.provider.completed.", ExitArgs, "external"
        ),
        Group("Signed arrivals of `external`", "mephisto.provider.signed.", SignedArrivalArgs, "external"),
        Group("Signed ways back of `external`", "mephisto.provider.signed_exit.", SignedExitArgs, "external"),
    ]
    return [
        Group("The task", "mephisto.task.", find("TaskRunArgs")),
        *blueprints,
        *(Group(f"The gate `{gate.NAME}`", "mephisto.blueprint.", gate.SETTINGS, "gates") for gate in GATES),
        Group("What follows from all gates", "mephisto.blueprint.", find("CommonGateSettings"), "gates"),
        *servers,
        Group("The database", "mephisto.database.", find("DatabaseArgs")),
        Group("The configuration as a whole", "mephisto.", find("MephistoConfig")),
        Group("A script's own", "", find("TaskConfig")),
        Group("Limits of the router", "", find("Limits"), "limits"),
    ]


def page() -> str:
    """Return the page of all settings."""
    lines = [
        "# Settings",
        "",
        "Settings are given to `mnb.compose`: by `task={...}`, `blueprint_args={...}`, `provider_args={...}` and",
        '`architect_args={...}` under their last name, by `overrides=["mephisto.task.task_reward=0.15"]` or in a YAML',
        "file under their whole name. One that nothing knows is refused, and the nearest right one is named.",
        "[](../guides/settings.md) says where else settings come from.",
        "",
    ]
    for group in groups():
        lines += [f"## {group.title}", "", _intro(group.args), ""]
        for one in group.settings():
            identity = f"{group.of}:{one.path}" if group.of else one.path
            lines += [f"::::{{setting}} {identity} | {one.type} | {one.default}", "", prose(one.text), "", "::::", ""]
    return "\n".join(lines)


def environment_variables() -> set[str]:
    """Return the names of the environment variables that the package reads."""
    root = Path(mnb.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in root.rglob("*.py")]
    return {name for text in sources for name in re.findall(r"\"(MEPHISTO_[A-Z_]+)\"", text)}


def _intro(args: type[Any]) -> str:
    return escape(sections(args.__doc__ or "")[""])


def _default_of(one: dataclasses.Field[Any]) -> Any:
    if one.default_factory is not dataclasses.MISSING:
        return one.default_factory()
    return one.default


def _shown(one: dataclasses.Field[Any]) -> str:
    default = _default_of(one)
    return "required" if default in ("???", dataclasses.MISSING) else repr(default)
