"""The user's own configuration: ``~/.mephisto/config.yml``, or the file that ``MEPHISTO_CONFIG`` names.

It has sections of keys and values, as in Mephisto 1.x, whose file is understood. Reading creates nothing. A write
replaces the file as a whole, under a lock that other processes respect, and loses the comments in it. On POSIX systems
the file, and folders made for it, are closed to other users; on Windows they inherit the rights of the home folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.ports.named_secrets import CONFIG_VARIABLE, get_config_path
from mephisto_nb.utils.private_files import (
    close_file,
    make_folders,
    make_private_folder,
    warn_of_open_parents,
    write_private,
)

__all__ = [
    "CONFIG_VARIABLE",
    "add_config_arg",
    "get_config",
    "get_config_arg",
    "get_config_path",
    "get_data_directory",
    "get_raw_config",
    "init_config",
    "write_config",
]

DATA_VARIABLE = "MEPHISTO_DATA_DIR"
_LOCK_PATIENCE = 10.0

#: As Mephisto 1.x calls them: the section and key of the data directory, and where the file is if nothing else is said.
CORE_SECTION = "core"
DATA_STORAGE_KEY = "main_data_directory"
DEFAULT_CONFIG_FOLDER = str(Path("~/.mephisto").expanduser())
DEFAULT_CONFIG_FILE = str(Path(DEFAULT_CONFIG_FOLDER) / "config.yml")


def get_config() -> JSONObject:
    """Read the whole configuration; without a file it is empty.

    Raises
    ------
    ConfigError
        The file cannot be read or is no YAML of sections; the message names its path and line.
    """
    path = get_config_path()
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_place(path, error)} is no valid YAML: {error}. Mend the file, or remove it.") from error
    except OSError as error:
        raise ConfigError(f"The configuration {path} cannot be read: {error}. Mend its permissions.") from error
    if config is None:
        return {}
    if not isinstance(config, dict) or not all(isinstance(section, dict | None) for section in config.values()):
        raise ConfigError(f"{path} must hold sections of keys and values, such as 'core:\\n  key: value'. Mend it.")
    return {str(name): section or {} for name, section in config.items()}


def get_raw_config() -> str:
    """Return the configuration as it is written, without what is blank around it; empty where there is no file.

    Raises
    ------
    ConfigError
        The file cannot be read.
    """
    path = get_config_path()
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration {path} cannot be read: {error}. Mend its permissions.") from error


def write_config(config: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the whole configuration, at once or not at all.

    Raises
    ------
    ConfigError
        A value is not something that YAML can hold.
    WorldError
        The file cannot be written, or another process keeps it locked.
    """
    with _locked() as path:
        _replace(path, config)


def init_config() -> None:
    """Make an empty configuration file, unless there is one.

    Raises
    ------
    WorldError
        The file cannot be written.
    """
    with _locked() as path:
        if not path.exists():
            _replace(path, {"core": {}})


def add_config_arg(section: str, key: str, value: JSON) -> None:
    """Set one value; what other processes set meanwhile stays.

    Raises
    ------
    ConfigError
        The file is broken, or `value` is not something that YAML can hold.
    WorldError
        The file cannot be written, or another process keeps it locked.

    Examples
    --------
    >>> add_config_arg("core", "main_data_directory", "~/annotation")  # doctest: +SKIP
    """
    with _locked() as path:
        config = get_config()
        config.setdefault(section, {})[key] = value
        _replace(path, config)


def get_config_arg(section: str, key: str) -> JSON:
    """Return one value, or None where there is none.

    Raises
    ------
    ConfigError
        The file is broken.

    Examples
    --------
    >>> get_config_arg("no_such_section", "key") is None
    True
    """
    return get_config().get(section, {}).get(key)


def get_data_directory(explicit: str | os.PathLike[str] | None = None, *, create: bool = False) -> Path:
    """Tell where data is kept.

    That is `explicit`, or else the environment variable ``MEPHISTO_DATA_DIR``, the configuration's
    ``core.main_data_directory``, or ``~/.mephisto/data``: the first that is given.

    Parameters
    ----------
    create
        Make the folder, closed to other users, if it is not there; close it, and the configuration file, if they are.

    Raises
    ------
    ConfigError
        The configuration file is broken, or names no path; or the folder belongs to another user.
    WorldError
        The folder cannot be made.
    """
    chosen = explicit or os.environ.get(DATA_VARIABLE) or get_config_arg("core", "main_data_directory")
    if not isinstance(chosen, str | os.PathLike | None):
        raise ConfigError(f"core.main_data_directory in {get_config_path()} is {chosen!r}; it must be a path.")
    path = Path(chosen or "~/.mephisto/data").expanduser().absolute()
    if create:
        make_private_folder(path)
        warn_of_open_parents(path)
        with suppress(ConfigError):  # of root's, say, for everybody: only read
            close_file(get_config_path())
    return path


@contextmanager
def _locked() -> Iterator[Path]:
    """Hold the lock beside the configuration file, and give the file's path."""
    path = get_config_path()
    try:
        make_folders(path.parent)
    except OSError as error:
        raise WorldError(f"The folder {path.parent} cannot be made: {error}.") from error
    lock = FileLock(f"{path}.lock", timeout=_LOCK_PATIENCE, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise WorldError(
            f"The configuration {path} was locked by another process for {_LOCK_PATIENCE:g} seconds. Try again."
        ) from error
    except OSError as error:
        raise WorldError(
            f"The configuration {path} cannot be locked: {error}. Mend the rights of its folder."
        ) from error
    try:
        yield path
    finally:
        lock.release()


def _replace(path: Path, config: Mapping[str, Any]) -> None:
    """Write a file beside `path`, make sure it is on the disk, and put it in place."""
    try:
        text = yaml.safe_dump({name: dict(section) for name, section in config.items()}, allow_unicode=True)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError(f"The configuration holds what YAML cannot: {error}. Use texts, numbers, lists.") from error
    try:
        write_private(path, text)
        _sync_directory(path.parent)
    except OSError as error:
        raise WorldError(f"The configuration {path} cannot be written: {error}.") from error


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _place(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path}, line {mark.line + 1}," if mark else str(path)
