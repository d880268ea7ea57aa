"""Secrets that settings name and never hold: from the environment, or from the researcher's own file.

A configuration is stored with its run, shown, and exported; so it holds the name of a secret, and the secret itself
stays where its owner has put it: in the environment, as ``MEPHISTO_SECRET_`` and the name in capitals, or in the
section ``secrets`` of ``~/.mephisto/config.yml``. No name leads to anything else of the environment.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.yaml_text import MOST_SETTINGS, load_yaml
from mephisto_nb.utils.proofs import Secret

CONFIG_VARIABLE = "MEPHISTO_CONFIG"
#: The section of the researcher's own file.
SECTION = "secrets"
_VARIABLE = "MEPHISTO_SECRET_NAME"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}", re.ASCII)


def get_config_path() -> Path:
    """Return the path of the researcher's own file, which may not exist yet."""
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else Path("~/.mephisto/config.yml")
    return path.expanduser().resolve()  # a link to a file elsewhere stays a link


def find_secret(name: str, where: str) -> Secret:
    """Return the secret of this name.

    Parameters
    ----------
    name
        As it stands in a setting.
    where
        The setting, as the message names it.

    Raises
    ------
    ConfigError
        It is no name, or there is no secret under it. What stands there is not repeated: it may be the secret itself.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where} is no name of a secret: a name has at most 40 letters, digits and underscores. If it is the "
            f"secret itself, take it out of your configuration, and {_how()}."
        )
    found = os.environ.get(_VARIABLE.replace("NAME", name.upper())) or _from_file(name, where)
    if not found:
        shown = repr(name) if re.fullmatch(r"[A-Za-z]+(_[A-Za-z]+)*_?\d{0,2}", name) else "the name"
        raise ConfigError(f"{where} names a secret, and there is none under {shown}. To keep one, {_how()}.")
    return Secret(found)


def find_account_secret(section: str, account: str, key: str, variable: str) -> Secret | None:
    """Return a secret of an account that the researcher has registered, as a crowd's token; None: there is none.

    Parameters
    ----------
    section, account, key
        Where it is in their own file: ``section: {account: {key: ...}}``.
    variable
        The variable of the environment that holds one for accounts which are not registered.

    Raises
    ------
    ConfigError
        The file cannot be read.
    """
    kept = _read_file(f"The account {account!r} of {section!r}").get(section)
    accounts = kept if isinstance(kept, dict) else {}
    fields = accounts.get(account)
    found = fields.get(key) if isinstance(fields, dict) else None
    value = found if isinstance(found, str) and found.strip() else os.environ.get(variable, "")
    return Secret(value.strip()) if value.strip() else None


def _from_file(name: str, where: str) -> str:
    section = _read_file(where).get(SECTION)
    value = section.get(name) if isinstance(section, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _read_file(where: str) -> dict[str, Any]:
    path = get_config_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} names a secret, and {path} cannot be read: {type(error).__name__}.") from error
    try:
        config: Any = load_yaml(text, MOST_SETTINGS)
    except ConfigError:
        # What YAML says of a text that it cannot read repeats its lines.
        raise ConfigError(f"{where} names a secret, and {path} is no valid YAML. Mend the file.") from None
    return config if isinstance(config, dict) else {}


def _how() -> str:
    return (
        "call config_handler.add_config_arg('secrets', 'NAME', getpass.getpass()) of mephisto_nb.config, which writes "
        f"it into {get_config_path()}, or set {_VARIABLE} in the environment; then give the name alone"
    )
