"""What a researcher's HTML may hold, and what is refused because workers' browsers would not do it."""

from __future__ import annotations

import pytest

from mephisto_nb.blueprints.static_html.template import Template, read_template
from mephisto_nb.errors import ConfigError


def read(html: str, script_sources: tuple[str, ...] = ()) -> Template:
    return read_template(html, "task.html", "task", list(script_sources))


def test_fields_are_found_in_text_and_attributes_with_their_lines() -> None:
    template = read('<p>${a.b}\n</p><img alt="${full name}">\n${ html | safe } ${a.b}')
    assert [(field.path, field.line) for field in template.fields] == [("a.b", 1), ("full name", 2), ("html", 3)]


def test_fields_in_comments_do_not_count() -> None:
    assert read("<!-- ${gone} --><input name=a>").fields == []


def test_inline_scripts_become_files_in_their_order() -> None:
    template = read('<p>a</p><script>one()</script><b>b</b><script type="module">two()</script>')
    assert template.scripts == {"task-script-1.js": "one()", "task-script-2.js": "two()"}
    assert template.html == (
        '<p>a</p><script src="task-script-1.js"></script><b>b</b><script src="task-script-2.js" type="module"></script>'
    )


def test_scripts_that_are_data_stay_where_they_are() -> None:
    html = '<script type="application/json">{"a": 1}</script>'
    assert read(html).html == html


def test_template_literals_of_javascript_are_no_fields() -> None:
    script = "say(`${name}`); // ${a}\n/* ${b} */ let url = 'https://x.org/'; `${c} and ${d}`;"
    assert read(f"<script>{script}</script>").fields == []


@pytest.mark.parametrize("script", ['let x = "${text}";', "f('${text}')", "let x = ${text};"])
def test_a_field_in_a_script_is_refused(script: str) -> None:
    with pytest.raises(ConfigError, match=r"task.html, line 2: .*read\s+mephisto\.data\['text'\] there"):
        read(f"<p></p>\n<script>{script}</script>")


def test_style_attributes_are_renamed_and_nothing_else_is() -> None:
    html = '<p title="a style = b" style="color: red" class=x>style="no"</p>'
    assert read(html).html == '<p title="a style = b" data-mephisto-style="color: red" class=x>style="no"</p>'


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ('<button onclick="go()">', r"<button onclick=...> is inline code.*addEventListener\('click'"),
        ('<a href=" JavaScript:go()">', "is inline code"),
        ('<a href="java\tscript:go()">', "is inline code"),
        ('<a href="\x01java&NewLine;script:go()">', "is inline code"),
        ("<script>go()", "has no </script>"),
        ('<script src="a.js"/>', "is not closed"),
        ('<script src="https://example.org/a.js"></script>', "lies on another site.*extra_script_sources"),
        ('<script src="//example.org/a.js"></script>', "lies on another site"),
        ("<style>@import 'a.css';</style>", "@import in <style> is not loaded"),
        ("<iframe src='https://example.org'></iframe>", "<iframe> shows other pages"),
        ("<input ${checked}>", "attribute's name is expected"),
        ("<input value=${full name}>", "put quotes around"),
        ("<input type=file name=files>", "named 'files', a name that the upload itself uses"),
        ("<p>${a | upper}</p>", r"asks for 'upper'; the only word"),
    ],
)
def test_what_a_workers_browser_would_not_do_is_refused_with_the_mend(html: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(html)


def test_scripts_of_an_allowed_site_stay() -> None:
    html = '<script src="https://example.org/lib/a.js"></script>'
    assert read(html, ("https://example.org/lib/",)).html == html


def test_files_that_must_lie_beside_the_page_are_noted() -> None:
    template = read('<link rel="stylesheet" href="a.css"><script src="b.js"></script>')
    assert template.local_files == ["a.css", "b.js"]
