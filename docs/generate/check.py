"""Looks through a built site: `python -m docs.generate.check FOLDER` names what would be loaded from elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: What a browser loads by itself; links that somebody follows are left alone.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)[^>]*\ssrc=[\"'](?P<src>[^\"']+)|"
    r"<link(?![^>]*rel=[\"'](?:canonical|license)[\"'])[^>]*\shref=[\"'](?P<href>[^\"']+)|"
    r"(?:@import\s+|url\()[\"']?(?P<url>[^\"')\s]+)"
)


def loaded_from_elsewhere(text: str) -> list[str]:
    """Return the addresses that a page or style sheet loads from another site."""
    found = [next(filter(None, match.groups())) for match in _LOADED.finditer(text)]
    return [address for address in found if re.match(r"(https?:)?//", address)]


def main(folder: Path) -> int:
    """Look through a folder; return 1 if something would be loaded from elsewhere, or there is no page."""
    files = [path for kind in ("*.html", "*.css") for path in sorted(folder.rglob(kind))]
    bad = [(path, address) for path in files for address in loaded_from_elsewhere(path.read_text(encoding="utf-8"))]
    for path, address in bad:
        sys.stderr.write(f"docs: {path.relative_to(folder)} loads {address}\n")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
