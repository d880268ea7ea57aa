"""The names of its modules that users' scripts call are here too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mephisto_nb.config import config_handler, hydra_config, registry

#: Names that have no meaning here, and why.
WITHOUT_MEANING = {
    "OLD_DATA_CONFIG_LOC": "a file of versions before 0.2",
    "LOGGING_OVERRIDE": "logs are not Hydra's here",
    "config": "Hydra's store is filled while a configuration is composed",
    "logger": "its own",
    "register_abstraction_config": "register_mephisto_abstraction does it all",
    "initialize_named_configs": "nothing has to be initialised",
    "check_for_hydra_compat": "of versions before 0.4",
    "get_dict_from_field": "for its old web server",
    "get_extra_argument_dicts": "for its old web server",
    "get_task_state_dicts": "for its old web server",
    "parse_arg_dict": "for its old web server",
    "uses_mephisto": "for its own command",
}


def _names(path: Path) -> set[str]:
    tree, found = ast.parse(path.read_text(encoding="utf-8")), set[str]()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("ours", [config_handler, hydra_config, registry], ids=lambda module: module.__name__)
def test_what_a_module_offers_is_offered_here(upstream: Path, ours: object) -> None:
    name = ours.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    wanted = _names(upstream / "mephisto" / "operations" / f"{name}.py") - set(WITHOUT_MEANING)
    assert sorted(one for one in wanted if not hasattr(ours, one)) == []
