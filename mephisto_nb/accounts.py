"""Accounts with crowds: tokens are tried once, and kept in the researcher's own file, which nobody else can read."""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb.config.config_handler import add_config_arg
from mephisto_nb.errors import ConfigError, CrowdRefusedError
from mephisto_nb.model.money import Money
from mephisto_nb.providers.prolific.api import ProlificAPI
from mephisto_nb.providers.prolific.transport import PROLIFIC
from mephisto_nb.utils.proofs import Secret


@dataclass(frozen=True, slots=True)
class RegisteredWorkspace:
    """A workspace that a token sees: `available` is the money there that no study holds."""

    title: str
    workspace_id: str
    available: Money
    projects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProlificRegistration:
    """What became of `register_prolific`: whose token it is, and what it sees. The token is not in it."""

    name: str
    researcher: str
    workspaces: tuple[RegisteredWorkspace, ...]

    def __repr__(self) -> str:
        lines = [
            f"The token of {self.researcher or 'a researcher'} is kept as {self.name!r}. It sees these workspaces:"
        ]
        for one in self.workspaces:
            projects = ", ".join(map(repr, one.projects)) or "none"
            lines.append(f"  {one.title!r} ({one.workspace_id}): {one.available} available; projects: {projects}")
        return "\n".join(lines)


async def register_prolific(
    token: str | Secret, name: str = "prolific", *, base_url: str = PROLIFIC
) -> ProlificRegistration:
    """Try a token of Prolific's, keep it in your own configuration file, and return what it sees.

    The file is ``~/.mephisto/config.yml``, or the one that ``MEPHISTO_CONFIG`` names; nobody but you can read it. Runs
    name the token by ``mephisto.provider.requester_name``, and never hold it. A name that is registered again has the
    new token.

    Parameters
    ----------
    token
        As Prolific shows it once, in its settings. Ask for it by ``getpass.getpass()``: what stands in a cell is saved
        with the notebook.
    name
        The requester's name, of your choice; one for each account.
    base_url
        Where Prolific is; another one than its own is for rehearsals with a stand-in.

    Raises
    ------
    ConfigError
        It is no token, or the name is none.
    CrowdRefusedError
        Prolific does not take the token; it is not kept.
    WorldError
        Prolific cannot be reached, or the file cannot be written.

    Examples
    --------
    >>> import mephisto_nb as mnb
    >>> from getpass import getpass
    >>> await mnb.register_prolific(getpass(), name="lab")                                   # doctest: +SKIP
    """
    secret = token if isinstance(token, Secret) else Secret(str(token).strip())
    if not name or len(name) > 100 or not name.isprintable():
        raise ConfigError(f"The requester's name is {name[:100]!r}. Give 1 to 100 ordinary characters.")
    async with ProlificAPI(secret, base_url) as api:
        try:
            me = await api.account.me()
        except CrowdRefusedError as error:
            raise CrowdRefusedError(
                f"Prolific does not take this token (status {error.status}), so it was not kept. Copy it again, or "
                "make a new one in Prolific's settings.",
                error.status,
            ) from error
        workspaces = []
        for one in await api.account.workspaces():
            balance = await api.account.balance(one.id)
            projects = tuple(project.title for project in await api.account.projects(one.id))
            available = Money.of_units(balance.available, balance.currency)
            workspaces.append(RegisteredWorkspace(one.title, one.id, available, projects))
    add_config_arg("prolific", name, {"token": secret.reveal()})
    return ProlificRegistration(name, me.name, tuple(workspaces))
