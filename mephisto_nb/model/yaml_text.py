"""YAML from other people, as plain data, unless it is a trap.

Stands alone because configurations, forms and old data all hold YAML, and know nothing of each other.
"""

from __future__ import annotations

from typing import Any

import yaml

from mephisto_nb.errors import ConfigError

#: So many values a description holds at most, each counted as often as it is used: a few lines can stand for billions.
MOST_VALUES = 2_000_000
#: So many a configuration holds: much is done with each of its values.
MOST_SETTINGS = 50_000


def load_yaml(text: str, most: int = MOST_VALUES) -> Any:
    """Read YAML as plain data, unless a few lines of it stand for more values than anybody can mean.

    Parameters
    ----------
    most
        So many values it may hold.

    Raises
    ------
    ConfigError
        It is no YAML, or describes too much, or itself.
    """
    loader = None
    try:
        loader = yaml.SafeLoader(text)  # it reads what it is given already
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, most, {}, set())
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"It is no valid YAML: {error or 'it is nested too deeply'}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _count(node: yaml.Node, most: int, known: dict[int, int], open_: set[int]) -> int:
    """Count the values of a description, those that are used several times as often as they are; days become text.

    A name may look like a day that there never was, as 2024-02-30, and JSON has no days.
    """
    if id(node) in known:
        return known[id(node)]
    if id(node) in open_:
        raise ConfigError("It holds itself (an alias of YAML within what it stands for). Write the value out.")
    open_.add(id(node))
    node.tag = "tag:yaml.org,2002:str" if node.tag == "tag:yaml.org,2002:timestamp" else node.tag
    inner = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
    total = 1 + sum(_count(one, most, known, open_) for one in inner)
    open_.discard(id(node))
    known[id(node)] = total
    if total > most:
        raise ConfigError(
            f"It stands for more than {most:,} values, each alias of YAML counted as often as it is used. "
            "Write out what is meant."
        )
    return total
