"""Microworkers, whose people hand in a code of their own.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

PRESETS = (
    Preset(
        name="microworkers",
        title="Microworkers",
        participant="MW_ID",
        study="CAMP_ID",
        session="SLOT_ID",
        may_lack=frozenset({"session"}),
        entry={"MW_ID": "{{MW_ID}}", "CAMP_ID": "{{CAMP_ID}}", "SLOT_ID": "{{SLOT_ID}}"},
        exits={
            Outcome.COMPLETED: ExitArgs(
                per_person_code=True,
                text="Thank you. Please copy this code into the field for the VCODE on Microworkers.",
            )
        },
        advice="There is no code for this visit. Please cancel the job on Microworkers. You can close this page then.",
        to_do="Paste it as the address of the campaign.",
        source="another person's program",
        verified="The macros were only read in another person's program: look at a test of your own whether they are "
        "filled. The codes are ours, and are checked by verify_code.",
    ),
)
