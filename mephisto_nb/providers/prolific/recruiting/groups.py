"""Groups of participants, by which Prolific knows who is blocked, and who holds a qualification."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.crowd import CrowdStanding
from mephisto_nb.providers.prolific.account import ProlificAccount
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.objects import ProlificGroup

#: What Prolific's ids look like, those of people too.
PROLIFIC_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)
_MOST_AT_ONCE = 500


class ProlificGroups:
    """The groups of one workspace that are ours: one of who is blocked, and one for each qualification.

    They bear the requester's name: two researchers of one workspace do not take each other's people out.

    Parameters
    ----------
    account
        Whose workspace it is.
    requester_name
        Whose groups these are.
    """

    def __init__(self, account: ProlificAccount, requester_name: str) -> None:
        self._account, self._requester = account, requester_name
        self._turn = asyncio.Lock()
        self._found: dict[str, str] = {}

    @property
    def name_of_blocked(self) -> str:
        """What the group of who is blocked is called."""
        return f"Blocked by {self._requester} (mephisto_nb)"

    def name_of(self, qualification: str) -> str:
        """Return what the group of a qualification's holders is called."""
        return f"{qualification} of {self._requester} (mephisto_nb)"

    async def find_or_make_blocked(self) -> str:
        """Return the id of the group of who is blocked."""
        async with self._turn, self._account.asking() as api:
            return await self._ensure(api, self.name_of_blocked, "Nobody in it is offered studies of this requester.")

    async def block(self, participant_id: str) -> None:
        """Put somebody into the group of who is blocked; again: nothing."""
        group_id = await self.find_or_make_blocked()
        async with self._account.asking() as api:
            await api.groups.add(group_id, [participant_id])

    async def keep_in_step(self, standing: CrowdStanding) -> None:
        """Have the groups hold exactly those whom a standing names, and change only what differs.

        Whose name is none of Prolific's ids came from another crowd, and is left out.
        """
        wanted = {self.name_of_blocked: ("Nobody in it is offered studies of this requester.", standing.blocked)}
        for name, holders in standing.holders.items():
            wanted[self.name_of(name)] = (f"Who holds the qualification {name!r}.", holders)
        async with self._turn, self._account.asking() as api:
            known = await self._ours(api)
            for name, (description, names) in wanted.items():
                people = {one for one in names if PROLIFIC_ID.fullmatch(one)}
                if not people and name not in known:
                    continue  # there is nobody to put into it
                group_id = await self._ensure(api, name, description)
                await _set_members(api, group_id, people)

    async def find_ids(self, names: Iterable[str]) -> list[str]:
        """Return the ids of groups of the workspace, by their names or ids, or by those of qualifications.

        Raises
        ------
        ConfigError
            There is no such group, or there are several.
        """
        names = list(names)
        if not names:
            return []
        place = await self._account.find_place()
        async with self._account.asking() as api:
            groups = [one for one in await api.groups.of_workspace(place.workspace_id) if not one.is_deleted]
        return [self._find_id(name, groups) for name in names]

    def _find_id(self, name: str, groups: list[ProlificGroup]) -> str:
        for matching in (
            [one for one in groups if one.id == name],
            [one for one in groups if one.name.casefold() == name.casefold()],
            [one for one in groups if one.name == self.name_of(name)],
        ):
            if len(matching) == 1:
                return matching[0].id
            if matching:
                ids = ", ".join(one.id for one in matching)
                raise ConfigError(f"There are {len(matching)} participant groups named {name!r}. Say which: {ids}.")
        listed = ", ".join(repr(one.name) for one in groups[:20]) or "none"
        raise ConfigError(
            f"There is no participant group {name!r}, and no qualification of this name whose holders Prolific was "
            f"told of. There are: {listed}. Mend mephisto.provider.participant_groups."
        )

    async def _ours(self, api: ProlificAPI) -> dict[str, str]:
        place = await self._account.find_place()
        groups = [one for one in await api.groups.of_workspace(place.workspace_id) if not one.is_deleted]
        for one in sorted(groups, key=lambda group: group.id, reverse=True):
            self._found[one.name] = one.id  # of several, that with the lowest id, whoever looks
        return self._found

    async def _ensure(self, api: ProlificAPI, name: str, description: str) -> str:
        """Return the id of a group, which is made where there is none yet."""
        if name not in self._found and name not in await self._ours(api):
            place = await self._account.find_place()

            async def make() -> str:
                return (await api.groups.create(name, place.workspace_id, description=description)).id

            async def find() -> str | None:
                return (await self._ours(api)).get(name)

            self._found[name] = await self._account.have_made(make, find)
        return self._found[name]


async def _set_members(api: ProlificAPI, group_id: str, wanted: set[str]) -> None:
    there = set(await api.groups.members(group_id))
    for change, people in ((api.groups.add, wanted - there), (api.groups.remove, there - wanted)):
        ids = sorted(people)
        for start in range(0, len(ids), _MOST_AT_ONCE):
            await change(group_id, ids[start : start + _MOST_AT_ONCE])
