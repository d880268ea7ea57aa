"""SONA Systems, whose participants get credit: by our word, or by an address that they are led to.

Stands alone because each crowd is a file.
"""

from __future__ import annotations

from dataclasses import replace

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.providers.external.presets._base import Preset
from mephisto_nb.providers.external.settings import ExitArgs

_QUERY = "experiment_id={experiment_id}&credit_token={credit_token}&survey_code={participant}"
_BY_CALL = Preset(
    name="sona",
    title="SONA",
    participant="id",
    entry={"id": "%SURVEY_CODE%"},
    study_is="experiment_id",
    needs={
        "host": "the host of your SONA site, such as myuniversity.sona-systems.com",
        "experiment_id": "the number of the study",
    },
    secrets={"credit_token": "the study's credit token"},
    hosts=frozenset({"host"}),
    participant_pattern=r"[0-9]{1,12}",
    exits={
        Outcome.COMPLETED: ExitArgs(
            call=f"https://{{host}}/services/SonaAPI.svc/WebstudyCredit?{_QUERY}",
            text="Thank you. Your credit is granted on SONA within a few minutes. You can close this page.",
        )
    },
    advice="No credit is granted for this visit. You can close this page.",
    to_do="Paste it as the study's URL.",
    source="SONA Systems' documentation for researchers; the address of the call as another program asks it",
    verified="The parameter was read in SONA's own documents, the address of the call only in another person's "
    "program; tried against no live site.",
)
_BY_REDIRECT = replace(
    _BY_CALL,
    name="sona_by_redirect",
    title="SONA, by redirect",
    exits={Outcome.COMPLETED: ExitArgs(redirect=f"https://{{host}}/webstudy_credit.aspx?{_QUERY}")},
    shows_secrets=True,
    source="SONA Systems' documentation for researchers",
    verified="The parameter and the address were read in SONA's own documents; tried against no live site. The credit "
    "token stands in the address: whoever finishes can see it, so prefer the preset sona.",
)

PRESETS = (_BY_CALL, _BY_REDIRECT)
