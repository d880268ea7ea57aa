"""The contracts, on the provider `prolific`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.providers.prolific import ProlificProvider, ProlificProviderArgs, ProlificScreenOutArgs
from mephisto_nb.testing.contracts.provider import ExitsContract, MakeProvider, ProviderContract

ARGS = {
    "plain": ProlificProviderArgs(),
    "paying screen-outs": ProlificProviderArgs(screen_out=ProlificScreenOutArgs(0.3, 20)),
}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROLIFIC_TOKEN", "t0ken-of-nobody")


@pytest.mark.parametrize("args", ARGS.values(), ids=ARGS)
class TestProlific(ProviderContract, ExitsContract):
    names = ("5f0123456789abcdef012345", "5f0123456789abcdef012346")

    @pytest.fixture
    def make_provider(self, args: ProlificProviderArgs) -> MakeProvider:
        return lambda: ProlificProvider(args)

    def register(self, link: str) -> JSONObject:
        return {"parameters": dict(parse_qsl(urlsplit(link).query)), "provider_type": "prolific"}

    def refused_tasks(self) -> list[TaskRunArgs]:
        return [TaskRunArgs("t", "T", "D", task_reward=1, currency="EUR")]

    def refusing_providers(self) -> list[CrowdProvider[Any]]:
        return [ProlificProvider(ProlificProviderArgs(base_url="http://api.prolific.com"))]
