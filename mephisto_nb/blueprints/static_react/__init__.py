"""Tasks whose page is a bundle of the researcher's own, built with React or anything else."""

from mephisto_nb.blueprints.static_react.args import StaticReactBlueprintArgs
from mephisto_nb.blueprints.static_react.blueprint import StaticReactBlueprint

__all__ = ["StaticReactBlueprint", "StaticReactBlueprintArgs"]
