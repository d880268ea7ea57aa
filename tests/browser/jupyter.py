"""Starts a JupyterLab that touches nothing of the user's, and drives it as a person would."""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page

from mephisto_nb._typing import JSONObject

_PATIENCE = 90.0
_ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/")
#: A toast with news would lie over the bottom right of the page, and ask the network.
_SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab, and the folder of its notebooks."""

    url: str
    token: str
    root: Path
    #: Open notebooks in Notebook 7 instead, which the same server serves.
    is_notebook7: bool = False

    def with_notebook7(self) -> Lab:
        """Return the same server, whose notebooks are opened in Notebook 7."""
        return replace(self, is_notebook7=True)

    def write_notebook(self, name: str, cells: list[str]) -> Path:
        """Write a notebook of code cells, and give its path."""
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        code = [
            {
                "cell_type": "code",
                "id": f"cell-{n}",
                "source": cell,
                "outputs": [],
                "execution_count": None,
                "metadata": {},
            }
            for n, cell in enumerate(cells)
        ]
        notebook = {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        (self.root / name).write_text(json.dumps(notebook), encoding="utf-8")
        return self.root / name

    async def open(self, page: Page, name: str) -> None:
        """Open a notebook in a page, and wait for its kernel.

        The word in the status bar is what to wait for: the notebook's own mark says "idle" before there is a kernel.
        """
        await self.show(page, name)
        if self.is_notebook7:
            # The mark alone says "idle" before there is a kernel, too.
            await page.locator(".jp-Toolbar-kernelName", has_text="Python 3 (ipykernel)").wait_for()
            await page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
        else:
            await page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()

    async def show(self, page: Page, name: str) -> None:
        """Show a notebook in a page, without waiting for its kernel. A server tells its address before it listens."""
        place = "notebooks" if self.is_notebook7 else "lab/tree"
        for _ in range(20):
            try:
                await page.goto(f"{self.url}/{place}/{name}?token={self.token}&reset")
                break
            except PlaywrightError as error:
                if "ERR_CONNECTION_REFUSED" not in str(error):
                    raise
                await page.wait_for_timeout(500)
        await page.locator(".jp-Notebook").first.wait_for()

    async def restart_kernel(self, page: Page) -> None:
        """Restart the kernel, without running anything."""
        await page.get_by_role("menuitem", name="Kernel", exact=True).click()
        await page.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).first.click()
        await page.get_by_role("button", name="Confirm Kernel Restart").click()

    async def run_all(self, page: Page) -> None:
        """Choose Run All Cells; wait for what the cells show, not for this."""
        await page.get_by_role("menuitem", name="Run", exact=True).click()
        await page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def end_kernels(self) -> None:
        """End all kernels at once; the routers of their runs go on."""
        headers = {"Authorization": f"token {self.token}"}
        for kernel in json.load(urlopen(Request(f"{self.url}/api/kernels", headers=headers))):
            with suppress(HTTPError):  # it has ended meanwhile
                urlopen(Request(f"{self.url}/api/kernels/{kernel['id']}", headers=headers, method="DELETE"))

    def output(self, page: Page, text: str) -> Locator:
        """Find text that a cell put out; the same text in a cell's source does not count."""
        return page.locator(".jp-OutputArea-output").get_by_text(text).last


@contextmanager
def running_lab(home: Path, settings: Mapping[str, JSONObject] = {}) -> Iterator[Lab]:
    """Run JupyterLab with `home` for everything it keeps; its notebooks lie in ``home/notebooks``.

    `settings` are a user's own, by plugin.
    """
    root = home / "notebooks"
    root.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(16)
    server = subprocess.Popen(
        _command(root, token),
        env=environment_of(home, {**_SETTINGS, **settings}),
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Lab(_address_of(server, home / "server.log"), token, root)
    finally:
        _stop(server)


def _command(root: Path, token: str) -> list[str]:
    options = {
        "ip": "127.0.0.1",
        "port": "0",
        "IdentityProvider.token": token,
        "ServerApp.root_dir": str(root),
        "LabApp.news_url": "None",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", *flags]


def environment_of(home: Path, chosen: Mapping[str, JSONObject]) -> dict[str, str]:
    """Return the environment of a server that keeps everything in `home`; write its user's settings there."""
    settings = home / "settings"
    for plugin, values in chosen.items():
        file = settings / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    own = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "JUPYTERLAB_SETTINGS_DIR": settings,
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return os.environ | {name: str(value) for name, value in own.items()}


def _address_of(server: subprocess.Popen[str], log: Path) -> str:
    """Wait until the server says where it listens, and go on copying what it says to a file."""
    told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    assert server.stderr is not None
    threading.Thread(target=_copy, args=(server.stderr, log, told), daemon=True).start()
    try:
        address = told.get(timeout=_PATIENCE)
    except queue.Empty:
        address = None
    if address is None:
        raise RuntimeError(f"JupyterLab did not start; it said:\n{log.read_text(encoding='utf-8')}")
    return address


def _copy(lines: IO[str], log: Path, told: queue.SimpleQueue[str | None]) -> None:
    with lines, log.open("w", encoding="utf-8", buffering=1) as file:
        for line in lines:
            file.write(line)
            if address := _ADDRESS.search(line):
                told.put(address[1])
    told.put(None)


def _stop(server: subprocess.Popen[str]) -> None:
    """Interrupt twice, which stops kernels and server without a question; kill what does not heed."""
    server.send_signal(signal.SIGINT)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
