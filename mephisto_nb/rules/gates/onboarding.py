"""The introduction that newcomers go through before any unit."""

from __future__ import annotations

from dataclasses import dataclass

from mephisto_nb._typing import JSON
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import GateDecision, GateSetup, GateWords, PageGate, Standing, named


@dataclass(slots=True)
class OnboardingSettings:
    """The settings of the introduction.

    Parameters
    ----------
    onboarding_qualification
        Who has never been granted this is shown an introduction first, and handed it with value 1 if they pass; 0, and
        ``NAME-failed``, if they do not. It holds in all runs that name it. Needs `SharedTaskState.validate_onboarding`.
    onboarding_source, onboarding_html
        The introduction's HTML: a file, or the text itself; of use with pages that are made from a template.
    """

    onboarding_qualification: str | None = None
    onboarding_source: str | None = None
    onboarding_html: str | None = None


class OnboardingGate(PageGate[OnboardingSettings]):
    """Shows who was never granted its qualification the introduction, which the researcher's function judges."""

    NAME, KIND = Gate.ONBOARDING.value, Gate.ONBOARDING
    SETTINGS = OnboardingSettings
    FUNCTION = "validate_onboarding"
    QUALIFICATION, ENDINGS = "onboarding_qualification", ("-failed",)
    FAILED = GateWords(
        "onboarding_failed",
        "Thank you for going through the introduction. Your answers there were not what this task needs, so it is "
        "not open to you.",
        "failed the introduction",
    )

    @classmethod
    def is_open(cls, settings: OnboardingSettings, shared: SharedTaskState) -> bool:
        """Return whether a run has an introduction."""
        return bool(named(settings.onboarding_qualification))

    @classmethod
    def check_setup(cls, setup: GateSetup[OnboardingSettings]) -> None:
        """Refuse a page that nobody would see, and an introduction without a page or a judge. Raises `ConfigError`."""
        qualification = named(setup.settings.onboarding_qualification)
        pages = [name for name in ("onboarding_source", "onboarding_html") if named(getattr(setup.settings, name))]
        from_template = "onboarding_html" in setup.own_fields
        if pages and not from_template:
            raise ConfigError(
                f"mephisto.blueprint.{pages[0]} is set, but this blueprint's page is not made from a template. Remove "
                "the key: its own page shows the introduction."
            )
        if pages and not qualification:
            raise ConfigError(
                f"mephisto.blueprint.{pages[0]} is set, but nobody would see it. Set onboarding_qualification to the "
                "name of what those are granted who pass."
            )
        if qualification and not pages and from_template:
            raise ConfigError(
                f"mephisto.blueprint.onboarding_qualification is {qualification!r}, but there is no introduction to "
                "show. Set onboarding_source to an HTML file, or onboarding_html to the HTML itself."
            )
        if qualification and setup.shared.validate_onboarding is None:
            raise ConfigError(
                f"mephisto.blueprint.onboarding_qualification is {qualification!r}, but SharedTaskState has no "
                "validate_onboarding to judge by. Give one; lambda data: True lets everybody in."
            )

    @property
    def page_data(self) -> JSON:
        """What the introduction's page is handed."""
        return self.shared.onboarding_data

    def is_shut_to(self, standing: Standing) -> bool:
        """Return whether a worker did not pass, in this run or another."""
        return standing.grants.get(self.name) == 0 or f"{self.name}-failed" in standing.grants

    def is_due(self, standing: Standing) -> bool:
        """Return whether a worker never went through it."""
        return self.name not in standing.grants

    def decide(self, standing: Standing, *, passed: bool) -> GateDecision:
        """Grant the qualification, with value 0 to those who failed."""
        if passed:
            return GateDecision("passed the introduction", [(self.name, 1)])
        return GateDecision("did not pass the introduction", [(self.name, 0), (f"{self.name}-failed", 1)])
