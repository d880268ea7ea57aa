"""The script by which a task's page learns who its worker is: what all crowds share, and the provider's own part.

Stands alone because a site is built with it, and so are the sites of tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mephisto_nb.ports.crowd_provider import CrowdProvider

#: What it is called on the site.
CROWD_SCRIPT = "wrap_crowd_source.js"


def read_crowd_script(provider: CrowdProvider[Any]) -> str:
    """Return the script of a provider's sites; reads two files."""
    shared = Path(__file__).with_name("crowd_script.js")
    return "\n".join(one.read_text(encoding="utf-8") for one in (shared, provider.get_wrapper_js_path()))
