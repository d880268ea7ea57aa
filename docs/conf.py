"""How Sphinx builds the site: `make docs`. Nothing is fetched while it is built, or when it is read."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mephisto_nb
from docs.generate.write import write

project = "mephisto_nb"
author = "The mephisto_nb developers"
copyright = author
release = version = mephisto_nb.__version__

extensions = ["myst_nb", "docs.generate.links"]
exclude_patterns = ["_made", "_build", "generate", "notebooks/*/*"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
# Notebooks are run by tests, in kernels of their own; here they are shown as they are.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
highlight_language = "none"
add_module_names = False
toc_object_entries_show_parents = "hide"
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = f"mephisto_nb {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
pygments_dark_style = "github-dark"
_ACCENT = ("color-brand-primary", "color-brand-content", "color-api-name", "color-api-pre-name")
html_theme_options = {
    "light_css_variables": dict.fromkeys(_ACCENT, "#0b6e6e"),
    "dark_css_variables": dict.fromkeys(_ACCENT, "#5cc8c0"),
}

write()
