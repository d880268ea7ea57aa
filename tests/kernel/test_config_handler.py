"""The user's configuration file is private, whole at every moment, and shared by processes without loss."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from filelock import FileLock

from mephisto_nb.config import config_handler
from mephisto_nb.config.config_handler import (
    add_config_arg,
    get_config,
    get_config_arg,
    get_config_path,
    get_data_directory,
    init_config,
    write_config,
)
from mephisto_nb.errors import ConfigError, WorldError

posix = pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("MEPHISTO_CONFIG", raising=False)
    monkeypatch.delenv("MEPHISTO_DATA_DIR", raising=False)
    return tmp_path


def write_file(text: str) -> Path:
    path = get_config_path()
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def add_ten(writer: int) -> None:
    for number in range(10):
        add_config_arg("core", f"key_{writer}_{number}", number)


def test_reading_creates_nothing(home: Path) -> None:
    assert get_config() == {}
    assert get_config_arg("core", "main_data_directory") is None
    assert get_data_directory() == home / ".mephisto" / "data"
    assert list(home.iterdir()) == []


def test_what_is_written_is_read() -> None:
    write_config({"core": {"main_data_directory": "/data/größe"}})
    add_config_arg("mturk", "profile", ["lab"])
    assert get_config() == {"core": {"main_data_directory": "/data/größe"}, "mturk": {"profile": ["lab"]}}


@posix
def test_file_and_folders_are_for_their_owner_alone(home: Path) -> None:
    init_config()
    get_data_directory(create=True)
    assert rights(home / ".mephisto" / "config.yml") == 0o600
    assert rights(home / ".mephisto") == rights(home / ".mephisto" / "data") == 0o700


def test_the_file_is_read_as_text_by_the_names_of_mephisto_1() -> None:
    assert config_handler.get_raw_config() == ""
    add_config_arg(config_handler.CORE_SECTION, config_handler.DATA_STORAGE_KEY, "/data")
    assert config_handler.get_raw_config() == "core:\n  main_data_directory: /data"
    assert config_handler.DEFAULT_CONFIG_FILE.endswith("config.yml")


def test_initialising_keeps_what_is_there() -> None:
    init_config()
    add_config_arg("core", "key", 1)
    init_config()
    assert get_config() == {"core": {"key": 1}}


def test_a_mephisto_1_file_is_understood() -> None:
    write_file("core:\n  main_data_directory: /data/mephisto\nmturk:\n")
    assert get_data_directory() == Path("/data/mephisto")
    assert get_config()["mturk"] == {}


def test_the_environment_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEPHISTO_CONFIG", str(tmp_path / "lab" / "other.yml"))
    add_config_arg("core", "key", "value")
    assert (tmp_path / "lab" / "other.yml").read_text() == "core:\n  key: value\n"


@posix
def test_a_link_stays_a_link(home: Path) -> None:
    (home / "dotfiles").mkdir()
    (home / ".mephisto").mkdir()
    (home / ".mephisto" / "config.yml").symlink_to(home / "dotfiles" / "config.yml")
    add_config_arg("core", "key", 1)
    assert (home / ".mephisto" / "config.yml").is_symlink()
    assert (home / "dotfiles" / "config.yml").is_file()


def test_broken_yaml_is_told_with_path_and_line() -> None:
    path = write_file("core:\n  key: [1\nother: 2\n")
    with pytest.raises(ConfigError, match=rf"{path}, line 3, is no valid YAML"):
        get_config()
    with pytest.raises(ConfigError):
        add_config_arg("core", "key", 1)
    assert path.read_text() == "core:\n  key: [1\nother: 2\n"


@pytest.mark.parametrize("text", ["- 1\n", "core: 3\n", "just text\n"])
def test_a_file_of_another_shape_is_refused(text: str) -> None:
    write_file(text)
    with pytest.raises(ConfigError, match="must hold sections"):
        get_config()


def test_what_yaml_cannot_hold_is_refused_and_nothing_is_lost(home: Path) -> None:
    add_config_arg("core", "key", 1)
    with pytest.raises(ConfigError, match="what YAML cannot"):
        add_config_arg("core", "other", object())
    assert get_config() == {"core": {"key": 1}}
    assert sorted(path.name for path in (home / ".mephisto").iterdir() if path.suffix != ".lock") == ["config.yml"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_config_arg("core", "key", 1)

    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(WorldError, match="No space left"):
        add_config_arg("core", "key", 2)
    assert get_config_arg("core", "key") == 1
    assert not [path for path in (home / ".mephisto").iterdir() if path.name.startswith(".config.yml.")]


@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing() -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(add_ten, range(4))
    assert get_config()["core"] == {f"key_{writer}_{number}": number for writer in range(4) for number in range(10)}


def test_a_lock_that_is_never_given_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_handler, "_LOCK_PATIENCE", 0.0)
    init_config()
    with FileLock(f"{get_config_path()}.lock"), pytest.raises(WorldError, match="locked by another"):
        add_config_arg("core", "key", 1)


def test_the_data_directory_is_the_first_that_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_config_arg("core", "main_data_directory", "~/configured")
    assert get_data_directory() == home / "configured"
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(home / "environment"))
    assert get_data_directory() == home / "environment"
    assert get_data_directory("~/explicit") == home / "explicit"
    assert not (home / "explicit").exists()
    assert get_data_directory("~/explicit", create=True).is_dir()


def test_a_data_directory_that_is_no_path_is_refused() -> None:
    add_config_arg("core", "main_data_directory", 3)
    with pytest.raises(ConfigError, match="it must be a path"):
        get_data_directory()


def test_a_data_directory_that_cannot_be_made_is_told(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(WorldError, match="cannot be made"):
        get_data_directory(home / "file" / "data", create=True)


def test_a_lock_that_cannot_be_made_is_told() -> None:
    Path(f"{write_file('')}.lock").mkdir()
    with pytest.raises(WorldError, match="cannot be locked"):
        add_config_arg("core", "key", 1)
