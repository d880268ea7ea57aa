"""What a configuration from elsewhere may not say: to read files outside its folder, or the environment.

The environment of a kernel holds passwords. What stands in the sections ``blueprint`` and ``task`` can be read by
whoever opens the task's page, so nothing there may come from the environment, by whatever detour. A file may read it
nowhere, but for the whole address of the database; a researcher in the notebook may, for what is not published.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.task_run_args import MISSING
from mephisto_nb.model.yaml_text import MOST_SETTINGS, load_yaml
from mephisto_nb.utils.addresses import read_address
from mephisto_nb.utils.foreign import holds_everything, keep_below, named_file, read_bytes

#: Sections that the task's page is made of.
PUBLISHED = ("blueprint", "task")
#: Settings that name files or folders.
_PATHS = re.compile(r"\w+_(source|dir|csv|json|jsonl|bundle|path|file|location|folder|review)|insertions")
_WHOLE_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:[^{}]*\}")
_MOST_TEXT = 10_000_000
#: So many characters Hydra reads at the beginning of a file for its package.
_HEADER = 512
#: What opens a way out of a preview, or lets scripts of other hosts run on a worker's page; and how you set it.
_OWN = {"preview_sources": "task", "extra_script_sources": "blueprint_args", "extra_sources": "blueprint_args"}
#: Settings of a provider that say where people are led after a visit, and what goes along.
_LEADING = ("secrets", "details", *(outcome.value for outcome in Outcome))
#: Settings of a provider that say whom your token is shown to, and where people are sent back to.
_CROWDS_OWN = ("base_url", "app_url")
#: Settings of a provider that let money go, or people come, without a look; and what each does if it is as here.
_LETTING = {
    ("signed_links", False): "lets everybody come under any name",
    ("signed_addresses", False): "lets people come by addresses that the crowd has not signed",
    ("auto_approve", True): "has every visit paid without your looking at it",
}
#: Settings of an architect that name hosts: where workers' links lead, and who may show or ask for the page.
_HOSTS = ("url", "addresses", "frame_ancestors")


def resolvers_in(text: str) -> list[str]:
    r"""Return the functions that a text of a configuration calls, those within what others are called with among them.

    Examples
    --------
    >>> resolvers_in("${task_dir}/a"), resolvers_in("${oc.decode:${oc.env:HOME}}"), resolvers_in(r"\${oc.env:HOME}")
    ([], ['oc.decode', 'oc.env'], [])
    """
    if "${" not in text:
        return []
    try:
        return list(_calls(parse(text)))
    except GrammarParseError:
        return []  # nothing is made of it but an error


def _calls(node: Any) -> Iterator[str]:
    if isinstance(node, OmegaConfGrammarParser.InterpolationResolverContext):
        yield str(node.resolverName().getText())  # type: ignore[no-untyped-call]
    for child in getattr(node, "getChildren", tuple)():
        yield from _calls(child)


def _texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Return all texts in plain data, keys among them, each with the path to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield (*path, str(key)), str(key)
            yield from _texts(one, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _texts(one, (*path, str(index)))


def escaped(text: str) -> str:
    r"""Return what stands for a text in a configuration, so that ``${...}`` in it refers to nothing.

    Examples
    --------
    >>> print(escaped("${task_dir}"), escaped(r"a\${b}"))
    \${task_dir} a\\\${b}
    """
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def refuse_calls(tree: Any, where: str) -> None:
    """Raise `ConfigError` where plain data from elsewhere calls a function, such as one that reads the environment."""
    for path, text in _texts(tree):
        if own := next((one for one in path if one in _OWN), None):
            raise ConfigError(
                f"{where} sets {own}, which only you can, in the notebook: compose(..., {_OWN[own]}={{{own!r}: ...}})."
            )
        calls = resolvers_in(text)
        if calls and not (path[-3:] == ("mephisto", "database", "url") and _WHOLE_VARIABLE.fullmatch(text.strip())):
            raise ConfigError(
                f"{where} sets {'.'.join(path)} to {text!r}, which calls {calls[0]!r}: what comes from elsewhere must "
                "not read this computer's environment, nor run functions. Write the value itself, or a reference such "
                "as ${task_dir}; or give it in the notebook, by overrides=[...]."
            )


@contextmanager
def watched_files(directory: Path | None) -> Iterator[None]:
    """Have Hydra load no file that leads out of `directory`, is too large, or calls a function."""
    if directory is None:
        yield
        return
    what, root = f"The configuration in {str(directory)!r}", directory.resolve()

    def read(source: Any, name: str) -> str | None:
        if source.scheme() == "file" and Path(source.path).resolve() == root:
            file = Path(source.path) / source._normalize_file_name(name)
            text = read_bytes(file, what, root=root, most=_MOST_TEXT).decode()
            refuse_calls(load_yaml(text, MOST_SETTINGS), f"The configuration file {file.name!r}")
            return text
        if name.startswith("/") or ".." in name.split("/"):
            raise ConfigError(f"{what} names {name!r}, out of that folder. Put the file there, and name it so.")
        return None

    # Hydra makes classes of its own of its modules: those it uses are asked of it.
    sources: list[Any] = [SourcesRegistry.instance().resolve(scheme) for scheme in ("file", "pkg")]
    own = [source.load_config for source in sources]
    for source, load in zip(sources, own, strict=True):
        source.load_config = _checking(read, load)
    try:
        yield
    finally:
        for source, load in zip(sources, own, strict=True):
            source.load_config = load


def _checking(read: Callable[[Any, str], str | None], load: Callable[[Any, str], ConfigResult]) -> Any:
    def load_checked(source: Any, config_path: str) -> ConfigResult:
        text = read(source, config_path)
        if text is None:
            return load(source, config_path)
        # The text that was looked at: the file may hold another one by now.
        return ConfigResult(
            provider=source.provider,
            path=f"file://{source.path}",
            config=OmegaConf.load(io.StringIO(text)),
            header=ConfigSource._get_header_dict(text[:_HEADER]),
        )

    return load_checked


def refuse_paths_elsewhere(config: DictConfig, home: Path, given: Collection[str]) -> None:
    """Refuse files of a configuration file that lie neither in its task's folder nor in the working directory.

    Parameters
    ----------
    home
        The task's folder.
    given
        Settings of the blueprint that the caller has named, whatever the file says.

    Raises
    ------
    ConfigError
        Naming the setting.
    """
    blueprint = config.mephisto.blueprint
    for key in map(str, blueprint):
        if key in given or not _PATHS.fullmatch(key):
            continue
        try:
            value = blueprint[key]
        except MissingMandatoryValue:
            continue  # told at a launch, with all that is missing
        except OmegaConfBaseException as error:
            raise _unknown_yet("blueprint", key, blueprint, error) from error
        if isinstance(value, str) and value.strip():
            real, root = _refuse_elsewhere(key, value, home)
            keep_below(real, root)
            _settle(blueprint, key, str(real))


def _unknown_yet(section: str, key: str, node: DictConfig, error: OmegaConfBaseException) -> ConfigError:
    said: Any = OmegaConf.to_container(node, resolve=False)
    return ConfigError(
        f"The configuration file sets mephisto.{section}.{key} to {said[key]!r}, and nobody knows yet what that refers "
        f"to ({str(error).splitlines()[0]}): a file from elsewhere has to say what it means. Write it out, or give it "
        f"in the notebook: compose(config=..., {section}_args={{{key!r}: ...}})."
    )


def judge_hosts(config: DictConfig, given: Mapping[str, Collection[str]]) -> list[str]:
    """Refuse a configuration file that leads workers to another host; return what else it opens that you should know.

    Parameters
    ----------
    given
        Settings of the sections ``architect`` and ``provider`` that the caller has named, whatever the file says.

    Raises
    ------
    ConfigError
        Naming the setting.
    """
    remarks = list[str]()
    _refuse_ways_elsewhere(config.mephisto.provider, given["provider"])
    asked = [("architect", host) for host in (*_HOSTS, "hostname")]
    for section, key in (*asked, *(("provider", key) for key, _ in _LETTING)):
        node = config.mephisto[section]
        if key not in node or key in given[section]:
            continue
        value = _settled(node, section, key)
        empty = () if key == "hostname" else ("", "None")  # no name at all is every address that there is
        texts = [str(one) for one in (value if isinstance(value, list) else [value])]
        if section == "architect" and (others := [one for one in texts if one not in empty and not _is_here(one)]):
            if key in _HOSTS:
                raise ConfigError(
                    f"The configuration file sets mephisto.architect.{key} to {value!r}, which names another host "
                    f"({others[0]!r}): workers' links, and what they type, could go there. If you mean it, say so in "
                    f"the notebook: compose(config=..., architect_args={{{key!r}: {value!r}}})."
                )
            remarks.append(f"lets others than this computer ask the router (mephisto.architect.{key} is {value!r})")
        elif section == "provider" and isinstance(value, bool) and (letting := _LETTING.get((key, value))):
            remarks.append(f"{letting} (mephisto.provider.{key} is {str(value).lower()})")
    return remarks


def _refuse_ways_elsewhere(provider: DictConfig, given: Collection[str]) -> None:
    """Refuse a file that says where people are led after a visit, or which of your secrets are sent there.

    Raises
    ------
    ConfigError
        Naming the setting.
    """
    tree: Any = OmegaConf.to_container(provider, resolve=False)
    own = {one.name: one.default for one in _fields_of(provider)}
    for key in _CROWDS_OWN:
        if key in tree and key not in given and tree[key] != own.get(key):
            raise ConfigError(
                f"The configuration file sets mephisto.provider.{key} to {str(tree[key])[:80]!r}: your token would be "
                "shown there, or people led there. If you mean it, say so in the notebook: compose(config=..., "
                f"provider_args={{{key!r}: ...}})."
            )
    for key in map(str, provider):
        if key in given or key not in _LEADING:
            continue
        value = tree[key] if isinstance(tree[key], dict) else {}
        if key == "secrets":
            found = bool(value)
        elif key == "details":
            found = not all(_is_plain(str(one)) for one in value.values())
        else:
            found = bool(value.get("redirect") or value.get("call"))
        if found:
            raise ConfigError(
                f"The configuration file sets mephisto.provider.{key}, which says where people are led, or which of "
                "your secrets are sent there. If you mean it, say so in the notebook: compose(config=..., "
                f"provider_args={{{key!r}: ...}})."
            )


def _fields_of(node: DictConfig) -> tuple[Field[Any], ...]:
    settings = OmegaConf.get_type(node)
    return fields(settings) if settings is not None and is_dataclass(settings) else ()


def _is_plain(value: str) -> bool:
    """Return whether a value is no address and no host, but a code, a number, or an id."""
    return re.fullmatch(r"[\w-]*", value) is not None


def _settled(node: DictConfig, section: str, key: str) -> Any:
    """Return what a setting is, and let it stay that, whatever becomes of what it refers to."""
    try:
        if OmegaConf.is_missing(node, key):
            return None
        value: Any = node[key]
        if isinstance(value, ListConfig | DictConfig):
            value = OmegaConf.to_container(value, resolve=True)
    except OmegaConfBaseException as error:
        raise _unknown_yet(section, key, node, error) from error
    if isinstance(value, str):
        node[key] = escaped(value)
    elif isinstance(value, list):
        node[key] = [escaped(one) if isinstance(one, str) else one for one in value]
    else:
        node[key] = value
    return value


def _is_here(address: str) -> bool:
    """Return whether an address, or who may show a page in a frame, is of this computer alone."""
    if address.strip() in ("'self'", "'none'"):
        return True
    try:
        return read_address(address).is_loopback
    except ValueError:
        return False


def _settle(node: DictConfig, key: str, value: str) -> None:
    """Let a setting be the path that was judged: what it refers to may change, and lead elsewhere then."""
    node[key] = escaped(value)
    if node[key] != value:
        raise ConfigError(
            f"The configuration file sets {key} to {value!r}, which cannot be kept as it is. Write it out."
        )


def _refuse_elsewhere(key: str, value: str, home: Path) -> tuple[Path, Path]:
    """Return where a path leads, and the folder which it lies in, if a file from elsewhere may name it."""
    what = f"mephisto.blueprint.{key}"
    path = named_file(value, what).absolute()
    here = Path.cwd()
    # A folder that holds everything is nobody's task; what is written relative to it is found there all the same.
    roots = [home, *([] if holds_everything(here) else [here])]
    real = path.resolve()
    holding = [root for root in roots if real.is_relative_to(root.resolve())]
    hidden = [part for root in holding[:1] for part in real.relative_to(root.resolve()).parts if part.startswith(".")]
    if holding and not hidden:
        return real, holding[0].resolve()
    found = f"which is hidden ({hidden[0]!r})" if hidden else f"which leads to {str(real)!r}, out of {str(home)!r}"
    raise ConfigError(
        f"The configuration file sets {what} to {value!r}, {found}: a file from elsewhere reads nothing but its task's "
        "folder. Put it there; or, if you mean it, say so in the notebook: compose(config=..., "
        f"blueprint_args={{{key!r}: {value!r}}}), or task_dir=<the folder that holds both>."
    )


def refuse_environment(config: DictConfig) -> None:
    """Raise `ConfigError` where a published setting would hold what a function gives, at first hand or at second."""
    tree: Any = OmegaConf.to_container(config, resolve=False)
    calling = [(path, text) for path, text in _texts(tree) if resolvers_in(text)]
    for path, text in calling:
        if path[0] == "mephisto" and path[1] in PUBLISHED:
            raise _published(".".join(path), text)
    if not calling:
        return
    without, known = copy.deepcopy(config), set(_texts(tree))
    _take_out_calls(without)
    for name in PUBLISHED:
        try:
            found: Any = OmegaConf.to_container(without.mephisto[name], resolve=True)
        except InterpolationResolutionError as error:
            raise _published(str(error.full_key), f"another setting ({calling[0][1]!r})") from error
        for path, text in _texts(found, ("mephisto", name)):
            if _TAKEN_OUT in text or (text == MISSING and (path, text) not in known):
                raise _published(".".join(path), f"another setting ({calling[0][1]!r})")


#: What stands for the value of a setting that calls a function.
_TAKEN_OUT = "\0taken out\0"


def _take_out_calls(node: DictConfig | ListConfig) -> None:
    """Let nothing be left of the values of settings that call functions."""
    OmegaConf.set_readonly(node, False)
    for key in list(node) if isinstance(node, DictConfig) else range(len(node)):
        child: Any = node._get_node(key)
        if isinstance(child, DictConfig | ListConfig) and not (child._is_interpolation() or child._is_missing()):
            if not child._is_none():
                _take_out_calls(child)
        elif child is not None and isinstance(child._value(), str) and resolvers_in(child._value()):
            try:
                child._set_value(_TAKEN_OUT)
            except OmegaConfBaseException:  # a number, or the like
                child._set_value(MISSING)


def _published(key: str, found: str) -> ConfigError:
    return ConfigError(
        f"{key} is made of {found}, which calls a function, as those that read the environment: whoever opens the "
        "task's page can read these settings. Write the value itself; if the environment's is meant to be public, read "
        f"it in the notebook and hand it over: compose(..., {_hand_over(key)})."
    )


def _hand_over(key: str) -> str:
    section, _, name = key.removeprefix("mephisto.").partition(".")
    argument = "task" if section == "task" else f"{section}_args"
    return f"{argument}={{{name!r}: os.environ[...]}}"
