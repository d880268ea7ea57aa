"""The reference of the names that people type: a page for what they meet as an object, one for all else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from docs.generate.docstrings import prose, summary, to_markdown
from docs.generate.look_up import OBJECTS, Member, attribute_docs, called, find, members, parts, public_names

_START = "```{py:currentmodule} mephisto_nb\n```\n"
_ARTICLES = {"Operator": "an `Operator`", "TaskRun": "a `TaskRun`"}
#: What one writes a plugin with.
_BASES = ("Architect", "Blueprint", "CrowdProvider", "TaskRunner")
#: What people's own functions are handed, and what functions of ours return: met, but never made by hand.
_HANDED = ("SubmittedUnit", "LiveAgent", "LiveAgents", "OldMephisto", "Forecast", "simulate_workers")


def pages() -> dict[str, str]:
    """Return the pages of the reference that are about names, by file name."""
    names = public_names()
    others = {name: value for name, value in names.items() if name not in (*OBJECTS, *_BASES)}
    return {
        **{f"{spelt}.md": _object_page(name, spelt, names[name]) for name, spelt in OBJECTS.items()},
        "functions.md": _page(
            "Functions and classes",
            "What `import mephisto_nb as mnb` offers beside the operator and its runs.",
            [_entry(name, value) for name, value in others.items()],
        ),
        "handed.md": _page(
            "What your functions are handed",
            "What is met as an argument or a result: the unit in `on_unit_submitted`, those who talk in a "
            "conversation, the data of Mephisto 1.x (`mnb.open_mephisto`), a forecast (`mnb.forecast`); and the "
            "simulated workers of `mephisto_nb.testing`.",
            [_entry(name, find(name)) for name in _HANDED],
        ),
        "bases.md": _page(
            "Base classes of plugins",
            "What a blueprint, a crowd provider, an architect or the code of a live task derives from. "
            "[](../plugins.md) says how.",
            [_entry(name, names[name]) for name in _BASES],
        ),
    }


def _page(title: str, text: str, entries: Iterable[str]) -> str:
    return "\n".join([f"# {title}\n", _START, text, "", *entries])


def _object_page(name: str, spelt: str, cls: type[Any]) -> str:
    hanging = parts(cls)
    rows = [_row(name, one.name, one.doc(cls)) for one in members(cls)]
    for part, part_class in hanging.items():
        rows.append(_row(name, part, attribute_docs(cls)[part]))
        rows += [_row(name, f"{part}.{one.name}", one.doc(part_class)) for one in members(part_class)]
    table = "\n".join(["| name | what it does, or is |", "| --- | --- |", *rows])
    body = _body(cls)
    for part, part_class in hanging.items():
        call = called(part_class)
        body += [_member(call, part_class, part)] if call else []
        body += [_member(one, part_class, f"{part}.{one.name}") for one in members(part_class)]
    return _page(
        f"`{spelt}`",
        f"What `{spelt}` offers, which is {_ARTICLES[name]}. What begins with `async` is a coroutine, to be awaited."
        f"\n\n{table}\n",
        [_directive("py:class", _signature(name, cls), to_markdown(cls.__doc__ or ""), body)],
    )


#: Where a docstring says which function makes a frame, the reference leads to the frame's columns.
_COLUMNS = re.compile(r"\s*\(columns: `[\w.]+`\)")


def _row(cls: str, path: str, doc: str) -> str:
    return f"| {{py:obj}}`{path} <mephisto_nb.{cls}.{path}>` | {summary(_COLUMNS.sub('', doc))} |"


def _entry(name: str, value: Any) -> str:
    doc = to_markdown(inspect.getdoc(value) or "")
    if inspect.isclass(value):
        return _directive("py:class", _signature(name, value), doc, _body(value))
    options = {"async": ""} if inspect.iscoroutinefunction(value) else {}
    return _directive("py:function", _signature(name, value), doc, options=options)


def _body(cls: type[Any]) -> list[str]:
    methods = [one for one in members(cls) if one.doc(cls)]
    documented = attribute_docs(cls).items()
    shown_below = {one.name for one in methods} | {name for name, part in parts(cls).items() if called(part)}
    attributes = {name: text for name, text in documented if name not in shown_below}
    shown = [_directive("py:attribute", name, prose(text), depth=4) for name, text in attributes.items()]
    return shown + [_member(one, cls) for one in methods]


def _member(member: Member, owner: type[Any], spelt: str = "") -> str:
    doc = _COLUMNS.sub(" ([columns](frames.md))", to_markdown(member.doc(owner)))
    name = spelt or member.name
    if member.is_property:
        returns = inspect.signature(member.function).return_annotation
        shown = inspect.formatannotation(_as_written(returns))
        typed = {} if returns is inspect.Signature.empty else {"type": shown}
        return _directive("py:property", name, doc, options=typed, depth=4)
    kinds = {
        "async": inspect.iscoroutinefunction(member.function),
        "classmethod": isinstance(member.value, classmethod),
        "staticmethod": isinstance(member.value, staticmethod),
        "abstractmethod": getattr(member.function, "__isabstractmethod__", False),
    }
    options = {kind: "" for kind, holds in kinds.items() if holds}
    return _directive("py:method", _signature(name, member.function, bound=True), doc, options=options, depth=4)


def _signature(name: str, value: Any, *, bound: bool = False) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    parameters = list(signature.parameters.values())
    if bound and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    plain = signature.replace(
        parameters=[one.replace(annotation=_as_written(one.annotation)) for one in parameters],
        return_annotation=signature.empty if inspect.isclass(value) else _as_written(signature.return_annotation),
    )
    return name + str(plain).replace("<factory>", "...").replace("\n", " ")


class _Written:
    """An annotation that is shown as it stands in the source, without quotation marks."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _as_written(annotation: Any) -> Any:
    return _Written(annotation) if isinstance(annotation, str) else annotation


def _directive(
    kind: str,
    signature: str,
    body: str,
    inner: Iterable[str] = (),
    options: dict[str, str] | None = None,
    depth: int = 6,
) -> str:
    fence = ":" * depth
    lines = [
        f"{fence}{{{kind}}} {signature}",
        *[f":{name}: {value}".rstrip() for name, value in (options or {}).items()],
    ]
    return "\n".join([*lines, "", body, "", *inner, fence, ""])
