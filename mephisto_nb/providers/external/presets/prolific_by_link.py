"""Prolific, by its link and completion codes alone.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

_COMPLETE = "https://app.prolific.com/submissions/complete?cc={code}"


def _exit(value: str) -> ExitArgs:
    return ExitArgs(code=f"{{{value}}}", redirect=_COMPLETE)


PRESETS = (
    Preset(
        name="prolific_by_link",
        title="Prolific",
        participant="PROLIFIC_PID",
        study="STUDY_ID",
        session="SESSION_ID",
        entry={
            "PROLIFIC_PID": "{{%PROLIFIC_PID%}}",
            "STUDY_ID": "{{%STUDY_ID%}}",
            "SESSION_ID": "{{%SESSION_ID%}}",
        },
        needs={"completion_code": "the study's completion code"},
        may_have={
            "screened_out_code": "a code of the study for people who are screened out",
            "quota_full_code": "a code for people who came too late",
            "failed_checks_code": "a code for failed attention checks",
            "no_consent_code": "a code for people who do not agree, with the action to request a return",
            "returned_code": "a code for people who give up",
        },
        participant_pattern=r"[A-Za-z0-9_.-]{1,64}",
        id_pattern=r"[A-Za-z0-9_.-]{1,64}",
        exits={
            Outcome.COMPLETED: _exit("completion_code"),
            Outcome.SCREENED_OUT: _exit("screened_out_code"),
            Outcome.QUOTA_FULL: _exit("quota_full_code"),
            Outcome.FAILED_CHECKS: _exit("failed_checks_code"),
            Outcome.NO_CONSENT: _exit("no_consent_code"),
            Outcome.RETURNED: _exit("returned_code"),
        },
        advice="Please return your submission on Prolific, by 'Stop without completing', so that you get no bad mark.",
        to_do="Paste it as the study's URL, with 'I will use URL parameters'.",
        source="Prolific's help and API documentation, and its own command-line tool",
        verified="Parameters, macros and the completion address were read in Prolific's own documents; tried against "
        "no live study.",
    ),
)
