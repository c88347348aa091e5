"""The exceptions that steer all flow.

K2Error
├── ConfigError     what was asked for cannot be done as given: say so in one line, exit 2
├── InvalidRecord   one record breaks its contract: to the dead-letter queue, whole
├── Halt            the world contradicts our state: stop, do not guess, exit 3
└── Unavailable     a peer did not answer within its limits: exit 4, the supervisor tries again
"""


class K2Error(Exception):
    """Base of every error this project raises; its text is written for the operator."""

    exit_code = 1


class ConfigError(K2Error):
    """What was asked for cannot be done as given."""

    exit_code = 2


class Halt(K2Error):
    """State and world contradict each other; going on could lose or double records."""

    exit_code = 3


class Unavailable(K2Error):
    """A peer did not answer within its limits."""

    exit_code = 4


class InvalidRecord(K2Error):
    """One record breaks its contract.

    ``reason`` is one of a bounded set of codes, fit for a metric's label; ``detail`` is for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
