"""A crowd of people you know, who come by a link that holds their name."""

from mephisto_nb.providers.mock.provider import MockProvider, MockProviderArgs

__all__ = ["MockProvider", "MockProviderArgs"]
