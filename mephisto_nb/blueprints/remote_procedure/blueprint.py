"""The remote_procedure blueprint: a bundle whose page calls Python functions of the notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mephisto_nb.blueprints.remote_procedure.functions import read_registry
from mephisto_nb.blueprints.remote_procedure.runner import FunctionRunner
from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState


@dataclass(slots=True)
class RemoteProcedureBlueprintArgs(StaticReactBlueprintArgs):
    """The bundle, its data, and how much its calls may ask for; every other setting is as in a static_react_task.

    Parameters
    ----------
    maximum_response_in_bytes
        The longest answer of a function, as JSON.
    function_threads
        How many plain functions run at a time, for all workers together. Async ones run on the kernel's loop.
    """

    _blueprint_type: str = "remote_procedure"
    maximum_response_in_bytes: int = 1_000_000
    function_threads: int = 8


class RemoteProcedureBlueprint(StaticReactBlueprint):
    """A task whose page calls the functions of `SharedTaskState.function_registry` while a worker works.

    The bundle uses `useMephistoRemoteProcedureTask` of the npm package `mephisto-task`, or ``mephisto.call`` of
    the script that every such page has. Calls run side by side; each is stored, and so is its answer:
    `run.metadata.requests()`.

    Examples
    --------
    >>> def shout(text: str, times: int = 1) -> str:
    ...     return text.upper() * times
    >>> state = SharedTaskState(static_task_data=[{"text": "hi"}], function_registry={"shout": shout})
    >>> blueprint = RemoteProcedureBlueprint(RemoteProcedureBlueprintArgs(task_source="build/bundle.js"), state)
    """

    BLUEPRINT_TYPE: ClassVar[str] = "remote_procedure"
    ALIASES: ClassVar[tuple[str, ...]] = ()
    ArgsClass = RemoteProcedureBlueprintArgs
    args: RemoteProcedureBlueprintArgs

    def __init__(self, args: RemoteProcedureBlueprintArgs, shared_state: SharedTaskState) -> None:
        super().__init__(args, shared_state)

        class Runner(FunctionRunner):
            """The functions of this run."""

            threads = args.function_threads
            longest_response = args.maximum_response_in_bytes

        # The operator asks the blueprint it made, so that each run has its own limits.
        self.TaskRunnerClass = Runner  # type: ignore[misc]

    def assert_task_args(self) -> None:
        """Refuse what a static_react_task refuses, and functions that no page could call.

        Raises
        ------
        ConfigError
            A setting, a bundle or a function cannot work.
        DataFileError
            A file cannot be read, or a row is no object.
        """
        for key in ("maximum_response_in_bytes", "function_threads"):
            value = getattr(self.args, key)
            if value < 1:
                raise ConfigError(f"mephisto.blueprint.{key} is {value!r}. Give a number of 1 or more.")
        read_registry(self.shared_state.function_registry)
        super().assert_task_args()
