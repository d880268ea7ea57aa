"""Prolific: people come from there, are paid there, and go back there.

`provider` is what the kernel meets, and `settings` what a researcher sets. `account` asks in their name, `arrivals`
says who comes, `exits` how people go back, with `completion_codes`, and `desk` pays, rejects, writes and blocks; in
`recruiting` is how a run is offered. Below all of that is the client: `api` is the way in, `transport` sends requests
and decides what may be sent again, `objects` are the answers, and `signing` verifies hooks and addresses.
"""

from mephisto_nb.providers.prolific.provider import ProlificProvider
from mephisto_nb.providers.prolific.settings import (
    ProlificGroupsArgs,
    ProlificProviderArgs,
    ProlificScreenOutArgs,
)

__all__ = ["ProlificGroupsArgs", "ProlificProvider", "ProlificProviderArgs", "ProlificScreenOutArgs"]
