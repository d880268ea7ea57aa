"""What the site adds to Sphinx: settings as things that can be linked to, and links from code to the reference."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

from docs.generate.look_up import OBJECTS

_CALL = re.compile(r"(?:await )?([A-Za-z_][\w.]*)(?:\(.*\))?", re.DOTALL)
_SPELT = {spelt: name for name, spelt in OBJECTS.items()} | {"mnb": ""}


class LinksOfCode(SphinxPostTransform):
    """Lets code such as ``run.results()`` or ``mephisto.task.task_reward`` lead to its place in the reference."""

    default_priority = 200

    def run(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page, once all pages are read."""
        for node in list(self.document.findall(nodes.literal)):
            if not _is_in(node, (nodes.reference, nodes.title, addnodes.pending_xref, addnodes.desc_signature)):
                target = self._target(node.astext())
                if target and target[0] != self.env.docname:
                    self._link(node, *target)

    def _link(self, node: nodes.literal, docname: str, anchor: str) -> None:
        here, builder = self.env.docname, self.env._app.builder
        node.replace_self(make_refnode(builder, here, docname, anchor, node.deepcopy()))

    def _settings(self) -> dict[str, tuple[str, str]]:
        """Return where each setting is, by its path and, where no other is called so, by its last name."""
        places: dict[str, dict[str, tuple[str, str]]] = {}
        for (kind, identity), place in self.env.domaindata["std"]["objects"].items():
            if kind == "setting":
                path = identity.rpartition(":")[2]
                for name in {path, path.rpartition(".")[2]}:
                    places.setdefault(name, {}).setdefault(path, place)
        return {name: next(iter(found.values())) for name, found in places.items() if len(found) == 1}

    def _target(self, text: str) -> tuple[str, str] | None:
        # In the reference a single word is most often a parameter that happens to be called like a setting.
        if text in self._settings() and ("." in text or not self.env.docname.startswith("reference/")):
            return self._settings()[text]
        match = _CALL.fullmatch(text)
        if not match:
            return None
        first, _, rest = match[1].partition(".")
        path = f"{_SPELT[first]}.{rest}".strip(".") if first in _SPELT and rest else match[1]
        found = self.env.domaindata["py"]["objects"].get(f"mephisto_nb.{path}")
        return (found.docname, found.node_id) if found else None


def _is_in(node: nodes.Node | None, kinds: tuple[type[nodes.Element], ...]) -> bool:
    while node is not None:
        if isinstance(node, kinds):
            return True
        node = node.parent
    return False


def draw_setting(env: BuildEnvironment, text: str, signature: addnodes.desc_signature) -> str:
    """Draw the line above a setting: its path, type and default; return its name in the index."""
    identity, type_, default = text.split(" | ", 2)
    signature += addnodes.desc_name(identity, identity.rpartition(":")[2])
    signature += addnodes.desc_annotation("", f": {type_}")
    signature += addnodes.desc_annotation("", ", required" if default == "required" else f" = {default}")
    return identity


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_object_type("setting", "setting", "pair: %s; setting", draw_setting, objname="setting")
    app.add_post_transform(LinksOfCode)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
