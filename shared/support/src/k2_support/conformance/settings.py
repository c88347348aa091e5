"""What holds for the settings of every venue: only what its protocol can speak is taken for an endpoint."""

from collections.abc import Sequence

import pytest

from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import Settings
from k2_support.conformance.tables import TableTests


class EndpointConformance(TableTests):
    """The tests of a venue's socket URLs; what is declared here, its test class says."""

    tables = ("foreign",)

    settings: type[Settings]
    variable: str
    """The environment variable of the socket's URLs."""
    endpoints: tuple[str, ...]
    foreign: Sequence[str]
    """URLs that the protocol cannot speak."""

    def test_endpoints_of_the_protocol_are_taken(self) -> None:
        """In their order."""
        field = self.variable.lower()
        assert getattr(self.settings.load(**{field: ",".join(self.endpoints)}), field) == self.endpoints

    def test_an_endpoint_that_the_protocol_cannot_speak_is_refused(self, foreign: str) -> None:
        """By name, with what is allowed, before anything is connected."""
        with pytest.raises(ConfigError, match=self.variable):
            self.settings.load(**{self.variable.lower(): foreign})
