"""The crowds that are known: a file each, and its line here.

A file says in `PRESETS` what `_base.Preset` asks: the parameters, what the researcher gives, the ways back, and how
sure all of it is.
"""

from __future__ import annotations

from mephisto_nb.providers.external.presets import (
    besample,
    cloudresearch_connect,
    link_list,
    microworkers,
    panel,
    positly,
    prolific_by_link,
    sona,
)
from mephisto_nb.providers.external.presets._base import Preset

_MODULES = (
    prolific_by_link,
    cloudresearch_connect,
    sona,
    positly,
    besample,
    microworkers,
    panel,
    link_list,
)

#: By the name that settings give.
TABLE: dict[str, Preset] = {preset.name: preset for module in _MODULES for preset in module.PRESETS}
