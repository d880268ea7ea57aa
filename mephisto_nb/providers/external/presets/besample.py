"""Besample.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

PRESETS = (
    Preset(
        name="besample",
        title="Besample",
        participant="response_id",
        needs={"completion_code": "the code that people type at the end"},
        exits={
            Outcome.COMPLETED: ExitArgs(
                code="{completion_code}",
                text="Thank you. Please copy this code to Besample, to show that you have finished.",
            )
        },
        to_do="Give it as the study's link; Besample has to add response_id to it.",
        source="another person's program",
        verified="Only read in another person's program: look at a test of your own whether response_id arrives.",
    ),
)
