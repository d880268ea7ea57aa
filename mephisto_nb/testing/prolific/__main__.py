"""Run a stand-in of Prolific by itself: ``python -m mephisto_nb.testing.prolific``."""

from __future__ import annotations

import argparse
import asyncio

from mephisto_nb.testing.prolific.standin import ProlificStandIn
from mephisto_nb.testing.prolific.world import PER_HOUR, StandInSettings


async def _serve(port: int, settings: StandInSettings, token: str | None) -> None:
    async with ProlificStandIn(settings, port=port, token=token) as prolific:
        print(f"address    {prolific.url}")
        print(f"token      {prolific.token.reveal()}")
        print(f"workspace  {prolific.workspace_id}")
        print("Stop it with Ctrl-C.", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m mephisto_nb.testing.prolific",
        description="A Prolific on this computer, for rehearsals: nobody is asked, and nobody is paid.",
    )
    parser.add_argument("--port", type=int, default=0, help="where it listens (a free port)")
    parser.add_argument("--currency", choices=sorted(PER_HOUR), default="GBP", help="of its workspace (GBP)")
    parser.add_argument("--balance", type=int, default=1_000_000, help="of its workspace, in pence or cents (1000000)")
    parser.add_argument("--token", help="what requests have to hold (a new one)")
    args = parser.parse_args()
    try:
        asyncio.run(_serve(args.port, StandInSettings(currency=args.currency, balance=args.balance), args.token))
    except KeyboardInterrupt:
        print("Stopped.")


if __name__ == "__main__":
    main()
