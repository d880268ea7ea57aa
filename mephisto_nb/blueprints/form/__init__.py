"""Tasks that are forms: made of Python types, of a small description, or of a FormComposer configuration."""

from mephisto_nb.blueprints.form.blueprint import FormBlueprint, FormBlueprintArgs, FormSharedState

__all__ = ["FormBlueprint", "FormBlueprintArgs", "FormSharedState"]
