"""Configurations of other people: nothing of the environment reaches a page, no file outside their folder is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

import mephisto_nb as mnb
from mephisto_nb.config import foreign_settings, registry
from mephisto_nb.config.foreign_settings import resolvers_in
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.frames.run_frames import MetadataFrames
from mephisto_nb.providers.prolific import ProlificProvider
from mephisto_nb.utils import logging

SECRET = "sesame"
TASK = {"task_name": "a", "task_title": "A", "task_description": "", "task_tags": "", "task_reward": 0.1}
SECTION = (
    "mephisto:\n  blueprint: {_blueprint_type: static_html, task_html: '<input name=a>'}\n  task: {task_name: a}\n"
)
ADDRESS = "mephisto.database.url='postgresql://lab:${oc.env:MY_SECRET}@host/name'"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MY_SECRET", SECRET)
    OmegaConf.register_new_resolver("mine", lambda name: os.environ.get(name, ""), replace=True)
    monkeypatch.setattr(logging, "_warned", set())
    yield
    OmegaConf.clear_resolver("mine")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a task, beside a folder that is nobody's business."""
    conf = tmp_path / "theirs" / "hydra_configs" / "conf"
    conf.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.yaml").write_text(
        f"#@package _global_\nmephisto: {{task: {{task_title: {SECRET}}}}}\n"
    )
    (tmp_path / "outside" / "rows.csv").write_text(f"text\n{SECRET}\n")
    for name in ("rows.csv", "page.html", ".hidden.csv"):
        (tmp_path / "theirs" / name).write_text("text\nRain\n")
    return tmp_path / "theirs"


def compose(home: Path, text: str, **options: Any) -> Any:
    file = home / "hydra_configs" / "conf" / "example.yaml"
    file.write_text(f"#@package _global_\n{text}")
    return mnb.compose(config=file, **options)


# The environment

CALLS = [
    "${oc.env:MY_SECRET}", "${oc.env:NOT_THERE,${oc.env:MY_SECRET}}", "a ${oc.env:MY_SECRET} b",
    "${ oc.env : MY_SECRET }",
    "${oc.decode:'${oc.env:MY_SECRET}'}", "${oc.${num_tasks}:MY_SECRET}",
    "${mine:MY_SECRET}", "${hydra:runtime.cwd}",
    "${oc.create:{a: 1}}", "${oc.dict.values:mephisto}", "${oc.select:mephisto.task.task_name}",
    "${task_dir[${oc.env:MY_SECRET}]}",
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("key", ["task_title", "preview_html"])
def test_a_file_calls_no_function(home: Path, call: str, key: str) -> None:
    section = "task" if key == "task_title" else "blueprint"
    with pytest.raises(ConfigError, match=r"example\.yaml.*which calls") as told:
        compose(home, f"{SECTION}num_tasks: 3\n".replace(f"  {section}: {{", f'  {section}: {{{key}: "{call}", ', 1))
    assert f"mephisto.{section}.{key}" in str(told.value)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "task_dir: ${oc.env:MY_SECRET}\n",
        "mephisto: {architect: {port: '${oc.env:MY_SECRET}'}}\n",
        "mephisto: {database: {url: 'postgresql://evil.example/${oc.env:MY_SECRET}'}}\n",
        "mephisto: {blueprint: {time_columns: ['${oc.env:MY_SECRET}']}}\n",
        "hydra: {run: {dir: '${oc.env:MY_SECRET}'}}\n",
        "'${oc.env:MY_SECRET}': 1\n",
    ],
)
def test_a_file_calls_no_function_anywhere(home: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"which calls 'oc\.env'"):
        compose(home, text)


def test_the_whole_address_of_the_database_may_be_a_variable(home: Path) -> None:
    config = compose(home, "mephisto: {database: {url: '${oc.env:MY_SECRET}'}}\n", blueprint="mock", task=TASK)
    assert resolve_config(config).database.url == SECRET


def test_references_within_a_file_are_followed(home: Path) -> None:
    about = "{task_title: 'In ${.task_name}', task_description: '${num_tasks} of ${task_dir}'}"
    text = f"mephisto:\n  task: {about}\nnum_tasks: 3\n"
    task = {"task_name": "a", "task_tags": "", "task_reward": 0.1}
    settings = resolve_config(compose(home, text, blueprint="mock", task=task))
    assert (settings.task.task_title, settings.task.task_description) == ("In a", f"3 of {home}")


@pytest.mark.parametrize("call", CALLS)
def test_what_is_published_calls_no_function_whoever_says_so(call: str) -> None:
    config = mnb.compose("mock", task=TASK)
    config.mephisto.task.task_title = call
    with pytest.raises(ConfigError, match=r"mephisto\.task\.task_title is made of .*whoever opens the task's page"):
        resolve_config(config)


@pytest.mark.parametrize(
    "override",
    [
        "mephisto.task.task_title='${mephisto.database.url}'",
        "mephisto.task.task_title='see ${mephisto.database.url}'",
        "mephisto.task.task_title='${mephisto.${mephisto.task.task_name}.url}'",
        "mephisto.blueprint.task_html='${mephisto.database.url}'",
    ],
)
def test_nor_at_second_hand(override: str) -> None:
    overrides = [ADDRESS, "mephisto.blueprint.task_html='<input name=a>'", override]
    config = mnb.compose("static_html", task={**TASK, "task_name": "database"}, overrides=overrides)
    with pytest.raises(ConfigError, match="calls a function") as told:
        resolve_config(config)
    assert SECRET not in str(told.value)


def test_a_researcher_may_use_variables_that_stay_unpublished() -> None:
    settings = resolve_config(mnb.compose("mock", task=TASK, overrides=[ADDRESS]))
    assert settings.database.url == f"postgresql://lab:{SECRET}@host/name"
    assert SECRET not in str(settings.as_dict())


@pytest.mark.parametrize("argument", ["task", "blueprint_args"])
def test_a_configuration_handed_over_as_settings_calls_no_function(argument: str) -> None:
    theirs = OmegaConf.create(
        {"task_title": "${oc.env:MY_SECRET}"} if argument == "task" else {"x": "${mine:MY_SECRET}"}
    )
    with pytest.raises(ConfigError, match="which calls"):
        mnb.compose("mock", **{argument: theirs})  # type: ignore[arg-type]


def test_python_values_are_text() -> None:
    settings = resolve_config(mnb.compose("mock", task={**TASK, "task_title": "${oc.env:MY_SECRET}"}))
    assert settings.task.task_title == "${oc.env:MY_SECRET}"


def test_a_text_that_is_no_call_is_none() -> None:
    for text in ("${a.b}", r"\${oc.env:A}", "$5 … $8", "${text}", "{oc.env:A}", "${broken", "${a${b}"):
        assert resolvers_in(text) == []


# Files

ESCAPES = [
    "/../../outside/secret@_global_", "../../../outside/secret@_global_", "/../../outside@_global_: secret",
    "/conf@_global_: ../../../outside/secret", "/HERE/outside@_global_: secret", "/conf/link@_global_",
]  # fmt: skip


@pytest.mark.parametrize("entry", ESCAPES)
def test_a_file_takes_in_no_other_from_outside(home: Path, tmp_path: Path, entry: str) -> None:
    (home / "hydra_configs" / "conf" / "link.yaml").symlink_to(tmp_path / "outside" / "secret.yaml")
    entry = entry.replace("/HERE", f"/{tmp_path}")
    with pytest.raises(ConfigError) as told:
        compose(home, f"defaults:\n  - {entry}\n  - _self_\n{SECTION}")
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("key", ["data_csv", "task_source", "extra_source_dir", "preview_source", "onboarding_source"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../outside/rows.csv", "${task_dir}/../outside/rows.csv", "~/rows.csv",
                                  "${task_dir}/link.csv", "${task_dir}/.hidden.csv"])  # fmt: skip
def test_a_file_names_none_outside_its_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, path: str
) -> None:
    monkeypatch.chdir(home)
    (home / "link.csv").symlink_to(tmp_path / "outside" / "rows.csv")
    text = f"mephisto:\n  blueprint: {{_blueprint_type: static_html, {key}: '{path}'}}\n"
    with pytest.raises(ConfigError, match=f"mephisto.blueprint.{key}"):
        compose(home, text)


@pytest.mark.parametrize("path", ["OUTSIDE/rows.csv${mephisto.task.task_tags}", "${mephisto.task.task_tags}"])
def test_a_file_refers_to_no_path_that_is_not_known_yet(home: Path, tmp_path: Path, path: str) -> None:
    named = f"{{_blueprint_type: static_html, data_csv: '{path}'}}".replace("OUTSIDE", str(tmp_path / "outside"))
    with pytest.raises(ConfigError, match=r"mephisto\.blueprint\.data_csv .*nobody knows yet"):
        compose(home, f"mephisto:\n  blueprint: {named}\n  task: {{task_tags: '???'}}\n")


def test_a_path_of_a_file_stays_what_it_was_when_it_was_looked_at(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    path = f"${{mephisto.task.task_tags}}{tmp_path / 'outside' / 'rows.csv'}"
    named = f"{{_blueprint_type: static_html, data_csv: '{path}'}}"
    config = compose(home, f"mephisto:\n  blueprint: {named}\n  task: {{task_tags: .}}\n")
    config.mephisto.task.task_tags = ""
    assert config.mephisto.blueprint.data_csv == f"{home}{tmp_path / 'outside' / 'rows.csv'}"


def test_a_path_that_was_judged_as_text_refers_to_nothing(home: Path) -> None:
    for marks in ("\\", "\\" * 3):
        path = f"${{task_dir}}/{marks}${{mephisto.task.task_tags}}"
        named = f"{{_blueprint_type: static_html, data_csv: '{path}'}}"
        config = compose(home, f"mephisto:\n  blueprint: {named}\n  task: {{task_tags: '../outside/rows.csv'}}\n")
        found = config.mephisto.blueprint.data_csv
        assert found.startswith(f"{home}/")
        assert found.endswith("${mephisto.task.task_tags}")


@pytest.mark.skipif(os.name == "nt", reason="Windows makes links for administrators alone")
@pytest.mark.parametrize("setting", ["data_csv", "extra_source_dir", "task_source", "preview_source"])
def test_a_path_of_a_file_leads_nowhere_else_when_it_is_read(home: Path, tmp_path: Path, setting: str) -> None:
    (home / "data").mkdir()
    for name in ("rows.csv", "page.html"):
        (home / "data" / name).write_text("text\nRain\n<input name=a>")
        (tmp_path / "outside" / name).write_text(f"text\n{SECRET}\n<input name=a>")
    name = {"data_csv": "/rows.csv", "extra_source_dir": ""}.get(setting, "/page.html")
    html = "" if setting == "task_source" else r"task_html: '<p>\${text}</p><input name=a>', "
    named = f"{{_blueprint_type: static_html, {html}{setting}: '${{task_dir}}/data{name}'}}"
    config = compose(home, f"mephisto:\n  blueprint: {named}\n", task=TASK)
    (home / "data").rename(home / "before")
    (home / "data").symlink_to(tmp_path / "outside")
    rows = None if setting == "data_csv" else [{"text": "Rain"}]
    with pytest.raises(DataFileError, match=rf"mephisto\.blueprint\.{setting} .*leads to .*, out of"):
        mnb.preview(config, mnb.SharedTaskState(static_task_data=rows)).document()


@pytest.mark.parametrize("path", ["~nobody-here/rows.csv", "x" * 300, "a\\0b"])
def test_what_is_no_path_is_told(home: Path, path: str) -> None:
    with pytest.raises(ConfigError, match=r"mephisto\.blueprint\.data_csv is .*Correct it"):
        compose(home, f'mephisto:\n  blueprint: {{_blueprint_type: static_html, data_csv: "{path}"}}\n')


@pytest.mark.parametrize("path", ["~nobody-here/x", "x" * 300])
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("static_html", "task_source"), ("static_html", "extra_source_dir"), ("static_react_task", "task_source"),
        ("static_react_task", "extra_source_dir"), ("form", "form_source"), ("chat", "custom_source_dir"),
        ("chat", "custom_source_bundle"),
    ],
)  # fmt: skip
def test_a_researcher_is_told_what_is_no_path(tmp_path: Path, kind: str, key: str, path: str) -> None:
    (tmp_path / "bundle.js").write_text("1")
    about: dict[str, dict[str, Any]] = {
        "static_html": {} if key == "task_source" else {"task_html": "<p>${text}</p><input name=a>"},
        "static_react_task": {"task_source": str(tmp_path / "bundle.js")},
        "chat": {"units_per_assignment": 2},
    }
    config = mnb.compose(kind, task=TASK, blueprint_args=about.get(kind, {}) | {key: path})
    with pytest.raises(ConfigError, match=rf"mephisto\.blueprint\.{key} is .*cannot be looked up"):
        mnb.preview(config, mnb.SharedTaskState(static_task_data=[{"text": "Rain"}]))


def test_a_home_that_is_a_link_is_nobodys_task(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me").symlink_to(tmp_path / "outside")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    monkeypatch.chdir(tmp_path / "outside")
    with pytest.raises(ConfigError, match="which leads to"):
        compose(home, "mephisto:\n  blueprint: {_blueprint_type: static_html, data_csv: rows.csv}\n")


def test_the_text_that_was_checked_is_the_one_that_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = foreign_settings.refuse_calls

    def change(*args: Any) -> None:
        own(*args)
        file = home / "hydra_configs" / "conf" / "example.yaml"
        file.write_text(f"#@package _global_\n{SECTION}  log_level: '${{oc.env:MY_SECRET}}'\n")

    monkeypatch.setattr(foreign_settings, "refuse_calls", change)
    assert compose(home, SECTION).mephisto.log_level == "info"


def test_a_text_may_look_like_a_day(home: Path) -> None:
    config = compose(home, SECTION.replace("task_name: a", "task_name: 2024-02-30"))
    assert config.mephisto.task.task_name == "2024-02-30"


def test_a_file_names_what_is_in_its_folder_or_the_notebooks(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "rows.csv").write_text("text\nSun\n")
    monkeypatch.chdir(tmp_path / "here")
    named = "task_source: '${task_dir}/page.html', data_csv: rows.csv"
    text = f"mephisto:\n  blueprint: {{_blueprint_type: static_html, {named}}}\n"
    assert compose(home, text).mephisto.blueprint.data_csv == str(tmp_path / "here" / "rows.csv")


def test_a_researcher_may_name_any_file_in_the_notebook(home: Path, tmp_path: Path) -> None:
    text = "mephisto:\n  blueprint: {_blueprint_type: static_html, data_csv: /etc/passwd}\n"
    other = str(tmp_path / "outside" / "rows.csv")
    assert compose(home, text, blueprint_args={"data_csv": other}).mephisto.blueprint.data_csv == other
    assert compose(home, text, overrides=[f"mephisto.blueprint.data_csv={other}"]).mephisto.blueprint.data_csv == other
    within = text.replace("/etc/passwd", other)
    assert compose(home, within, task_dir=tmp_path).mephisto.blueprint.data_csv == other


def test_only_the_researcher_opens_a_way_out_of_a_preview(home: Path) -> None:
    with pytest.raises(ConfigError, match="sets preview_sources, which only you can"):
        compose(home, "mephisto: {task: {preview_sources: ['https://evil.example']}}\n")
    with pytest.raises(ConfigError, match="not an address to load from"):
        resolve_config(mnb.compose("mock", task={**TASK, "preview_sources": ["*; script-src *"]}))


@pytest.mark.parametrize("key", ["extra_script_sources", "extra_sources"])
def test_only_the_researcher_lets_scripts_of_others_run(home: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"sets {key}, which only you can.*blueprint_args="):
        compose(home, SECTION.replace("_blueprint_type", f"{key}: ['https://evil.example'], _blueprint_type"))


OTHER_HOSTS = [
    "url: 'https://evil.example/'", "url: 'http://localhost@evil.example/'", "addresses: [localhost, evil.example]",
    "frame_ancestors: ['*']", "frame_ancestors: ['https:']", "url: 'https://${mephisto.task.task_tags}/'",
    "url: '${mephisto.task.task_title}'",
]  # fmt: skip


@pytest.mark.parametrize("setting", OTHER_HOSTS)
def test_a_file_leads_workers_to_no_other_host(home: Path, setting: str) -> None:
    text = f"{SECTION}  architect: {{{setting}}}\n".replace("task_name: a", "task_name: a, task_tags: evil.example")
    with pytest.raises(ConfigError, match=r"mephisto\.architect\.\w+ .*architect_args="):
        compose(home, text)


def test_the_researcher_names_hosts_in_the_notebook(home: Path) -> None:
    text = f"{SECTION}  architect: {{url: 'https://evil.example/'}}\n"
    mine = "https://lab.example/"
    assert compose(home, text, architect_args={"url": mine}).mephisto.architect.url == mine
    assert compose(home, text, overrides=[f"mephisto.architect.url={mine}"]).mephisto.architect.url == mine


def test_a_file_may_say_what_stays_on_this_computer(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = "{url: 'http://localhost:3000/', addresses: [127.0.0.1], frame_ancestors: [\"'self'\"], port: '3000'}"
    config = compose(home, f"{SECTION}  architect: {here}\n  provider: {{signed_links: true}}\n")
    assert config.mephisto.architect.url == "http://localhost:3000/"
    assert caplog.text == ""


LEADING = [
    "completed: {redirect: 'https://evil.example/?p={participant}'}",
    "returned: {call: 'https://evil.example/?p={participant}'}",
    "secrets: {token: sona}",
    "details: {host: evil.example}",
    "details: {complete_url: 'https://evil.example/'}",
    "details: {complete_url: '${task_dir}'}",
]


@pytest.mark.parametrize("setting", LEADING)
def test_a_file_says_nothing_of_where_people_go_afterwards(home: Path, setting: str) -> None:
    text = f"{SECTION}  provider: {{_provider_type: external, participant_parameter: id, {setting}}}\n"
    with pytest.raises(ConfigError, match=r"mephisto\.provider\.\w+, which says where.*provider_args="):
        compose(home, text)
    key = setting.partition(":")[0]
    mine = {"details": {"host": "a.org"}, "secrets": {"token": "own"}}.get(key, {"redirect": "https://a.org/"})
    kept = compose(home, text, provider_args={key: mine}).mephisto.provider[key]
    assert all(kept[name] == value for name, value in mine.items())


def test_a_file_may_name_a_preset_its_codes_and_its_words(home: Path) -> None:
    own = "preset: prolific_by_link, details: {completion_code: C1-A2_b}, returned: {text: Bye., code: R1}"
    config = compose(home, f"{SECTION}  provider: {{_provider_type: external, {own}}}\n")
    assert config.mephisto.provider.details == {"completion_code": "C1-A2_b"}


@pytest.mark.parametrize(
    "setting",
    [
        "base_url: https://elsewhere.example.org",
        "app_url: https://elsewhere.example.org",
        "base_url: http://127.0.0.1:1",
    ],
)
def test_a_file_does_not_say_whom_a_token_is_shown_to(
    home: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(ProlificProvider, replace=True)
    text = f"{SECTION}  provider: {{_provider_type: prolific, {setting}}}\n"
    key, value = setting.split(": ")
    with pytest.raises(ConfigError, match=f"mephisto.provider.{key}"):
        compose(home, text)
    compose(home, text, provider_args={key: value})
    compose(home, f"{SECTION}  provider: {{_provider_type: prolific, base_url: https://api.prolific.com}}\n")


def test_a_file_that_pays_without_a_look_is_told_of(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(ProlificProvider, replace=True)
    own = "_provider_type: prolific, auto_approve: true, signed_addresses: false"
    compose(home, f"{SECTION}  provider: {{{own}}}\n")
    assert "has every visit paid without your looking at it (mephisto.provider.auto_approve is true)" in caplog.text
    assert "addresses that the crowd has not signed" in caplog.text


def test_what_a_file_opens_is_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = f"{SECTION}  architect: {{hostname: 0.0.0.0}}\n  provider: {{signed_links: false}}\nnum_tasks: 77\n"
    compose(home, text, architect_args={"hostname": "0.0.0.0"}, provider_args={"signed_links": False})
    assert caplog.text == ""
    compose(home, text)
    assert "lets others than this computer ask the router (mephisto.architect.hostname is '0.0.0.0')" in caplog.text
    assert "lets everybody come under any name" in caplog.text


def test_a_router_without_a_name_is_open_too(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    compose(home, f"{SECTION}  architect: {{hostname: ''}}\n")
    assert "lets others than this computer ask the router" in caplog.text


def test_a_file_of_aliases_without_end_is_refused(home: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="stands for more than"):
        compose(home, "\n".join(lines))


def test_a_few_lines_do_not_stand_for_many_settings(home: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 5)]
    with pytest.raises(ConfigError, match="stands for more than 50,000 values"):
        compose(home, "\n".join(lines))


@pytest.mark.skipif(os.name == "nt", reason="Windows makes links for administrators alone")
def test_tips_are_written_to_no_file_elsewhere(home: Path, tmp_path: Path) -> None:
    (home / "data").mkdir()
    setting = "tips_location: '${task_dir}/data/rows.csv', _blueprint_type"
    config = compose(home, SECTION.replace("_blueprint_type", setting))
    (home / "data").rmdir()
    (home / "data").symlink_to(tmp_path / "outside")
    blueprint = SimpleNamespace(args=config.mephisto.blueprint)
    with pytest.raises(DataFileError, match=r"tips_location .*leads to .*, out of"):
        MetadataFrames(SimpleNamespace(blueprint=blueprint)).accept_tips(["1"])
