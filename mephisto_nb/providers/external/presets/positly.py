"""Positly.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

PRESETS = (
    Preset(
        name="positly",
        title="Positly",
        participant="participantID",
        session="assignmentID",
        study_is="task_id",
        needs={"task_id": "the activity's task id, as it stands in its completion link"},
        exits={Outcome.COMPLETED: ExitArgs(redirect="https://app.positly.com/#/f?task_id={task_id}")},
        to_do="Give it as the activity's link: Positly appends participantID and assignmentID to it.",
        source="Positly's support pages",
        verified="Parameters and the completion link were read in Positly's support pages; tried against no live "
        "activity. What it offers for people who are screened out is not known.",
    ),
)
