"""What an offer would cost, and what stands in its way: asked of Prolific, without anything being posted."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, CrowdRefusedError
from mephisto_nb.model.crowd import Offer, RecruitingQuote
from mephisto_nb.model.money import Money
from mephisto_nb.providers.prolific.account import ProlificAccount, ProlificPlace
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.objects import ProlificBalance
from mephisto_nb.providers.prolific.recruiting.audience import (
    GROUPS_ALLOWED,
    GROUPS_BLOCKED,
    STUDIES_BLOCKED,
    filter_of_ids,
    resolve_filters,
)
from mephisto_nb.providers.prolific.recruiting.groups import PROLIFIC_ID, ProlificGroups
from mephisto_nb.providers.prolific.recruiting.study_fields import allowed_minutes, places_of, screen_out_pay
from mephisto_nb.providers.prolific.settings import ProlificProviderArgs, estimate_for, is_stand_in
from mephisto_nb.utils.addresses import read_address
from mephisto_nb.utils.host_names import is_local

#: Prolific says no number of people below this one.
_FEWEST_TOLD = 25
#: Pay of so many times what is recommended is more likely a slip.
_VERY_MUCH = 10
_FEWER_FILTERS = "Loosen mephisto.provider.filters, or want fewer people: fewer rows, or more units a visit."


@dataclass(slots=True)
class _Findings:
    """What a quote is put together from."""

    troubles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    fees: int = 0
    available: Money | None = None


class ProlificQuoter:
    """Says what offers would cost.

    Parameters
    ----------
    args
        How the run is offered.
    account
        In whose name.
    groups
        By which groups are found that the settings name.
    """

    def __init__(self, args: ProlificProviderArgs, account: ProlificAccount, groups: ProlificGroups) -> None:
        self._args, self._account, self._groups = args, account, groups

    async def quote(self, offer: Offer) -> RecruitingQuote:
        """Return what an offer would cost, and all that stands in its way.

        Raises
        ------
        WorldError
            Prolific cannot be asked.
        """
        found = _Findings()
        places = places_of(self._args, offer)
        if not (self._args.study_description or offer.description).strip():
            found.troubles.append(
                "The study has no description, which people read before they come. Set mephisto.task.task_description."
            )
        found.troubles += _troubles_of_address(offer.url, here_will_do=is_stand_in(self._args))
        try:
            place = await self._find_place(found)
            if place is not None and self._is_payable(offer, places, place, found):
                async with self._account.asking() as api:
                    await self._ask(api, offer, places, place, found)
        except ConfigError as error:
            found.troubles.append(str(error))
        return RecruitingQuote(
            rewards=offer.reward * max(0, places),
            fees=Money.of_units(found.fees, offer.reward.currency),
            available=found.available,
            troubles=tuple(found.troubles),
            remarks=tuple(found.remarks),
        )

    async def find_filters(self, blocked_group: str = "") -> list[JSONObject]:
        """Return the filters that the settings ask for, and one for the group of who is blocked, if it is named.

        Raises
        ------
        ConfigError
            One of them, a group or a study cannot be found.
        """
        args, groups = self._args, self._args.participant_groups
        if not (args.filters or groups.allow or groups.block or groups.block_studies or blocked_group):
            return []
        place = await self._account.find_place()
        async with self._account.asking() as api:
            catalogue = await api.audience.filters(place.workspace_id)
        listed = {
            GROUPS_ALLOWED: await self._groups.find_ids(groups.allow),
            GROUPS_BLOCKED: await self._groups.find_ids(groups.block),
            STUDIES_BLOCKED: [await self._find_study(one) for one in groups.block_studies],
        }
        if blocked_group:
            listed[GROUPS_BLOCKED].append(blocked_group)
        own = [filter_of_ids(name, dict.fromkeys(ids), catalogue) for name, ids in listed.items() if ids]
        return [*resolve_filters(args.filters, catalogue), *own]

    async def _find_place(self, found: _Findings) -> ProlificPlace | None:
        try:
            return await self._account.find_place()
        except CrowdRefusedError as error:
            if error.status not in (401, 403):
                raise
            found.troubles.append(
                f"Prolific does not take the token of {self._args.requester_name!r} (status {error.status}). Make a "
                "new one on Prolific, and keep it by await mnb.register_prolific(...)."
            )
        return None

    def _is_payable(self, offer: Offer, places: int, place: ProlificPlace, found: _Findings) -> bool:
        """Return whether the reward is one that Prolific could pay at all."""
        reward = offer.reward
        if places < 1:
            found.troubles.append(f"The offer has {places} places. Give the run work, or set submission_places.")
        if reward.currency != place.currency:
            found.troubles.append(
                f"The task pays {reward}, and the workspace {place.workspace_title!r} has its money in "
                f"{place.currency}. Set mephisto.task.currency to {place.currency}, give the task's amounts in it, or "
                "name another workspace."
            )
        elif not reward.is_whole or not reward:
            found.troubles.append(
                f"A visit would be paid {reward}. Prolific pays whole pennies or cents, from 1 upwards. "
                "mephisto.task.task_reward is what a whole visit is paid, with all units that it holds."
            )
        return places >= 1 and reward.currency == place.currency and reward.is_whole and bool(reward)

    async def _ask(self, api: ProlificAPI, offer: Offer, places: int, place: ProlificPlace, found: _Findings) -> None:
        await self._compare_pay(api, offer, place, found)
        await self._add_costs(api, offer, places, found)
        balance = await api.account.balance(place.workspace_id)
        self._compare_money(offer, places, balance, found)
        await self._count_people(api, places, place, found)

    async def _compare_pay(self, api: ProlificAPI, offer: Offer, place: ProlificPlace, found: _Findings) -> None:
        minutes = Decimal(str(estimate_for(self._args, offer.visit_seconds)))
        advice = await api.account.reward_advice(place.workspace_id, place.currency)
        if not self._args.estimated_minutes:
            found.remarks.append(
                f"A visit is said to take {minutes.normalize():f} minutes, as none are set: people see that, and "
                "Prolific judges your pay by it. Set mephisto.provider.estimated_minutes to what it takes most people."
            )
        allowed, here = allowed_minutes(self._args, offer), offer.visit_seconds
        if allowed * 60 > here + 59:
            found.remarks.append(
                f"Prolific allows {allowed} minutes for a visit of that length, and here it ends after "
                f"{round(here / 60, 1):g}. Raise assignment_duration_in_seconds, or lower the estimate."
            )
        if advice is None:
            return
        least, advised = (_for_minutes(one, minutes) for one in (advice.minimum_per_hour, advice.recommended_per_hour))
        hourly = Money.of_units(round(offer.reward.units * 60 / minutes), place.currency)
        unit = "minute" if minutes == 1 else "minutes"
        what = f"A visit is paid {offer.reward} for {minutes.normalize():f} {unit}, which is {hourly} an hour."
        if offer.reward.units < least:
            per_hour, pay = (Money.of_units(one, place.currency) for one in (advice.minimum_per_hour, least))
            found.troubles.append(f"{what} Prolific's minimum is {per_hour}: pay {pay} at least, or ask for less work.")
        elif offer.reward.units < advised:
            per_hour = Money.of_units(advice.recommended_per_hour, place.currency)
            found.remarks.append(f"{what} Prolific recommends {per_hour}.")
        elif offer.reward.units > _VERY_MUCH * advised:
            found.remarks.append(
                f"{what} That is more than {_VERY_MUCH} times what Prolific recommends. Is it meant? "
                "mephisto.task.task_reward is what one visit is paid, in whole pounds or dollars: 1.50, not 150."
            )

    async def _add_costs(self, api: ProlificAPI, offer: Offer, places: int, found: _Findings) -> None:
        total = await api.studies.calculate(offer.reward.units, places)
        found.fees = total - offer.reward.units * places
        pay = screen_out_pay(self._args, offer.reward)
        if pay is not None:
            found.fees += (cost := await api.studies.calculate(pay.reward, pay.slots))
            found.remarks.append(
                f"Of the fees {Money.of_units(cost, offer.reward.currency)} are kept for {pay.slots} people who may be "
                "screened out; what is not used comes back."
            )

    def _compare_money(self, offer: Offer, places: int, balance: ProlificBalance, found: _Findings) -> None:
        currency = offer.reward.currency
        found.available = Money.of_units(balance.available, currency)
        total = offer.reward.units * places + found.fees
        if total > balance.available:
            missing = Money.of_units(total - balance.available, currency)
            found.troubles.append(
                f"It costs {Money.of_units(total, currency)} with all fees, and the workspace has {found.available}. "
                f"Put {missing} more in, on Prolific, or offer fewer places."
            )

    async def _count_people(self, api: ProlificAPI, places: int, place: ProlificPlace, found: _Findings) -> None:
        filters = await self.find_filters()
        if not filters:
            return
        count = await api.audience.eligible_count(filters, place.workspace_id)
        if count is None and places >= _FEWEST_TOLD:
            found.troubles.append(
                f"Fewer than {_FEWEST_TOLD} people pass the filters, and {places} are wanted. {_FEWER_FILTERS}"
            )
        elif count is None:
            found.remarks.append(
                f"Fewer than {_FEWEST_TOLD} people pass the filters; Prolific does not say how many. Wanted: {places}."
            )
        elif count < places:
            found.troubles.append(f"{count} people pass the filters, and {places} are wanted. {_FEWER_FILTERS}")

    async def _find_study(self, wanted: str) -> str:
        if PROLIFIC_ID.fullmatch(wanted):
            return wanted
        place = await self._account.find_place()
        async with self._account.asking() as api:
            named = [one async for one in api.studies.all(project_id=place.project_id)]
        matching = [one for one in named if wanted.casefold() in (one.internal_name.casefold(), one.name.casefold())]
        if len(matching) == 1:
            return matching[0].id
        ids = ", ".join(one.id for one in matching) or "none"
        raise ConfigError(
            f"{len(matching)} studies of the project are named {wanted!r}: {ids}. Give the study's id in "
            "mephisto.provider.participant_groups.block_studies."
        )


def _for_minutes(per_hour: int, minutes: Decimal) -> int:
    """Return what so many minutes are paid at least, in whole units, where an hour is paid so much."""
    exact = Decimal(per_hour) * minutes / 60
    return int(exact.to_integral_value(rounding="ROUND_CEILING"))


def _troubles_of_address(url: str, *, here_will_do: bool) -> list[str]:
    """Return why nobody could come by an address. A launch has tried it; of whoever takes a run up, nobody has."""
    try:
        place = read_address(url)
    except ValueError as error:
        return [f"The task's address is {url[:80]!r}, which cannot be read: {error}."]
    if here_will_do:
        return []
    if is_local(place.host):
        return [
            f"The task is served at {place.host!r}, which nobody outside can reach. Give the router an address that "
            "all can open (see Networking in the guides), such as by a tunnel or a host of yours."
        ]
    if place.scheme != "https":
        return [f"The task's address is {url[:80]!r}. Participants and Prolific need one that begins with https."]
    return []
