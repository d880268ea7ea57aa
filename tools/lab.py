"""Opens JupyterLab on the quickstart notebook; it prints its address.

.venv/bin/python tools/lab.py [JUPYTER ARGS]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = Path("notebooks", "quickstart.ipynb")


def main() -> None:
    """Become JupyterLab."""
    if not (ROOT / NOTEBOOK).is_file():
        sys.exit(f"lab: there is no {NOTEBOOK}.")
    # The address that is printed leads to the notebook too, for those whose browser is elsewhere.
    opens = f"--LabApp.default_url=/lab/tree/{NOTEBOOK.as_posix()}"
    command = [sys.executable, "-m", "jupyter", "lab", opens, *needed_here(), *sys.argv[1:]]
    os.chdir(ROOT)
    # A terminal in JupyterLab should find this environment's commands.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execv(command[0], command)


def needed_here() -> list[str]:
    """Return the options that this machine calls for."""
    options = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        options.append("--no-browser")
    if os.environ.get("PORT"):
        options.append(f"--port={os.environ['PORT']}")
    return options


if __name__ == "__main__":
    main()
