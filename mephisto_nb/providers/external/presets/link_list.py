"""A list of links that we make ourselves, one for each person; each is good for one visit.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.providers.external.presets._base import ANY_ID, Preset

PRESETS = (
    Preset(
        name="link_list",
        title="a list of links",
        participant="person",
        participant_pattern=ANY_ID,
        link_key="key",
        advice="There is nothing more to do. You can close this page.",
        to_do="Hand each person one link: run.get_worker_urls(make_link_names(50)).",
        source="this program",
        verified="All of it is ours, and tested.",
    ),
)
