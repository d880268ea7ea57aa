"""What of the extra folder is published, and what is said of files that rows and templates name."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.blueprints.static_html.extra_files import list_files
from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import SharedTaskState
from tests.blueprints.tasks import task

PICTURE = '<img src="${img}"><input name=mood>'


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    return folder


def published(folder: Path, *names: str) -> set[str]:
    return set(list_files(str(put(folder, *names))).files)


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".git/config",
        ".ipynb_checkpoints/a.png",
        "study.ipynb",
        "analysis.py",
        "__pycache__/a.png",
        "my-study/mephisto_nb.db",
        "my-study/runs/1/site/a.png",
        "runs/1/link_secret",
        "results.sqlite-wal",
        "key.pem",
        "frame.pkl",
        "notes.txt~",
    ],
)
def test_what_no_page_needs_is_not_published(tmp_path: Path, name: str) -> None:
    put(tmp_path, "my-study/mephisto_nb.db")
    assert published(tmp_path, "a/cat.png", "style.css", name) == {"a/cat.png", "style.css"}


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    folder = put(tmp_path / "extra", "cat.png", ".env")
    os.symlink(folder / ".env", folder / "c.png")
    os.symlink(folder, folder / "again")
    os.symlink(folder / "cat.png", folder / "same.png")
    found = list_files(str(folder))
    assert set(found.files) == {"cat.png", "same.png"}
    assert (found.left_out["c.png"], found.left_out["again"]) == ("a link to what is left out", "a link to a folder")


def test_a_folder_of_everything_is_refused() -> None:
    for folder in (str(Path.home()), "/"):
        with pytest.raises(ConfigError, match="all that is in it would be published"):
            list_files(folder)


def test_the_folder_of_the_notebook_can_hold_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(put(tmp_path, "cat.png", ".env", "gold.csv", "task.html", "rows.csv", "data/mephisto_nb.db"))
    (tmp_path / "task.html").write_text(PICTURE)
    (tmp_path / "rows.csv").write_text("img,right\ncat.png,yes\n")
    blueprint = task(html=None, task_source="task.html", data_csv="rows.csv", extra_source_dir=".")
    blueprint.assert_task_args()
    blueprint.build_site(tmp_path / "data" / "site")
    served = {path.name for path in (tmp_path / "data" / "site").iterdir()}
    assert served == {"cat.png", "task.html", "index.html", "preview.json", "worker_page"}
    (remark,) = blueprint.remarks
    assert "publishes 1 file (0.0 kB) to whoever has the address. Left out: .env (hidden)" in remark
    assert "rows.csv (a file that a setting names)" in remark
    assert "gold.csv (a table or text that no page loads)" in remark


def test_tables_are_published_where_a_row_or_a_script_may_load_them(tmp_path: Path) -> None:
    folder = str(put(tmp_path / "extra", "a.csv", "b.csv"))
    linked = task([{"url": "a.csv"}], html="<a href='${url}'>table</a><input name=x>", extra_source_dir=folder)
    linked.assert_task_args()
    linked.build_site(tmp_path / "site")
    assert (tmp_path / "site" / "a.csv").exists()
    assert not (tmp_path / "site" / "b.csv").exists()
    html = "${text}<input name=x><script>fetch('a.csv')</script>"
    scripted = task([{"text": "a"}], html=html, extra_source_dir=folder)
    scripted.assert_task_args()
    assert "publishes 2 files (0.0 kB) to whoever has the address, among them a.csv, b.csv." in scripted.remarks[0]


def test_a_folder_made_for_pages_asks_for_no_remark(tmp_path: Path, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    put(tmp_path, "cat.png", "style.css", ".DS_Store")
    blueprint = task([{"img": "cat.png"}], html=PICTURE, extra_source_dir=str(tmp_path))
    blueprint.assert_task_args()
    assert blueprint.remarks == []
    assert "publishes 2 files (0.0 kB)" in caplog.text


# Files that rows name


@pytest.mark.parametrize(
    "address",
    [
        "cat.png",
        "./cat.png",
        "/cat.png",
        "a/dog #2.png",
        "a\\dog #2.png",
        "a/dog%20%232.png",
        "a/../cat.png",
        "100%.png",
        "what?.png",
        "film.mp4#t=1,2",
        "film.mp4?x=1",
        "u\u0308ber.png",
        "\u00fcber.png",
        "https://example.org/none.png",
        "//example.org/none.png",
        "data:image/png;base64,AA",
    ],
)
def test_an_address_that_leads_somewhere_is_no_trouble(tmp_path: Path, address: str) -> None:
    names = ("cat.png", "a/dog #2.png", "100%.png", "what?.png", "film.mp4", "\u00fcber.png")
    blueprint = task([{"img": address}], html=PICTURE, extra_source_dir=str(put(tmp_path, *names)))
    blueprint.assert_task_args()
    assert blueprint.remarks == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("kat.png", r"'kat.png', named in row 0 of static_task_data, but .* has no such file. Did you mean 'cat.png'"),
        ("pictures/cat.png", "Did you mean 'cat.png'"),
        ("Cat.PNG", "has no such file"),
        (".secret.png", "not published, being hidden"),
        ("{folder}/cat.png", "a path on this computer. Write 'cat.png'"),
        ("file:///home/ann/cat.png", "has no such file"),
        ("C:\\Users\\ann\\cat.png", "has no such file"),
        ("www.example.org/cat.png", "has no such file"),
    ],
)
def test_a_picture_that_is_not_there_is_told_before_launch(tmp_path: Path, address: str, told: str) -> None:
    put(tmp_path, "cat.png", ".secret.png")
    row = {"img": address.format(folder=tmp_path)}
    with pytest.raises(DataFileError, match=told):
        task([row], html=PICTURE, extra_source_dir=str(tmp_path)).assert_task_args()


@pytest.mark.parametrize(
    "html",
    [
        '<audio controls src="${img}"></audio>',
        '<video poster="${img}" src="cat.png"></video>',
        '<video><source src="${img}"></video>',
        '<div style="background: url(${img})"></div>',
        '<img src="pictures/${img}">',
        "${html | safe}",
        '<img src="none.png">${img}',
    ],
)
def test_whatever_shows_a_file_is_looked_at(tmp_path: Path, html: str) -> None:
    row = {"img": "none.png", "html": "<p><img src='none.png'></p>"}
    with pytest.raises(DataFileError, match=r"could not load '.*none.png'"):
        task([row], html=f"{html}<input name=x>", extra_source_dir=str(put(tmp_path, "cat.png"))).assert_task_args()


def test_without_a_folder_no_local_file_is_there() -> None:
    with pytest.raises(DataFileError, match=r"extra_source_dir is not set\. Set it to the folder that holds the file"):
        task([{"img": "cat.png"}], html=PICTURE).assert_task_args()
    task([{"img": None, "n": 1}], html=f"${{n}}{PICTURE}").assert_task_args()


def test_many_missing_files_are_counted_and_a_few_named(tmp_path: Path) -> None:
    rows = [{"img": f"{number}.png"} for number in range(9)]
    with pytest.raises(DataFileError, match=r"load 9 files \(rows 0, 1, 2, 3, 4 and 4 more of .*'5.png' and 3 more"):
        task(rows, html=PICTURE, extra_source_dir=str(tmp_path)).assert_task_args()


def test_a_link_that_leads_nowhere_is_remarked() -> None:
    blueprint = task([{"url": "www.example.org/a"}], html='<a href="${url}">more</a><input name=x>')
    blueprint.assert_task_args()
    assert "could not load 'www.example.org/a'" in blueprint.remarks[0]


def test_where_scripts_may_mend_it_a_missing_file_is_remarked(tmp_path: Path) -> None:
    put(tmp_path, "cat.png")
    rows = [{"img": "cat.png", "sound": "none.mp3"}, {"img": "none.png", "sound": "none.mp3"}]
    blueprint = task(rows, html=f"{PICTURE}<script>sound img</script>", extra_source_dir=str(tmp_path))
    blueprint.assert_task_args()
    assert [remark.split(",")[0] for remark in blueprint.remarks] == [
        "Workers' pages could not load 'none.png'",
        "Workers' pages could not load 'none.mp3'",
    ]


def test_a_bundles_missing_files_are_remarked_where_it_has_others(tmp_path: Path) -> None:
    bundle = put(tmp_path, "build/bundle.js", "build/in.png", "extra/cat.png") / "build"
    others = ["https://a.org/b.png", "text.png is it"]
    rows = [{"img": "cat.png"}, {"img": "in.png"}, {"img": "none.png", "more": others}]
    args = StaticReactBlueprintArgs(task_source=str(bundle), extra_source_dir=str(tmp_path / "extra"))
    blueprint = StaticReactBlueprint(args, SharedTaskState(static_task_data=rows))
    blueprint.assert_task_args()
    (remark,) = blueprint.remarks
    assert "could not load 'none.png', named in row 2" in remark


def test_a_build_is_published_without_what_is_hidden(tmp_path: Path) -> None:
    put(tmp_path, "build/bundle.js", "build/.env", "build/img/a.png")
    args = StaticReactBlueprintArgs(task_source=str(tmp_path / "build"))
    StaticReactBlueprint(args, SharedTaskState(static_task_data=[{"a": 1}])).build_site(tmp_path / "site")
    assert (tmp_path / "site" / "img" / "a.png").exists()
    assert not (tmp_path / "site" / ".env").exists()


def test_a_page_learns_the_addresses_of_odd_names_alone(tmp_path: Path) -> None:
    put(tmp_path, "cat.png", "a/dog #2.png", "zwo\u0308lf.png", "\u00fcber.png")
    blueprint = task([{"img": "cat.png"}], html=PICTURE, extra_source_dir=str(tmp_path))
    assert blueprint.get_frontend_args()["file_names"] == {
        "a/dog #2.png": "a/dog%20%232.png",
        "zw\u00f6lf.png": "zwo%CC%88lf.png",
    }


def test_a_file_that_a_page_could_not_load_is_explained() -> None:
    explain = task([{"text": "a"}]).explain_page_error
    assert explain({"error_type": "error"}) is None
    assert "could not load 'none.png', and showed a gap" in str(explain({"error_type": "file", "file": "none.png"}))
    told = explain({"error_type": "file", "file": "https://a.org/" + "x" * 999})
    assert told is not None
    assert "that site" in told
    assert len(told) < 500
