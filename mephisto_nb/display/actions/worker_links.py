"""Copy the workers' links: for each name that is typed the link of that worker, or the one link that all come by.

Stands alone because actions that do not belong together have files of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions._base import Action, ActionField, ActionForm, ActionResult, DrivenRun
from mephisto_nb.display.words import count
from mephisto_nb.errors import ConfigError
from mephisto_nb.people.acts import make_worker_urls

#: How many names are said back.
_NAMED = 5


class WorkerLinks(Action):
    """Copy lines of a name, a tab and that worker's link, by the rules of `TaskRun.get_worker_urls`."""

    name = "worker_links"
    label = "Copy the workers' links…"
    hint = "Lines of name and link, to be pasted into a sheet or a letter"
    form = ActionForm(
        "Copy the workers' links",
        "Copy",
        (ActionField("names", "Names of those who are to come", "one a line, or separated by commas", kind="lines"),),
        where="run.has_own_links",
    )
    during = "Making the links…"

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say for whom links are copied."""
        if shared := _shared_by_all(run):
            return f"All workers come by one link: {shared}"
        names = make_worker_urls(run.live, _split(args.get("names")))["worker_name"].tolist()
        others = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        whose = "links, each for one person alone" if len(names) > 1 else "link, for one person alone"
        return f"{len(names):,} {whose}: {', '.join(names[:_NAMED])}{others}."

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """Return the lines, which the front end copies."""
        if shared := _shared_by_all(run):
            return ActionResult("The link is copied. It is the same for all workers.", shared)
        links = make_worker_urls(run.live, _split(args.get("names")))
        lines = [f"{name}\t{url}" for name, url in links.itertuples(index=False)]
        copied = f"{count(len(lines), 'link')} {'is' if len(lines) == 1 else 'are'} copied, each behind its name."
        return ActionResult(f"{copied} Send everybody their own, and nobody else's.", "\n".join(lines))


def _shared_by_all(run: DrivenRun) -> str | None:
    """Return the one address by which all come, as their crowd's form has it; None: each has a link of their own."""
    entry = run.live.parts.provider.get_entry_url(run.live.url)
    return entry or (None if run.live.has_own_links else run.live.url)


def _split(names: object) -> list[str]:
    """Read names as they are typed, or a list of them; empty lines are nobody."""
    if not isinstance(names, str):
        given = list(names) if isinstance(names, Iterable) else []
    else:
        given = [name for name in re.split(r"[,\n\t]", names) if name.strip()]
    if not given:
        raise ConfigError("No name was given. Write the names of those who are to come, one a line.")
    return given
