"""Every crowd that sends a person to an address with ids in it, and takes them back with an outcome.

`provider.py` is what the kernel meets; `settings.py` what a researcher writes; `setup.py` puts the two together with
one of `presets/`, a file each, which knows how one crowd spells its ids and its ways back.
"""

from mephisto_nb.providers.external.codes import make_code, verify_code
from mephisto_nb.providers.external.provider import ExternalProvider, make_link_names
from mephisto_nb.providers.external.settings import (
    ExitArgs,
    ExternalProviderArgs,
    SignedArrivalArgs,
    SignedExitArgs,
)

__all__ = [
    "ExitArgs",
    "ExternalProvider",
    "ExternalProviderArgs",
    "SignedArrivalArgs",
    "SignedExitArgs",
    "make_code",
    "make_link_names",
    "verify_code",
]
