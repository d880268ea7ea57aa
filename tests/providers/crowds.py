"""Settings with which each preset can be used."""

from mephisto_nb.providers.external import ExternalProviderArgs

_SONA = {"host": "lab.sona-systems.com", "experiment_id": "77"}
GIVEN = {
    "prolific_by_link": ExternalProviderArgs(
        preset="prolific_by_link", details={"completion_code": "C1A2B3C4", "no_consent_code": "N0C0NS3N"}
    ),
    "cloudresearch_connect": ExternalProviderArgs(
        preset="cloudresearch_connect",
        details={"project_id": "0A1B2C3D4E", "screened_out_url": "https://connect.cloudresearch.com/partial/1"},
    ),
    "sona": ExternalProviderArgs(preset="sona", details=_SONA, secrets={"credit_token": "sona"}),
    "sona_by_redirect": ExternalProviderArgs(
        preset="sona_by_redirect", details=_SONA, secrets={"credit_token": "sona"}
    ),
    "positly": ExternalProviderArgs(preset="positly", details={"task_id": "t-9"}),
    "besample": ExternalProviderArgs(preset="besample", details={"completion_code": "BS-42"}),
    "microworkers": ExternalProviderArgs(preset="microworkers"),
    "panel": ExternalProviderArgs(
        preset="panel",
        details={
            "complete_url": "https://panel.example.org/c?status=1&rid={participant}",
            "screened_out_url": "https://panel.example.org/c?status=2&rid={participant}",
            "quota_full_url": "https://panel.example.org/c?status=3&rid={participant}",
        },
    ),
    "link_list": ExternalProviderArgs(preset="link_list"),
}
