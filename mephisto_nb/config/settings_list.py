"""All settings there are, as a frame: what each one is called, does, and is without being set."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from mephisto_nb.config.typed_config import SECTIONS, DatabaseArgs, MephistoConfig
from mephisto_nb.config.whole_frame import WholeFrame
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.rules.gates._base import CommonGateSettings
from mephisto_nb.rules.gates.table import GATES
from mephisto_nb.utils.calling import known_options

_HEADING = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)


@known_options
def settings(search: str = "", blueprint: str | None = None) -> WholeFrame:
    """Return all settings of a task's configuration, or those that are about something.

    Parameters
    ----------
    search
        A word that stands in their names or descriptions, as ``pay``; capital letters do not count.
    blueprint
        Leave the settings of other blueprints out.

    Returns
    -------
    pandas.DataFrame
        One row a setting: ``setting`` (its whole name, as for ``overrides``), ``default`` (``required`` where it has
        none), ``what_it_does``, ``plugin`` (whose it is, ``gates`` for any
        blueprint's; "" where all runs have it), and ``type``.

    Raises
    ------
    UnknownTypeError
        There is no such blueprint.

    Examples
    --------
    >>> settings("minimum_hourly")["setting"].tolist()
    ['mephisto.task.minimum_hourly_pay']
    """
    if blueprint is not None:
        SECTIONS["blueprint"].get_class(blueprint)
    rows = [row for row in _rows(blueprint) if search.lower() in f"{row[0]} {row[2]}".lower()]
    return WholeFrame(rows, columns=["setting", "default", "what_it_does", "plugin", "type"], dtype="string")


def _rows(blueprint: str | None) -> Iterator[tuple[str, ...]]:
    yield from _of("mephisto.task.", TaskRunArgs, "")
    for section, plugins in SECTIONS.items():
        for name in plugins.get_valid_types():
            if section == "blueprint" and blueprint not in (None, name):
                continue
            yield from _of(f"mephisto.{section}.", plugins.get_class(name).ArgsClass, name)
    for gate in (*(gate.SETTINGS for gate in GATES), CommonGateSettings):
        yield from _of("mephisto.blueprint.", gate, "gates")
    yield from _of("mephisto.database.", DatabaseArgs, "")
    yield from _of("mephisto.", MephistoConfig, "")


def _of(prefix: str, args: type[Any], plugin: str) -> Iterator[tuple[str, ...]]:
    said = described(args)
    for one in dataclasses.fields(args):
        default = one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default
        if plugin and dataclasses.is_dataclass(default) and not isinstance(default, type):
            yield from _of(f"{prefix}{one.name}.", type(default), plugin)
            continue
        if re.fullmatch(r"_\w+_type", one.name) or dataclasses.is_dataclass(default) or one.type == "Any":
            continue
        shown = "required" if default in ("???", dataclasses.MISSING) else repr(default)
        words = re.sub(r"\s+", " ", said.get(one.name, "")).replace("``", "")
        kind = one.type if isinstance(one.type, str) else getattr(one.type, "__name__", str(one.type))
        yield f"{prefix}{one.name}", shown, words, plugin, kind


def described(cls: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say about its fields, by name."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, text in sections(base.__doc__ or "").items():
            if name in ("Parameters", "Attributes"):
                found |= entries(text)
    return found


def sections(docstring: str) -> dict[str, str]:
    """Split a docstring at its headings; what stands before the first is under ''."""
    pieces = _HEADING.split(inspect.cleandoc(docstring))
    return {"": pieces[0].strip()} | {
        name: text.strip("\n") for name, text in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def entries(section: str) -> dict[str, str]:
    """Return what is said about each name of a section; names that share a description each have it."""
    found: dict[str, list[str]] = {}
    terms = ""
    for line in section.splitlines():
        if line and not line[0].isspace():
            terms = line
            found[terms] = []
        elif terms:
            found[terms].append(line)
    texts = {terms: inspect.cleandoc("\n".join(lines)) for terms, lines in found.items()}
    return {name.strip(): text for terms, text in texts.items() for name in terms.partition(" : ")[0].split(",")}
