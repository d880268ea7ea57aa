"""CloudResearch Connect.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

PRESETS = (
    Preset(
        name="cloudresearch_connect",
        title="CloudResearch Connect",
        participant="participantId",
        study="projectId",
        session="assignmentId",
        may_lack=frozenset({"study", "session"}),
        needs={"project_id": "the project's id, as it stands in its completion address"},
        may_have={
            "screened_out_url": "the address of a partial complete, for people who are screened out",
            "failed_checks_url": "the address of a partial complete, for failed attention checks",
            "quota_full_url": "the address of a partial complete, for people who came too late",
        },
        exits={
            Outcome.COMPLETED: ExitArgs(
                redirect="https://connect.cloudresearch.com/participant/project/{project_id}/complete"
            ),
            Outcome.SCREENED_OUT: ExitArgs(redirect="{screened_out_url}"),
            Outcome.FAILED_CHECKS: ExitArgs(redirect="{failed_checks_url}"),
            Outcome.QUOTA_FULL: ExitArgs(redirect="{quota_full_url}"),
        },
        advice="Please return this project on Connect. You can close this page then.",
        to_do="Give it as the project's link: Connect appends participantId, assignmentId and projectId to it.",
        source="CloudResearch's help on redirects; the parameters as other programs read them",
        verified="The completion address was read in CloudResearch's help, the names of the parameters only in other "
        "people's programs; tried against no live project.",
    ),
)
