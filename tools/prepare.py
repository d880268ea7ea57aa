"""Sets up what `make` needs, on a machine that has nothing but Python; standard library only.

python3 tools/prepare.py python     .venv, with exactly what requirements.lock names
python3 tools/prepare.py chromium   the browser of the browser tests
python3 tools/prepare.py npm        the bundle that a browser test serves
python3 tools/prepare.py lock       requirements.lock, made anew from pyproject.toml
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
# Beside the environment, not in it: syncing takes away whatever the lock does not name.
UV_HOME = VENV / ".uv"
UV = UV_HOME / "bin" / "uv"
UV_LOCK = ROOT / "tools" / "uv.txt"
STAMP = VENV / ".synced"
NPM = ROOT / "tests" / "npm"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
OLDEST = (3, 11)


def main() -> None:
    """Do what the command line names."""
    commands = {"python": prepare_python, "chromium": prepare_chromium, "npm": prepare_npm, "lock": lock}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    try:
        commands[sys.argv[1]]()
    except subprocess.CalledProcessError as error:
        sys.exit(f"prepare: `{' '.join(map(str, error.cmd))}` ended with {error.returncode}; what it printed is above.")


def prepare_python() -> None:
    """Make .venv hold what requirements.lock names and this package, editable; then leave the stamp."""
    make_venv()
    if get_uv() is None or not sync_with_uv():
        say("uv cannot do it here; installing with pip, which takes longer")
        sync_with_pip()
    STAMP.touch()


def make_venv() -> None:
    """Make .venv, unless there is one that works."""
    if succeeds(PYTHON, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST})"):
        return
    if sys.version_info < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        sys.exit(
            f"prepare: this is Python {sys.version.split()[0]}; {oldest} or newer is needed: make PYTHON=python3.12 ..."
        )
    say("making .venv")
    make = (sys.executable, "-m", "venv", "--clear", VENV)
    # Debian keeps ensurepip in a package of its own.
    if not succeeds(sys.executable, "-c", "import ensurepip") and not apt_install("python3-venv"):
        sys.exit("prepare: this Python cannot make environments. Install the package python3-venv, then try again.")
    run(*make)


def get_uv() -> Path | None:
    """Return the pinned uv, fetched if need be; None where it cannot be had."""
    pinned = UV_LOCK.read_text(encoding="utf-8").split()[0].replace("==", " ")
    if is_version(output_of(UV, "--version"), pinned):
        return UV
    shutil.rmtree(UV_HOME, ignore_errors=True)
    say(f"fetching {pinned}")
    fetched = succeeds(*pip(), "install", "--quiet", "--require-hashes", "--target", UV_HOME, "-r", UV_LOCK)
    return UV if fetched and output_of(UV, "--version") else None


def is_version(told: str, pinned: str) -> bool:
    """Return whether what ``--version`` says is a name and a version: "uv 0.9.1 (a date)" is "uv 0.9.1"."""
    return told.split()[:2] == pinned.split()


def sync_with_uv() -> bool:
    """Make .venv what the lock says; False where uv fails, say because only pip knows the way to a mirror."""
    say("installing what requirements.lock names: half a minute to a few minutes, the first time alone")
    quiet = ("--quiet", "--python", PYTHON)
    return succeeds(UV, "pip", "sync", *quiet, "--require-hashes", LOCK) and succeeds(
        UV, "pip", "install", *quiet, "--no-deps", "--no-build-isolation", "-e", ROOT
    )


def sync_with_pip() -> None:
    """Do the same by pip, which leaves alone what the lock does not name."""
    run(*pip(), "install", "--quiet", "--require-hashes", "-r", LOCK)
    run(*pip(), "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", ROOT)


def pip() -> tuple[str | Path, ...]:
    """Return the command of the environment's pip, put back if it went missing."""
    if not succeeds(PYTHON, "-c", "import pip"):
        run(PYTHON, "-m", "ensurepip")
    return (PYTHON, "-m", "pip", "--disable-pip-version-check")


def prepare_chromium() -> None:
    """Install Chromium where that is ours to do; elsewhere say what is missing, and go on."""
    if any(map(shutil.which, CHROMIUM_NAMES)) or apt_install("chromium"):
        return
    say(f"no {' or '.join(CHROMIUM_NAMES)} in PATH; without one the browser tests are skipped (if CI is set they fail)")


def prepare_npm() -> None:
    """Build tests/npm/dist/bundle.js; without npm say so, and go on."""
    if shutil.which("npm") is None:
        say("no npm in PATH: install Node.js, else the test of the npm packages is skipped (if CI is set it fails)")
        return
    say("building the npm bundle of the browser test")
    run("npm", "ci", "--loglevel=error", cwd=NPM)
    run("npm", "run", "--silent", "build", cwd=NPM)


def lock() -> None:
    """Resolve pyproject.toml anew; arguments such as --upgrade are handed on."""
    make_venv()
    if get_uv() is None:
        sys.exit("prepare: locking needs uv, which could not be installed.")
    shape = ("--universal", "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url")
    wanted = ("--all-extras", "--group", "dev", "--group", "docs", "pyproject.toml")
    run(UV, "pip", "compile", "-q", "--python", PYTHON, *shape, *wanted, "-o", LOCK.name, *sys.argv[2:])


def apt_install(package: str) -> bool:
    """Install a Debian package; False where we are not root, or it fails."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"installing Debian's {package}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    return succeeds("apt-get", "update", "-qq") and succeeds(
        "apt-get", "install", "-y", "-qq", "--no-install-recommends", package, stdout=subprocess.DEVNULL
    )


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command; raise `CalledProcessError` if it fails."""
    subprocess.run(command, check=True, cwd=cwd, stdin=subprocess.DEVNULL)


def succeeds(*command: str | Path, stdout: int | None = None) -> bool:
    """Return whether a command can be run and ends well."""
    try:
        return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stdout).returncode == 0
    except OSError:
        return False


def output_of(*command: str | Path) -> str:
    """Return what a command prints, '' if it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    except OSError:
        return ""


def say(text: str) -> None:
    """Print what goes on."""
    print(f"prepare: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
