"""Which HTML texts of a form may hold, and how browsers' expressions are read in Python."""

from __future__ import annotations

import pytest

from mephisto_nb.blueprints.form.html import clean_html, only_text
from mephisto_nb.blueprints.form.patterns import LONGEST, finds, refuse_pattern
from mephisto_nb.errors import ConfigError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("html", "written"),
    [
        ("plain", "plain"),
        ("<p>a<br/>b", "<p>a<br>b</p>"),
        ('<IMG SRC="${url}" ALT=x>', '<img src="${url}" alt="x">'),
        ("<b><i>x</b></i>", "<b><i>x</i></b>"),
        ("</div></fieldset>x", "x"),
        ("a &lt;script> b &amp; c", "a &lt;script&gt; b &amp; c"),
        ("<!-- <script>x</script> --><b>y</b>", "<b>y</b>"),
        ('<a href="https://a.org" target=_blank>a</a>', '<a href="https://a.org" target="_blank">a</a>'),
        ("<p style='color: red' class=\"a b\">x</p>", '<p style="color: red" class="a b">x</p>'),
        ("<details open><summary>s</summary></details>", "<details open><summary>s</summary></details>"),
    ],
)
def test_what_is_on_the_list_is_written_anew(html: str, written: str) -> None:
    assert clean_html(html, "help") == written


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ("<script>1</script>", r"^help, line 1: <script> cannot stand in a form\. Scripts are not run here"),
        ("\n<p onclick=x>", r"^help, line 2: <p onclick=\.\.\.> cannot stand in a form\. Leave"),
        ("<svg onload=x>", "<svg> cannot"),
        ("<iframe src=x>", "Link to that page instead"),
        ("<a href=' JavaScript:x'>", "href=' JavaScript:x' cannot"),
        ("<a href='java\tscript:x'>", "cannot stand in a form"),
        ("<a href='java&Tab;scr&#10;ipt:x'>", "cannot stand in a form"),
        ("<a href='\x01javascript:x'>", "cannot stand in a form"),
        ("<a href='data:text/html,x'>", "href='data:text/html,x' cannot"),
        ("<input name=x>", "Make it a field of the form"),
        ("<template><b></template>", "<template> cannot"),
        ("<p data-show-if=x>", "<p data-show-if=...> cannot"),
        ("<p id=task-form>", "The page uses it itself"),
        ("<p id=form-a>", "The page uses it itself"),
        ("<base href=x>", "<base> cannot"),
        ("<meta http-equiv=refresh>", "<meta> cannot"),
    ],
)
def test_what_is_not_is_refused_by_name(html: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        clean_html(html, "help")


def test_labels_are_the_words_of_their_html() -> None:
    assert only_text("<b>Fish</b>\n &amp; <i>chips</i>") == "Fish & chips"


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "found"),
    [
        (r"^[\w.-]+@mephisto\.ai$", "ig", "a.b@MEPHISTO.ai", True),
        (r"^\d+$", "", "١٢", False),
        (r"^[\d]+$", "", "١٢", False),
        (r"\W", "", "é", True),
        (r"a$", "", "a\n", False),
        (r"^b$", "m", "a\nb", True),
        (r"[^]", "", "\n", True),
        (r"(?<y>\d{4})-\k<y>", "", "2020-2020", True),
        (r"\u{1F600}", "u", "😀", True),
        (r"[$[\]]", "", "]", True),
        (r"^[a-z\.\-']+$", "ig", "O'Neil", True),
        (r"x", "", "x" * (LONGEST + 1), False),
        (r"\bcafé\b", "", "un café noir", False),
        (r"\bsix\b", "", "un six noir", True),
        (r"^.{2}$", "", "😀", True),
        (r"^.$", "u", "😀", True),
        (r"[😀]$", "", "a😀", True),
        (r"^[\w-.]+$", "", "a-b.c", True),
        (r"^[.-\w]+$", "", "a-b.c", True),
        (r"[\W_]", "", "é", True),
        (r"^\S+$", "", "a\x85b", True),
        (r"^\s$", "", "\ufeff", True),
        (r"^[^\s]+$", "", "a\u3000b", False),
        (r"^(\w+\s?)+$", "", "many words and no end", True),
        (r"^(a+)+$", "", "a" * 40 + "!", False),
        (r"^(a|aa)+$", "i", "a" * 60 + "!", False),
    ],
)
def test_an_expression_finds_what_it_finds_in_a_browser(pattern: str, flags: str, text: str, found: bool) -> None:
    assert refuse_pattern(pattern, flags) == ""
    assert finds(pattern, flags, text) == found


@pytest.mark.parametrize("pattern", ["(", "a++", "(?>a)", "a{,3}", r"\p{L}", r"\Aa", "(?P<a>b)", "(?i)a"])
def test_what_one_side_cannot_read_is_refused(pattern: str) -> None:
    assert refuse_pattern(pattern, "") != ""
