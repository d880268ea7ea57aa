"""Panels that give an address for each outcome: Cint, Qualtrics' partners, and others.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

PRESETS = (
    Preset(
        name="panel",
        title="the panel",
        participant="rid",
        entry={"rid": "[ID]"},
        needs={
            "complete_url": "the panel's address for people who have finished",
            "screened_out_url": "its address for people who are screened out",
            "quota_full_url": "its address for people who came too late",
        },
        may_have={"failed_checks_url": "its address for answers of poor quality"},
        exits={
            Outcome.COMPLETED: ExitArgs(redirect="{complete_url}"),
            Outcome.SCREENED_OUT: ExitArgs(redirect="{screened_out_url}"),
            Outcome.QUOTA_FULL: ExitArgs(redirect="{quota_full_url}"),
            Outcome.FAILED_CHECKS: ExitArgs(redirect="{failed_checks_url}"),
        },
        # A panel has to hear of everybody it sent.
        falls_back=dict.fromkeys(
            (Outcome.FAILED_CHECKS, Outcome.NO_CONSENT, Outcome.TIMED_OUT, Outcome.RETURNED), Outcome.SCREENED_OUT
        ),
        to_do="Paste it as the survey's link, with the panel's own macro in the place of [ID].",
        source="Cint's help for the pattern of three addresses",
        verified="The pattern was read in Cint's help; each panel's macro and parameter differ, so look at a test of "
        "your own whether the id arrives, and set participant_parameter as the panel calls it.",
    ),
)
