"""Files beside the page: what of the extra folder is published, and whether what rows and templates name is there.

Whoever has the address can read what is published. So what no page needs is left out: what is hidden, code, databases,
the package's own data, what links lead to elsewhere, and the files that settings name.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
import posixpath
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.template import as_browsers_read
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.utils.foreign import Bound, as_path, copy_file, holds_everything, inside, refuse_special
from mephisto_nb.utils.private_files import IMPORTED, is_own_folder, own_folder_around

#: What no page loads, by its name, and what it is.
_KINDS = {
    "hidden": (".*",),
    "this package's own data": ("link_secret", "router.json", "router_config.json", "*.migrating", IMPORTED),
    "code": ("*.py", "*.pyc", "*.pyi", "*.ipynb", "*.R", "*.Rmd", "*.sh", "__pycache__", "node_modules", "*.egg-info"),
    "a source of a build": ("*.jsx", "*.tsx", "package.json", "package-lock.json"),
    "a database": ("*.db", "*.db-*", "*.sqlite", "*.sqlite3", "*.sqlite-*", "*.sqlite3-*", "*.duckdb"),
    "a secret": ("*.pem", "*.key", "*.p12", "*.kdbx", "id_rsa*", "id_ed25519*", "credentials*.json", "secrets.[jty]*"),
    "a pickle": ("*.pkl", "*.pickle"),
    "a backup": ("*~", "*.bak", "*.swp", "Thumbs.db", "desktop.ini"),
}
#: What pages seldom load, and what may hold right answers or results.
_TABLES = (
    "*.csv", "*.tsv", "*.xls", "*.xlsx", "*.ods", "*.parquet", "*.feather", "*.json", "*.jsonl", "*.sav", "*.dta",
    "*.rds", "*.zip", "*.tar", "*.gz", "*.log", "*.doc", "*.docx", "*.yml", "*.yaml", "*.toml", "*.ini", "*.cfg",
    "*.sql", "*.md", "*.tex", "*.bib",
)  # fmt: skip
#: Files of which nobody needs to be told that they are left out.
_OF_COURSE = (".DS_Store", ".ipynb_checkpoints", ".gitkeep", ".gitignore", "Thumbs.db", "desktop.ini", "__pycache__")
_OURS = "this package's own data"
#: What nobody gets, even where a template names it.
_NEVER = ("hidden", _OURS)
#: From how many files, or bytes, on somebody may have meant another folder.
_MANY, _LARGE = 2_000, 500_000_000
#: So many bytes are copied at most, and left free on the disk.
_MOST_COPIED, _LEFT_FREE = 20_000_000_000, 512_000_000
_NAMED = 5
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
#: What is an address as it stands, but not of the file of that name.
_ODD = re.compile(r"[#?%]")


@dataclass(frozen=True)
class ExtraFiles:
    """The files of the extra folder.

    Parameters
    ----------
    root
        The folder; None: none is set.
    files
        What is published, by its name on the site.
    left_out
        What is not, by its name in the folder, and why.
    """

    root: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def odd_names(self) -> dict[str, str]:
        """The addresses of files whose names are none as they stand, by the names as rows may write them (NFC)."""
        odd = {name for name in self.files if _ODD.search(name) or name != _composed(name)}
        return {_composed(name): quote(name) for name in sorted(odd)}

    def find(self, address: str, others: Collection[str] = ()) -> bool:
        """Return whether an address, as a template or a row holds it, is none of a local file or leads to one."""
        name = local_name(address)
        if name is None:
            return True
        plain = unquote(re.split("[?#]", name)[0])
        meant = {_composed(posixpath.normpath(one)) for one in (name, plain)}
        return not (meant.isdisjoint(self._known) and meant.isdisjoint(others))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(map(_composed, self.files))

    def explain(self, address: str) -> str:
        """Say where a file was looked for, and what could be done, behind the address."""
        name = posixpath.normpath(local_name(address) or "")
        if self.root is None:
            return "and extra_source_dir is not set. Set it to the folder that holds the file"
        root = self.root.resolve()
        if (path := Path(address)).is_absolute() and path.resolve().is_relative_to(root):
            return f"a path on this computer. Write {path.resolve().relative_to(root).as_posix()!r}"
        parts = name.split("/")
        for length in range(1, len(parts) + 1):
            if why := self.left_out.get("/".join(parts[:length])):
                return f"which is not published, being {why}. Give it another name or place"
        near = difflib.get_close_matches(name, self.files, n=1) or [
            one for one in self.files if posixpath.basename(one) == posixpath.basename(name)
        ]
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return f"but {self.root.absolute()} has no such file.{meant} Put it into that folder, or correct the name"

    def describe(self) -> str:
        """Say what is published: how many files, and how large they are."""
        size = sum(path.stat().st_size for path in self.files.values())
        shown = f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"
        return f"{len(self.files):,} file{'' if len(self.files) == 1 else 's'} ({shown})"

    def find_doubts(self) -> str:
        """Say what somebody should know of what is published; '' where nothing is of note."""
        tables = [name for name in self.files if _is_one_of(name, _TABLES)]
        omitted = [name for name in self.left_out if not _is_one_of(name, _OF_COURSE)]
        is_large = len(self.files) > _MANY or sum(one.stat().st_size for one in self.files.values()) > _LARGE
        is_here = self.root is not None and self.root.resolve() == Path.cwd()
        if not (tables or omitted or is_large or is_here):
            return ""
        among = f", among them {_few(tables)}" if tables else ""
        without = f". Left out: {_few(f'{name} ({self.left_out[name]})' for name in omitted)}" if omitted else ""
        return (
            f"extra_source_dir publishes {self.describe()} to whoever has the address{among}{without}. Set it to a "
            "folder that holds nothing but what pages load."
        )


def local_name(address: str) -> str | None:
    r"""Return the name of the file that an address asks this site for; None: it asks for none, or another site.

    Examples
    --------
    >>> local_name("./a/cat.png"), local_name("https://a.org/cat.png"), local_name("a\\cat.png")
    ('a/cat.png', None, 'a/cat.png')
    """
    read = as_browsers_read(address).replace("\\", "/")
    scheme = _SCHEME.match(read)
    if not read or read.startswith(("#", "?", "//")) or "${" in read:
        return None
    if scheme and len(scheme[1]) > 1 and scheme[1].lower() != "file":
        return None
    return re.sub(r"\A(?:\.?/)+", "", read)


def list_files(
    folder: str | None,
    settings: Iterable[str | None] = (),
    wanted: Collection[str] = (),
    setting: str = "extra_source_dir",
    *,
    with_tables: bool = True,
    is_ours: Callable[[str], bool] = lambda name: False,
) -> ExtraFiles:
    """Return what of the folder that a `setting` names is published.

    Parameters
    ----------
    settings
        Other files that settings name, such as tables of rows; none of them is published.
    wanted
        Names that templates or rows load, whatever they are.
    with_tables
        Whether something may load tables and documents by names that cannot be foreseen, as scripts do.
    is_ours
        Tells which names the page has itself.

    Raises
    ------
    ConfigError
        It is no folder, or one that nobody can mean.
    """
    if not folder or not given(folder):
        return ExtraFiles()
    root = as_path(folder, f"mephisto.blueprint.{setting}")
    if not root.is_dir():
        raise ConfigError(
            f"mephisto.blueprint.{setting} is {folder!r}, which is not a folder (looked for "
            f"{root.absolute()}). Correct the path."
        )
    if holds_everything(root):
        raise ConfigError(
            f"mephisto.blueprint.{setting} is {folder!r}, which is {root.resolve()}: all that is in "
            "it would be published. Make a folder of what workers' pages load, and set it to that."
        )
    if (ours := own_folder_around(root)) is not None:
        raise ConfigError(
            f"mephisto.blueprint.{setting} is {folder!r}, which lies in {str(ours)!r}, where this package keeps its "
            "data: what workers sent would be published. Make a folder elsewhere of what pages load, and name that."
        )
    named = {as_path(one, "A setting of mephisto.blueprint").resolve() for one in settings if one and given(one)}
    files, left_out = dict[str, Path](), dict[str, str]()
    what = f"mephisto.blueprint.{setting} ({folder!r})"
    try:
        found = list(_Walk(root, what, left_out, wanted).walk(root))
    except OSError as error:
        raise ConfigError(
            f"mephisto.blueprint.{setting} is {folder!r}, which cannot be read: {error.strerror} ({error.filename}). "
            "Correct the path, or its rights."
        ) from error
    for name, path in found:
        if path.resolve() in named:
            left_out[name] = "a file that a setting names"
        elif is_ours(name.split("/")[0]) or is_ours(name.split("/")[0].casefold()):
            left_out[name.split("/")[0]] = "a name that the worker's page has itself; rename it where it is needed"
        elif not with_tables and name not in wanted and _is_one_of(name, _TABLES):
            left_out[name] = "a table or text that no page loads"
        else:
            files[name] = path
    return ExtraFiles(root, files, left_out)


class _Walk:
    """Goes through a folder, and notes what of it is `left_out`."""

    def __init__(self, root: Path, what: str, left_out: dict[str, str], wanted: Collection[str]) -> None:
        self._root, self._what, self._left_out, self._wanted = root, what, left_out, wanted
        self._bound = Bound(what)

    def walk(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Return the files of a folder below the root. Raises `DataFileError` for what leads out of it."""
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            name = path.relative_to(self._root).as_posix()
            self._bound.count(Path(name))
            if why := self._why_not(path, name):
                self._left_out[name] = why
            elif entry.is_dir():
                yield from self.walk(path)
            else:
                yield name, path

    def _why_not(self, path: Path, name: str) -> str:
        """Say why a file or folder is not published; '' where it is."""
        kind = _kind_of(path.name)
        if kind and (kind in _NEVER or name not in self._wanted):
            return kind
        if path.is_symlink() or path.is_dir():  # a folder may be a link of another kind, as on Windows
            target = inside(path, self._root, self._what, may_be_hidden=True)
            if path.is_symlink() and target.is_dir():
                return "a link to a folder"
            if any(_kind_of(part) for part in target.relative_to(self._root.resolve()).parts):
                return "a link to what is left out"
        if path.is_dir():
            return _OURS if is_own_folder(path) else ""
        refuse_special(path, self._what)
        return "" if path.is_file() else "no file"


def _kind_of(name: str) -> str:
    return next((kind for kind, patterns in _KINDS.items() if _is_one_of(name, patterns)), "")


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    lower = posixpath.basename(name).lower()
    return any(fnmatch.fnmatchcase(lower, pattern.lower()) for pattern in patterns)


def copy_files(
    files: Mapping[str, Path], directory: Path, setting: str = "extra_source_dir", root: Path | None = None
) -> None:
    """Copy files into a site, by their names there; none of them may lead out of `root`. Raises `DataFileError`."""
    try:
        _refuse_too_large(files, directory, setting)
        for name in files:
            (directory / name).unlink(missing_ok=True)  # of what was written there before
        for name, path in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            copy_file(path, directory / name, f"mephisto.blueprint.{setting}", root=root)
    except OSError as error:
        raise DataFileError(f"mephisto.blueprint.{setting} cannot be copied: {error}") from error


def _refuse_too_large(files: Mapping[str, Path], directory: Path, setting: str) -> None:
    """Raise `DataFileError` where files would fill the disk, or are more than anybody can mean."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    place = next(folder for folder in (directory, *directory.absolute().parents) if folder.is_dir())
    room = shutil.disk_usage(place).free - _LEFT_FREE
    if sum(sizes.values()) > min(room, _MOST_COPIED):
        largest = max(sizes, key=lambda name: sizes[name])
        why = "that is more than any page loads" if room > _MOST_COPIED else f"the disk of {str(place)!r} has no room"
        raise DataFileError(
            f"mephisto.blueprint.{setting} holds {sum(sizes.values()) / 1e6:,.1f} MB, which would be copied: {why}. "
            f"The largest is {largest!r} ({sizes[largest] / 1e6:,.1f} MB). Take out what no page loads, or make room."
        )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _few(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else "")


# -- what rows and templates name -------------------------------------------------------------------------------------

#: What looks like the name of a picture, sound, film or document.
_MEDIA = re.compile(
    r"[^\s:*<>|\"][^:*<>|\"\n]{0,250}\.(?:png|jpe?g|gif|webp|svg|avif|bmp|mp3|wav|ogg|m4a|flac|mp4|webm|mov|vtt|pdf)",
    re.IGNORECASE,
)


@dataclass
class Missing:
    """Files that are named and not there, and by what: as they are named, in the order in which they were found."""

    extra: ExtraFiles
    found: dict[str, list[str]] = field(default_factory=dict)

    def look(self, label: str, addresses: Iterable[str], others: Collection[str] = ()) -> None:
        """Note which of these addresses lead nowhere."""
        for address in addresses:
            labels = self.found.get(address)
            if labels is not None:
                labels.append(label)
            elif not self.extra.find(address, others):
                self.found[address] = [label]

    def say(self, name_rows: Callable[[list[str]], str]) -> str:
        """Say which files are missing; '' where all are there."""
        if not self.found:
            return ""
        first, labels = next(iter(self.found.items()))
        where = name_rows(list(dict.fromkeys(labels)))
        told = f"{first!r}, named in {where}, {self.extra.explain(first)}"
        others = [repr(address) for address in list(self.found)[1:]]
        if not others:
            return f"Workers' pages could not load {told}."
        rows = name_rows(list(dict.fromkeys(label for labels in self.found.values() for label in labels)))
        return f"Workers' pages could not load {len(self.found):,} files ({rows}): {told}. The others: {_few(others)}."


def media_names(data: JSONObject) -> Iterator[tuple[str, str]]:
    """Return the values of a row that look like names of local pictures and the like, each with its column."""
    for column, value in data.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and _MEDIA.fullmatch(one) and local_name(one) is not None:
                yield column, one


def find_missing_media(
    extra: ExtraFiles, rows: Iterable[tuple[str, JSONObject]], others: Collection[str], passed: Collection[str] = ()
) -> Missing:
    """Return what rows name, for a script to load it, and what is not there.

    A column of which no file is there may name files of another place, unless there is a folder for them.
    """
    per_column: dict[str, Missing] = {}
    counts = Counter[str]()
    for label, data in rows:
        for column, name in media_names(data):
            if column not in passed:
                counts[column] += 1
                per_column.setdefault(column, Missing(extra)).look(label, [name], others)
    found = Missing(extra)
    for column, missing in per_column.items():
        if extra.root is not None or sum(map(len, missing.found.values())) < counts[column]:
            found.found |= missing.found
    return found
