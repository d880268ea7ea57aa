"""The static_react blueprint: which bundles it takes, what it serves, and what it says of the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import SharedTaskState

BUNDLE = '(()=>{"use strict";document.getElementById("app").textContent="import a from b"})();'
ROWS = [{"text": "What a day!"}, {"text": "Rain again."}]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle, in a folder of its own."""
    return write(tmp_path / "build" / "bundle.js", BUNDLE)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


Log = pytest.LogCaptureFixture


def task(source: Path | str, rows: Any = ROWS, task_config: dict[str, Any] | None = None, **args: Any) -> Any:
    """Make the blueprint, checked."""
    blueprint = StaticReactBlueprint(
        StaticReactBlueprintArgs(task_source=str(source), **args),
        SharedTaskState(static_task_data=rows, task_config=task_config or {}),
    )
    blueprint.assert_task_args()
    return blueprint


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


PAGE = {"index.html", "bundle.js", "bundle.css", "worker_page/beside_bundle.js", "worker_page/client.js"}
PAGE |= {"worker_page/around.js"}


def test_a_script_is_served_with_the_page_around_it(bundle: Path, tmp_path: Path) -> None:
    task(bundle).build_site(tmp_path / "site")
    assert files_of(tmp_path / "site") == PAGE
    page = (tmp_path / "site" / "index.html").read_text()
    assert '<div id="app">' in page
    assert page.index("wrap_crowd_source.js") < page.index("bundle.js")
    assert "//" not in page.replace("<!doctype", "")  # nothing from another site


def test_a_style_sheet_of_the_same_name_comes_along(tmp_path: Path) -> None:
    write(tmp_path / "main.css", "p{}")
    task(write(tmp_path / "main.js", BUNDLE)).build_site(tmp_path / "site")
    assert (tmp_path / "site" / "bundle.css").read_text() == "p{}"
    assert (tmp_path / "site" / "bundle.js").read_text() == BUNDLE


def test_a_folder_is_served_with_all_that_the_build_put_there(bundle: Path, tmp_path: Path) -> None:
    write(bundle.parent / "img" / "cat.svg", "<svg/>")
    write(bundle.parent / "index.html", "the build's own page, which does not know the crowd")
    task(bundle.parent).build_site(tmp_path / "site")
    assert files_of(tmp_path / "site") == {*PAGE, "img/cat.svg"}
    assert "wrap_crowd_source.js" in (tmp_path / "site" / "index.html").read_text()


def test_extra_files_lie_beside_the_bundle(bundle: Path, tmp_path: Path) -> None:
    write(tmp_path / "extra" / "cat.png", "meow")
    task(bundle, extra_source_dir=str(tmp_path / "extra")).build_site(tmp_path / "site")
    assert files_of(tmp_path / "site") == {*PAGE, "cat.png"}


def test_a_linked_bundle_is_served_from_where_it_lies(bundle: Path) -> None:
    assert task(bundle).get_linked_files() == {}
    assert task(bundle, link_task_source=True).get_linked_files() == {"bundle.js": bundle}


def test_rows_become_assignments_of_as_many_units_as_asked_for(bundle: Path) -> None:
    first, _ = task(bundle, units_per_assignment=3).get_initialization_data()
    assert (first.shared, first.unit_data) == (ROWS[0], [{}, {}, {}])


def test_rows_of_a_generator_are_checked_as_they_are_drawn(bundle: Path) -> None:
    rows = task(bundle, rows=(row for row in [ROWS[0], "no row"])).get_initialization_data()
    assert next(iter(rows)).shared == ROWS[0]
    with pytest.raises(DataFileError, match="row 1 of static_task_data"):
        next(iter(rows))


async def test_rows_of_an_async_generator_become_assignments(bundle: Path) -> None:
    async def rows() -> Any:
        yield ROWS[0]

    assert [row.shared async for row in task(bundle, rows=rows()).get_initialization_data()] == [ROWS[0]]


def test_an_answer_is_what_was_handed_in_whatever_it_is(bundle: Path) -> None:
    assert task(bundle).get_answer({"files": "mine", "n": 1}) == {"files": "mine", "n": 1}
    assert task(bundle).get_answer([1]) == {"answer": [1]}


def test_the_page_is_told_of_the_preview_and_of_accepted_tips(bundle: Path, tmp_path: Path) -> None:
    preview = write(tmp_path / "preview.html", "<h1>Have a look</h1>")
    tips = write(tmp_path / "tips.csv", 'header,text\nZoom,"Zoom in, then mark."\n')
    blueprint = task(bundle, preview_source=str(preview), tips_location=str(tips), task_config={"a": 1})
    blueprint.build_site(tmp_path / "site")
    assert (tmp_path / "site" / "preview.html").read_text() == "<h1>Have a look</h1>"
    found = blueprint.get_frontend_args()
    assert (found["a"], found["preview_html"], found["has_preview"]) == (1, "<h1>Have a look</h1>", True)
    assert found["tips"] == [{"header": "Zoom", "text": "Zoom in, then mark."}]


def test_tips_that_are_not_there_yet_are_no_tips(bundle: Path, tmp_path: Path) -> None:
    assert "tips" not in task(bundle, tips_location=str(tmp_path / "none.csv")).get_frontend_args()


# What cannot be served


REFUSED = {
    "nothing there": (None, "no such file .*npm run build"),
    "an empty one": (" \n", "is empty: its build failed"),
    "imports": ('import React from "react";\n', "not built as a classic script: it holds 'import React"),
    "imports after a comment": ('/* hi */\nimport {useState} from "react"\n', "not built"),
    "exports": ("function a() {}\nexport default a;\n", "not built .*export default"),
    "a minified module": ('import{useState as s}from"react";var a=1;export{a as default};', "not built"),
    "a module that exports at its end": ("var a=1;export{a as b};", "not built .*export"),
    "JSX": (
        "const React = window.React;\nfunction App() {\n  return (\n    <div className='a'>hi</div>\n  );\n}",
        "not built",
    ),
    "a page": ("<!DOCTYPE html><p>hi</p>", "holds HTML .*static_html"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_what_no_browser_can_run_is_refused_with_what_to_do(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bundle.js"
    if text is not None:
        write(path, text)
    with pytest.raises(ConfigError, match=said):
        task(path)


FINE = {
    "text that looks like a source": 'var a = "x";\nvar b = `\nimport a from "b";\nreturn <div>`;',
    "comments that look like a source": "/*\nimport a from 'b';\nexport default b;\n*/ var a = 1;",
    "comparisons": "var a = (b<c && d>e); function f(){return a<b} f(a<b,c>d)",
    "dynamic imports": 'import("./chunk.js").then(a => a)',
    "properties": "a.import\nb.export = 1",
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_only_looks_like_a_source_is_taken(text: str, tmp_path: Path) -> None:
    task(write(tmp_path / "bundle.js", text))


@pytest.mark.parametrize("name", ["app.jsx", "app.tsx", "app.ts"])
def test_sources_are_known_by_their_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a source file, which browsers cannot run"):
        task(write(tmp_path / name, BUNDLE))


def test_a_folder_without_a_bundle_names_what_it_found(tmp_path: Path) -> None:
    write(tmp_path / "build" / "main.js", BUNDLE)
    with pytest.raises(ConfigError, match=r"no bundle.js \(its scripts are main.js\)"):
        task(tmp_path / "build")


def test_the_folder_of_a_package_is_not_published(tmp_path: Path) -> None:
    write(tmp_path / "bundle.js", BUNDLE)
    write(tmp_path / "package.json", "{}")
    with pytest.raises(ConfigError, match="folder of a package"):
        task(tmp_path)


DEVELOPED = 'eval("__webpack_require__.r(a);\\n//# sourceURL=webpack://app/./src/a.js?");'


def test_a_build_for_development_may_run_its_text_with_a_remark(tmp_path: Path, caplog: Log, bundle: Path) -> None:
    path = write(tmp_path / "bundle.js", DEVELOPED)
    assert "script-src 'self' 'unsafe-eval';" in task(path).get_content_security_policy()
    assert "built for development" in caplog.text
    assert "unsafe-eval" not in task(bundle).get_content_security_policy()


def test_a_build_for_development_is_refused_where_eval_is_forbidden(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"built for development.*leave allow_eval out"):
        task(write(tmp_path / "bundle.js", DEVELOPED), allow_eval=False)


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no units": ({"units_per_assignment": 0}, "units_per_assignment is 0"),
    "a source that is none": ({"extra_sources": ["'unsafe-inline'"]}, "extra_sources holds"),
    "no folder": ({"extra_source_dir": "nowhere"}, "which is not a folder"),
    "no rows": ({"rows": []}, "holds no rows"),
    "rows that are none": ({"rows": ["a"]}, "row 0 of static_task_data"),
    "no data": ({"rows": None}, "has no data"),
    "no preview": ({"preview_source": "nowhere.html"}, "preview_source is 'nowhere.html'"),
}


@pytest.mark.parametrize(("args", "said"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_cannot_work_are_refused(args: dict[str, Any], said: str, bundle: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        task(bundle, **args)


def test_an_extra_file_never_takes_the_place_of_the_bundle(bundle: Path, tmp_path: Path, caplog: Log) -> None:
    for name in ("bundle.js", "wrap_crowd_source.js", "worker_page/client.js"):
        write(tmp_path / "extra" / name, "other")
    task(bundle, extra_source_dir=str(tmp_path / "extra")).build_site(tmp_path / "site")
    assert all(
        f"{name} (a name that the" in caplog.text for name in ("bundle.js", "worker_page", "wrap_crowd_source.js")
    )
    assert files_of(tmp_path / "site") == PAGE
    assert (tmp_path / "site" / "bundle.js").read_text() == BUNDLE


def test_a_page_for_reviews_is_left_out_with_a_remark(bundle: Path, caplog: Log) -> None:
    task(bundle, task_source_review="bundle.review.js")
    assert "task_source_review is 'bundle.review.js', which is left out" in caplog.text


OWN_PAGE = """<!DOCTYPE html><html><head><title>Rate it</title>
<link
  rel="stylesheet"
  href="https://example.org/bulma.min.css"
/>
<script src="wrap_crowd_source.js"></script></head>
<body><div id="app"></div><script src="https://example.org/x.js"></script>
<script src="bundle.js"></script></body></html>"""


def test_a_page_of_ones_own_is_served_with_our_scripts_in_it(bundle: Path, tmp_path: Path, caplog: Log) -> None:
    write(tmp_path / "extra" / "index.html", OWN_PAGE)
    task(bundle, extra_source_dir=str(tmp_path / "extra")).build_site(tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text()
    assert "<title>Rate it</title>" in page
    assert re.findall(r'src="(.*?)"', page) == [
        "wrap_crowd_source.js", "worker_page/beside_bundle.js", "worker_page/client.js", "bundle.js"
    ]  # fmt: skip
    assert "example.org" not in page
    assert "https://example.org/bulma.min.css" in caplog.text


def test_a_page_of_ones_own_keeps_addresses_that_are_named(bundle: Path, tmp_path: Path) -> None:
    write(tmp_path / "extra" / "index.html", OWN_PAGE)
    args = {"extra_source_dir": str(tmp_path / "extra"), "extra_sources": ["https://example.org/"]}
    task(bundle, **args).build_site(tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text().count("https://example.org/") == 2


def test_a_page_that_would_not_load_the_task_is_not_served(bundle: Path, tmp_path: Path, caplog: Log) -> None:
    write(tmp_path / "extra" / "index.html", "<h1>About this folder</h1>")
    task(bundle, extra_source_dir=str(tmp_path / "extra")).build_site(tmp_path / "site")
    assert '<div id="app">' in (tmp_path / "site" / "index.html").read_text()
    assert "index.html (a name that the worker's page has itself" in caplog.text


# What the page may do


def test_other_sites_are_reached_only_if_named(bundle: Path) -> None:
    assert "https:" not in task(bundle).get_content_security_policy()
    policy = task(bundle, extra_sources=["https://example.org/"]).get_content_security_policy()
    assert policy.count("https://example.org/") == 5


EXPLAINED = {
    ("script-src", "eval"): "allow_eval=true",
    ("style-src", "inline"): "allow_inline_styles=true",
    ("script-src", "inline"): "Put it into the bundle",
    ("connect-src", "https://example.org/x"): "extra_sources",
}


@pytest.mark.parametrize("stopped", EXPLAINED, ids=" ".join)
def test_what_the_policy_stopped_is_explained(stopped: tuple[str, str], bundle: Path) -> None:
    directive, blocked = stopped
    told = task(bundle).explain_page_error({"error_type": "policy", "directive": directive, "blocked": blocked})
    assert EXPLAINED[stopped] in told
    assert f"({directive}: {blocked})" in told


def test_other_errors_are_not_explained(bundle: Path) -> None:
    assert task(bundle).explain_page_error({"error_type": "error", "text": "eval"}) is None


def test_cells_that_a_bundle_would_lack_are_remarked(bundle: Path) -> None:
    rows = [{"text": "a", "note": None}, {"text": "b", "note": ""}, {"text": None, "note": "n"}, {"text": "d", "n": 4}]
    rows[3]["note"] = " "
    (remark,) = task(bundle, rows).remarks
    assert remark.startswith("'text' is empty in row 2 of static_task_data.")
