"""What a preset is: how one crowd spells its ids, and how it takes people back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.settings import ExitArgs

#: Where nothing is known of a crowd's ids: letters, digits, and what stands between them in all kinds of ids.
ANY_ID = r"[A-Za-z0-9_.~@:+=-]{1,128}"


@dataclass(frozen=True, slots=True)
class Preset:
    """One crowd.

    Exits are templates like those of the settings. One whose template names a value that was not given, and need not
    be, is left out; a template that is one value alone, as ``{complete_url}``, is what was given under that name.

    Parameters
    ----------
    name
        As settings name it.
    title
        As people call the crowd.
    participant, study, session
        The parameters of the address.
    entry
        What the crowd puts in the place of which text of the address, by parameter; empty: it appends them itself.
    needs, may_have, secrets
        What the researcher gives (of `details` and of `secrets`), and what each is.
    hosts
        Those of `details` that are the host of an address.
    study_is
        The one of `details` that is the study, where the address does not say it.
    may_lack
        Which of ``study`` and ``session`` an address need not hold, as nobody is sure how the crowd calls them.
    participant_pattern, id_pattern
        What ids look like, as regular expressions.
    exits
        How people go back, by outcome.
    falls_back
        Which outcome's way serves for which other. Never that of success.
    advice
        What somebody reads who has to go back by themselves, in words for the crowd's people.
    shows_secrets
        Whether a secret may stand in an address that the person sees, because the crowd has no other way.
    link_key
        The parameter with which we sign links ourselves, where we make them.
    to_do
        What the researcher does with the address of the task.
    source
        Where the facts come from.
    verified
        What of it was tried, and what was only read. `describe()` and the guide print it.
    """

    name: str
    title: str
    source: str
    verified: str
    participant: str = ""
    study: str = ""
    session: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    may_have: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()
    study_is: str = ""
    may_lack: frozenset[str] = frozenset()
    participant_pattern: str = ANY_ID
    id_pattern: str = ANY_ID
    exits: Mapping[Outcome, ExitArgs] = field(default_factory=dict)
    falls_back: Mapping[Outcome, Outcome] = field(default_factory=dict)
    advice: str = "There is nothing more to do here. You can close this page."
    shows_secrets: bool = False
    link_key: str = ""
    to_do: str = ""
