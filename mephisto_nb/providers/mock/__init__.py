"""A crowd of people you know, who come by a link that holds their name."""

from mephisto_nb.providers.link import MockProvider, MockProviderArgs

__all__ = ["MockProvider", "MockProviderArgs"]
