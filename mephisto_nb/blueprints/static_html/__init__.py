"""Tasks made of one HTML file, filled with one row of data for each assignment."""

from mephisto_nb.blueprints.static_html.args import StaticHTMLBlueprintArgs
from mephisto_nb.blueprints.static_html.blueprint import StaticHTMLBlueprint

__all__ = ["StaticHTMLBlueprint", "StaticHTMLBlueprintArgs"]
