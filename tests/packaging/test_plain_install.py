"""What `pip install mephisto-nb` alone gives: the wheel, in an environment that knows nothing of the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from tests.packaging.conftest import Environment

pytestmark = pytest.mark.timeout(240)


def test_importing_it_loads_nothing_that_takes_long(plain: Environment) -> None:
    code = "import mephisto_nb, sys; print({'pandas', 'IPython', 'sqlalchemy', 'anywidget'} & set(sys.modules))"
    assert plain.run("-c", code) == "set()\n"


def test_an_operator_loads_no_widgets_before_one_is_shown(plain: Environment, tmp_path: Path) -> None:
    code = (
        "import mephisto_nb as mnb, sys\n"
        f"operator = mnb.Operator(data_dir={str(tmp_path)!r})\n"
        "print(repr(operator), {'IPython', 'anywidget', 'altair'} & set(sys.modules))"
    )
    shown = plain.run("-c", code)
    assert shown.startswith("<Operator")
    assert shown.endswith("set()\n")


def test_the_demo_runs_and_says_how_to_get_a_notebook(plain: Environment) -> None:
    shown = plain.run("-m", "mephisto_nb.testing.demo", "--people", "1", "--workers", "3")
    assert "Done: 6 answers" in shown
    assert "pip install 'mephisto-nb[lab]'" in shown
    assert "make" not in shown


def test_a_kernel_shows_an_operator_live(plain: Environment, tmp_path: Path) -> None:
    plain.install("ipykernel", ["ipykernel"])
    code = f"import mephisto_nb as mnb\noperator = mnb.Operator(data_dir={str(tmp_path)!r})\noperator"
    messages = run_in_kernel(plain.python, code)
    assert [one for one in messages if one["msg_type"] in ("error", "stream")] == []
    opened = {
        one["content"]["comm_id"]: one["content"]["data"]["state"] for one in messages if one["msg_type"] == "comm_open"
    }
    [shown] = [one["content"]["data"] for one in messages if one["msg_type"] == "display_data"]
    [model] = [state for state in opened.values() if f"mephisto-place-{state.get('place')}" in shown["text/html"]]
    assert model["_model_module"] == "anywidget"
    assert "export default" in model["_esm"]
    assert set(shown) == {"text/plain", "text/html"}


def run_in_kernel(python: Path, code: str) -> list[dict[str, Any]]:
    """Return what a kernel of this Python publishes while it runs some code."""
    manager = KernelManager()
    spec = manager.kernel_spec
    assert spec is not None
    spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel(cwd=str(python.parent))
    client = manager.client()
    client.start_channels()
    messages: list[dict[str, Any]] = []
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(code, timeout=60, output_hook=messages.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return json.loads(json.dumps(messages, default=str))
